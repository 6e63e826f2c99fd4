# SPDX-License-Identifier: Apache-2.0
"""The table of diagnostic codes: what `akc explain CODE` prints.

Numbers by area: 00 syntax, 01 names and structure, 02 types and levels, 03 frontends, 04 passes and
pipelines, 05 limits of the chip, 06 building and containers, 07 running and data, 08 devices,
09 files and options.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Code:
    """A kind of fault: a short title and a paragraph on what it means and what to do."""

    title: str
    explanation: str


CODES: dict[str, Code] = {
    # -- 00 syntax ------------------------------------------------------------------------------
    "AKC0001": Code(
        "this is not .akir syntax",
        "The parser met something that the grammar does not allow here. The caret stands at the first"
        " character it could not use; the label says what may stand there.",
    ),
    "AKC0002": Code(
        "a weight payload cannot be read",
        "The numbers between the quotes do not fit the type in front of them: a digit that is no legal"
        " value of the type, too few or too many values, or a row of the wrong length.",
    ),
    "AKC0003": Code(
        "this version of the text is not known",
        "The first line of a file names the version of the language, such as `akir 1.0`. This akc reads"
        " the versions that it lists and no others.",
    ),
    # -- 01 names and structure -----------------------------------------------------------------
    "AKC0101": Code(
        "there is no such operation",
        "The name before the bracket is no operation of the language. docs/ops.md lists them all.",
    ),
    "AKC0102": Code(
        "a value is used before it is defined",
        "Every %name must be an input of the net or the result of a statement further up."
        " Only host.previous may look at a value defined below it.",
    ),
    "AKC0103": Code(
        "there is no such weight",
        "Every #name in a statement needs an entry in the weights section at the end of the file.",
    ),
    "AKC0104": Code(
        "a name is defined twice",
        "Values, weights, sequences and inputs each have one definition.",
    ),
    "AKC0105": Code(
        "there is no such attribute",
        "The operation does not take this attribute. docs/ops.md lists the attributes of each.",
    ),
    "AKC0106": Code(
        "an attribute or operand is missing",
        "The operation needs it; see docs/ops.md.",
    ),
    "AKC0107": Code(
        "an attribute has a value that it cannot take",
        "The value has the wrong form, is out of range, or is none of the words allowed here.",
    ),
    "AKC0108": Code(
        "this statement may not stand here",
        "Sequences hold akida layers and nothing else, and are not nested.",
    ),
    # -- 02 types and levels --------------------------------------------------------------------
    "AKC0201": Code(
        "the type does not agree with what the operation gives",
        "akc computes the type of each result from operands, weights and attributes; the type that is"
        " written must be the same.",
    ),
    "AKC0202": Code(
        "operands or weights do not fit the operation",
        "A shape or an element type of an operand or a weight is not what the operation takes.",
    ),
    "AKC0203": Code(
        "the network is not at the level that this step needs",
        "Levels are imported, mappable, quantised, placed; each step needs one and gives one. The level is"
        " computed from the text. The help line says which pass leads there.",
    ),
    "AKC0204": Code(
        "weights are elided",
        "The file holds digests in place of these weights. Structure passes run on it, but nothing that"
        " needs the numbers.",
    ),
    "AKC0205": Code(
        "act_step is cut to sixteenths",
        "The chip keeps an act_step as a count of sixteenths, rounded down. The written value has more.",
    ),
    "AKC0206": Code(
        "a weight is not used",
        "The weights section holds an entry that no statement names. Passes drop it, fmt keeps it.",
    ),
    # -- 04 passes and pipelines ----------------------------------------------------------------
    "AKC0401": Code(
        "this is not a pipeline",
        "A pipeline is a list of passes, such as `fold-batchnorm,lower-int4{weights=4 scale=mse},place`.",
    ),
    "AKC0402": Code("there is no such pass", "`akc passes` lists them with their options."),
    "AKC0403": Code("the pass has no such option", "`akc passes NAME` lists the options of a pass."),
    "AKC0404": Code("an option has a value that it cannot take", "`akc passes NAME` says what each option takes."),
    # -- 09 files and options -------------------------------------------------------------------
    "AKC0901": Code("a file cannot be read", "The path does not exist, is a folder, or may not be read."),
    "AKC0902": Code("a file is no text", "A UTF-8 text is needed here, such as an .akir file."),
    "AKC0903": Code("a file cannot be written", "The folder does not exist or may not be written to."),
    "AKC0904": Code("the kind of a file is not known", "akc goes by the ending of a name and by the first bytes."),
    "AKC0905": Code("options do not go together", "The message names the two and says which to keep."),
}
