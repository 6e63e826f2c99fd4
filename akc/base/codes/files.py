# SPDX-License-Identifier: Apache-2.0
"""Codes 09: files and options."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0901": Code("a file cannot be read", "The path does not exist, is a folder, or may not be read."),
    "AKC0902": Code("a file is no text", "A UTF-8 text is needed here, such as an .akir file."),
    "AKC0903": Code("a file cannot be written", "The folder does not exist or may not be written to."),
    "AKC0904": Code("the kind of a file is not known", "akc goes by the ending of a name and by the first bytes."),
    "AKC0905": Code("an input range is no range", "Two finite numbers, the smaller first, such as (0, 1)."),
    "AKC0906": Code(
        "the text is not in canonical form", "`akc fmt` rewrites it; nothing but white space and order changes."
    ),
    "AKC0907": Code("there is no such diagnostic", "`akc explain` without a code lists them all."),
    "AKC0908": Code("a built network is needed", "Devices and the emulator run .akd files, which `akc build` writes."),
    "AKC0909": Code("a program is needed", "Programs are .akd files and bare programs, both written by `akc build`."),
    "AKC0910": Code(
        "akc chose how a spiking network runs",
        "rate: one pass of the chip for each window of the time axis. step: one pass for each time step."
        " hybrid: the chip computes potentials, the host the neurons. `--spikes` chooses. split-counts turns neurons"
        " with uneven counts into several of one bit.",
    ),
    "AKC0911": Code(
        "an option has no effect",
        "Options about time steps, neurons and topology are for sources that do not say these themselves, an example"
        " shape is for PyTorch modules, which are traced with one.",
    ),
    "AKC0912": Code("a word of a call is not known", "The message lists the words that there are."),
    "AKC0913": Code(
        "a call has no such keyword",
        "A keyword of a Python call is misspelt, one is missing, or there are too many arguments.",
    ),
    "AKC0914": Code(
        "a value of a call is of another kind", "The help line says what the parameter takes, with an example."
    ),
    "AKC0916": Code(
        "a file would be lost",
        "A product would take the place of a file that the call reads, or of another product. Files are compared by"
        " what they are, so that links and other ways to write a name make no difference.",
    ),
    "AKC0917": Code(
        "a stream has no end", "Pipes and devices are read up to 512 MiB; some, such as /dev/zero, go on for ever."
    ),
    "AKC0918": Code(
        "the machine has run out of something",
        "Memory, space on a disk or open files; nothing is wrong with the input.",
    ),
    "AKC0919": Code(
        "akc cannot work on this machine", "`akc doctor` says what is in the way of each thing, and what to do."
    ),
    "AKC0920": Code(
        "a frontend of another package cannot be taken",
        "Packages add kinds of sources by entry points of the group akc.frontends. Each names an"
        " akc.compiler.sources.SourceKind with an ending that nothing else has.",
    ),
    "AKC0935": Code(
        "there are no texts of passes",
        "`akc lower --dump-dir DIR` writes the text after each pass that changed something, and"
        " `akc report --html --road DIR` shows them as differences.",
    ),
    "AKC0945": Code(
        "the language server needs a package",
        "`akc lsp` speaks with editors through pygls, which the extra `lsp` installs.",
    ),
    "AKC0947": Code(
        "a new name will not do",
        "An editor asked for a value, weight, net or sequence to be renamed to what is no name, or to a name that is"
        " taken.",
    ),
    "AKC0955": Code(
        "a field of a file is not what it must be",
        "Every field is checked before it is used. The message names it by its path in the file, such as"
        " layer/3/neuron/vDecay, and says what was found; the help line says what is allowed there.",
    ),
    "AKC0956": Code(
        "a file asks for too much memory",
        "Files can claim sizes that they do not hold. What an import may take is bounded: by the larger of 1 GiB and"
        " eight times the size of the file, or by the variable AKC_MEMORY (such as 8G).",
    ),
    "AKC0957": Code(
        "a file leads out of itself",
        "Links of HDF5 to other files, to other names, and datasets whose bytes lie elsewhere are not followed: a file"
        " must not make akc read other files than those that were named.",
    ),
    "AKC0958": Code("AKC_MEMORY is no size", "A whole number of bytes, or one with the unit K, M, G or T."),
    "AKC0959": Code(
        "a file nests too deeply",
        "Files of networks nest a few levels; hundreds of levels are damage, and reading them would fail.",
    ),
    "AKC0960": Code(
        "values leave what float32 can hold",
        "No levels can be made of infinities, and of numbers that become infinite in the next product.",
    ),
    "AKC0961": Code(
        "there are more time steps than akc simulates",
        "Every time step is simulated many times while a network is lowered; 32768 of them take seconds to minutes.",
    ),
    "AKC0962": Code(
        "a member of an archive is packed in a way that is not read",
        "Stored and deflated members are read, which numpy, PyTorch and akc write. What bzip2 and LZMA unfold to cannot"
        " be bounded by what the archive claims.",
    ),
}
"""Codes AKC0900 to AKC0999."""
