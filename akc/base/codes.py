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
    "AKC0207": Code(
        "weights are not finite",
        "A weight is nan or infinite. No layer computes with such numbers, and no range holds them.",
    ),
    # -- 03 frontends ---------------------------------------------------------------------------
    "AKC0301": Code(
        "this is no ONNX file",
        "The bytes are not an ONNX model, or the file was cut short on its way here.",
    ),
    "AKC0302": Code(
        "weights of the ONNX file are missing",
        "Large models keep their weights in a second file. It belongs beside the .onnx file, under the name it"
        " was exported with.",
    ),
    "AKC0303": Code(
        "the ONNX file is too old",
        "Operators changed their meaning before opset 11. Newer exporters and onnx.version_converter write"
        " newer opsets.",
    ),
    "AKC0304": Code(
        "an axis has no fixed length",
        "A program for the chip is made for one size of input. Only the batch axis may stay open; every other"
        " axis is fixed when the model is exported.",
    ),
    "AKC0306": Code("the network has several inputs", "A program for the chip reads one input."),
    "AKC0307": Code(
        "the input does not hold floats",
        "A network for the chip is imported as float layers. Tokens and other integers have no way onto it.",
    ),
    "AKC0308": Code(
        "weights are not stored in the file",
        "The weights of a layer are an input of the network. The model was exported without its parameters.",
    ),
    "AKC0309": Code(
        "your Python file failed",
        "akc ran the file and the function that you named, and one of them raised. The message and the line are"
        " those of your own code.",
    ),
    "AKC0310": Code(
        "torch.export cannot trace the model",
        "The forward method does something that cannot be traced: it decides by values of tensors, prints them,"
        " or leaves PyTorch. The line is the one in your own code.",
    ),
    "AKC0311": Code(
        "shapes do not go together",
        "The shapes inside the network cannot be found with a batch of one sample.",
    ),
    "AKC0312": Code(
        "an example input is needed, or does not fit",
        "PyTorch models are traced with an example. Its shape has the batch axis in front: --example 1,1,28,28.",
    ),
    "AKC0313": Code("a package is not installed", "Frontends load the package of their source only when it is used."),
    "AKC0314": Code("a result does not depend on the input", "The network, as exported, computes a constant."),
    "AKC0340": Code(
        "this is no .fbz file",
        "A .fbz file is one raw Snappy block with filler behind it. The bytes are no such block, or end before it"
        " is complete.",
    ),
    "AKC0341": Code(
        "the .fbz file is damaged",
        "The unpacked content is a FlatBuffer; one of its offsets leads outside, or something that every model"
        " has is absent.",
    ),
    "AKC0342": Code(
        "the .fbz file comes from an unknown SDK",
        "The file names the version of the vendor's SDK that wrote it. Files of later ones were never compared, so"
        " akc does not guess what they hold.",
    ),
    "AKC0343": Code(
        "the .fbz file has the form of an old SDK",
        "SDKs before 2.4.0 kept the parameters of a layer in a table of its own kind. Later ones read both forms.",
    ),
    "AKC0344": Code(
        "the .fbz model is no chain of Akida 1.0 layers",
        "An AKD1000 runs InputData or InputConvolutional followed by Convolutional, SeparableConvolutional and"
        " FullyConnected layers, one after the other.",
    ),
    "AKC0345": Code(
        "a layer of the .fbz model contradicts itself",
        "A parameter or a variable is missing, unknown, of another shape than the others ask for, or out of range.",
    ),
    # -- 037 to 039 spiking frontends -------------------------------------------------------------
    "AKC0370": Code(
        "a layer has gates",
        "LSTM layers, spiking or not, remember a state and decide at each step what to keep of it. The chip's"
        " layers keep nothing between passes.",
    ),
    "AKC0371": Code(
        "a layer hears its own spikes",
        "A pass through the chip goes forward only. With --host=allow the chip computes the input potentials"
        " and the potentials of the recurrent weights, and the host keeps the neurons and closes the loop.",
    ),
    "AKC0372": Code(
        "a neuron is no threshold on a weighted sum",
        "The chip compares a weighted sum with a threshold. Neurons whose rate is a staircase of a constant"
        " current fit that (IF, LIF and what resembles them); resonators, bursting and quadratic models do not.",
    ),
    "AKC0373": Code(
        "a threshold moves while the network runs",
        "The chip's thresholds are constants. A threshold that learning has moved and that stays where it is"
        " is no problem; one that each spike moves is.",
    ),
    "AKC0374": Code(
        "neurons of a layer compete",
        "Where only the strongest neuron may spike, every neuron must know all others. The chip's layers have"
        " no such connection.",
    ),
    "AKC0375": Code(
        "spikes are delayed", "The chip has no delay lines: every spike counts in the pass that it enters."
    ),
    "AKC0376": Code("a neuron is random", "The chip has no source of noise."),
    "AKC0377": Code(
        "the layers of a network change from step to step",
        "Every pass of the chip uses the same program. Batch normalisation with own statistics for each step"
        " (BNTT) is a different layer at each step.",
    ),
    "AKC0378": Code("weights are not shared", "A local connection has its own kernel at every place of the map."),
    "AKC0379": Code(
        "the read-out is not known",
        "A spiking network can be read by counting spikes or by its membranes, and the answers can differ by"
        " tens of points of accuracy. Where the source does not show how it is read, the user must say it:"
        " --readout count, membrane (the mean over time), max or last.",
    ),
    "AKC0380": Code(
        "the number of time steps is not known",
        "One step of a spiking network does not say how many there are. A time loop in the traced module"
        " shows it; otherwise give --steps.",
    ),
    "AKC0381": Code(
        "the length of a step is not known",
        "Time constants in seconds become decays only with the length of a step. NIR files do not hold it;"
        " --dt gives it, --producer names the tool whose habits the file follows.",
    ),
    "AKC0382": Code(
        "a file may run code and is not opened",
        "Pickle files can run any program when they are read. akc reads tensors and plain values of a pickle and"
        " nothing else; a file that names anything beyond is refused before any of it runs.",
    ),
    "AKC0383": Code(
        "the time loop cannot be folded into one step",
        "akc traces the module with the loop unrolled and folds the copies into one. That needs the same"
        " layers with the same weights at every step, and no path from one step to the next but the neurons'"
        " own states.",
    ),
    "AKC0384": Code(
        "weights do not fit the topology", "The shapes of the weights must form the chain that the topology says."
    ),
    "AKC0385": Code(
        "the topology cannot be read",
        "A topology is a chain such as 784-256-10, or a TOML file with a [[layer]] table for each layer.",
    ),
    "AKC0386": Code(
        "a layer of a spiking framework is not known", "docs/compatibility.md lists the layers that akc knows."
    ),
    "AKC0387": Code(
        "there is no calibration data",
        "Thresholds and steps come from the neuron's own staircase of spike counts over a constant current."
        " Samples (--calibrate) let akc fit them to what the network really does.",
    ),
    "AKC0388": Code(
        "something of the source is approximated or left out",
        "The message says what. The table in docs/compatibility.md says how large the error is.",
    ),
    "AKC0389": Code("the file is not of the kind that was expected", "The message says what the file lacks."),
    "AKC0391": Code(
        "the compiled network does not answer like its source",
        "On samples that calibration did not see, too many answers differ. A program that is known to be wrong"
        " is not made; --least 0 makes it all the same.",
    ),
    "AKC0392": Code(
        "this way of running spikes does not suit the network",
        "rate: one pass for each window, spike counts as levels. step: one pass for each time step, exact for"
        " neurons without memory.",
    ),
    "AKC0393": Code(
        "something needs the host", "The chip does not have it; with --host=allow it runs beside the chip."
    ),
    "AKC0394": Code(
        "the network is no chain of layers",
        "A program of the AKD1000 is one layer behind the other. A graph with several inputs, outputs or branches"
        " has no place there; one layer on a neuron's own spikes runs with --host=allow.",
    ),
    # -- 04 passes and pipelines ----------------------------------------------------------------
    "AKC0401": Code(
        "this is not a pipeline",
        "A pipeline is a list of passes, such as `fold-batchnorm,lower-int4{weights=4 scale=mse},place`.",
    ),
    "AKC0402": Code("there is no such pass", "`akc passes` lists them with their options."),
    "AKC0403": Code("the pass has no such option", "`akc passes NAME` lists the options of a pass."),
    "AKC0404": Code("an option has a value that it cannot take", "`akc passes NAME` says what each option takes."),
    "AKC0410": Code(
        "calibration samples do not fit the network",
        "Samples are arrays named like the network's inputs, with the batch axis first and one sample in the"
        " shape of the input.",
    ),
    "AKC0411": Code(
        "ranges were estimated without samples",
        "The range of every activation decides how its levels are spread. Without samples akc estimates them"
        " from the weights and from the range of the input; a few hundred samples give better networks.",
    ),
    "AKC0412": Code(
        "samples are needed",
        "Error-feedback rounding measures what rounding does to the sums of a layer, on calibration samples.",
    ),
    "AKC0413": Code(
        "a value has no recorded range",
        "Quantising needs to know between which numbers an activation lies. The pass calibrate writes it into"
        " the text as `in [lo, hi]`; it can also be written by hand.",
    ),
    "AKC0414": Code(
        "results are too large for the decoder",
        "The vendor's tools refuse an act_step below 1/16. That of a last layer is one over what a unit of its"
        " potential is worth, so results of several thousand are out of reach.",
    ),
    "AKC0415": Code(
        "the border of a signed input is not zero",
        "Mesh convolutions pad with level 0. Where the input is signed, level 0 stands for its smallest value, so the"
        " outermost cells see that in place of 0. The image layer has a padding value and no such trouble.",
    ),
    "AKC0416": Code(
        "the image layer cannot take this input",
        "It takes maps of at least 5x5 cells with at most 256 on d1. The pass insert-image-layer was asked to put it in"
        " front of a dense layer, whose inputs make no such map.",
    ),
    "AKC0420": Code(
        "the chip has no such layer",
        "AKD1000 computes convolutions, depthwise separable convolutions and dense layers, each followed by"
        " a pool and a ReLU. The help line says what can be done about this operation.",
    ),
    "AKC0421": Code(
        "a recurrent layer is in the way",
        "A program of the chip keeps no state from one input to the next. The pass drop-lstm can replace a"
        " recurrent layer, with a loss.",
    ),
    "AKC0422": Code(
        "the chip has no such convolution",
        "Kernels are square and odd, up to 7x7; the stride is 1, or 2 with 3x3; the border is the one of"
        " padding=same. The image layer, which takes pictures of one or three channels, allows more.",
    ),
    "AKC0423": Code(
        "the chip has no such pool",
        "Max pools have a 2x2 window behind a convolution; averages are taken over the whole map.",
    ),
    "AKC0424": Code(
        "an activation is missing",
        "Between two layers the chip hands over levels that are 0 or more, as behind a ReLU.",
    ),
    "AKC0425": Code(
        "the network branches",
        "Layers of AKD1000 stand in a row: one input, one output, no second use of a value in between.",
    ),
    "AKC0426": Code(
        "a normalisation cannot be folded",
        "Scale and shift go into the layer in front of them, or into a layer behind them that does not pad."
        " A shift in front of padding cannot be folded, since the border holds zeros.",
    ),
    "AKC0427": Code(
        "a layer has a shape that the chip cannot take",
        "Chip layers take maps [d0, d1, channels] or vectors.",
    ),
    "AKC0430": Code(
        "a recurrent layer was dropped",
        "drop-lstm was asked to leave it out. What the layer remembered over time is lost, and the layers"
        " behind it see other numbers than they were trained on: train them again, or measure.",
    ),
    "AKC0431": Code(
        "a recurrent layer cannot be dropped",
        "What replaces it must have the shape of its result: as many features as hidden states.",
    ),
    # -- 05 limits of the chip ------------------------------------------------------------------
    "AKC0501": Code(
        "the chip has no such kernel",
        "The image layer takes 3x3, 5x5 and 7x7, a convolution 1x1 too, a separable convolution 3x3, 5x5 "
        "and 7x7. Other kernels can be padded with zeros up to 7x7; beyond, the network must be changed.",
    ),
    "AKC0502": Code(
        "the chip has no such stride",
        "Convolutions move by 1, and by 2 with a 3x3 kernel, the same on both axes. The image layer moves "
        "by 1, 2 or 3 on each axis.",
    ),
    "AKC0503": Code(
        "the chip has no such padding",
        "Inside the chip convolutions are padded so that the size stays the same (divided by the stride, "
        "rounded up). Only the image layer can leave the padding out.",
    ),
    "AKC0504": Code(
        "the chip has no weights of this type",
        "Convolutions and dense layers take weights of 1, 2 and 4 bits, separable convolutions of 2 and 4 bits.",
    ),
    "AKC0505": Code(
        "the image layer must have its activation",
        "The image front end gives levels, never potentials.",
    ),
    "AKC0506": Code(
        "a layer does not fit the memories of a neural processor",
        "Each NP has 44,800 bytes for filters and 43,008 bytes for its part of the input map. A layer is "
        "cut into filters and tiles, but one filter and one tile must fit.",
    ),
    "AKC0507": Code(
        "a layer is too wide",
        "Channels, filters, inputs and units are counted in fields of limited width.",
    ),
    "AKC0508": Code(
        "a map has a size that the chip does not take",
        "Heights and widths are limited by registers and by the image front end's line buffers.",
    ),
    "AKC0509": Code(
        "the chip has no such pooling",
        "Max pooling is 2x2, global average pooling (a sum) needs a small map. Pools work on potentials, "
        "before the activation.",
    ),
    "AKC0510": Code(
        "a max pool stands where it cannot",
        "A convolution with max pooling must be followed by another convolution of the same sequence.",
    ),
    "AKC0511": Code(
        "the image layer is not the first of its sequence",
        "Pixels enter the chip through the image front end, which stands before the mesh.",
    ),
    "AKC0512": Code(
        "a layer holds nothing but zeros",
        "The vendor's tools refuse such an image layer or separable convolution.",
    ),
    "AKC0513": Code(
        "a threshold is out of range",
        "Thresholds have 20 bits, those of the image layer 24.",
    ),
    "AKC0514": Code(
        "an act_step is out of range",
        "Steps are kept in sixteenths, in 20 bits; those of the image layer in 24.",
    ),
    "AKC0515": Code(
        "a one-channel convolution is cut into odd shares",
        "With one input channel and more than 16 filters, every NP must hold an even number of groups of 8 filters.",
    ),
    "AKC0516": Code(
        "a learning layer is not as the chip needs it",
        "Edge learning works in the last layer, a dense one with 1-bit inputs and weights; classes share "
        "the units evenly.",
    ),
    "AKC0517": Code(
        "a potential can leave 20 bits",
        "Some input could drive a potential out of 20 bits. The simulator keeps exact sums in convolutions, "
        "and nobody has shown what the chip does there. Below 20 bits all agree.",
    ),
    "AKC0518": Code(
        "inputs have three bits",
        "Three-bit levels exist in the vendor's file format. Dense layers refuse them.",
    ),
    "AKC0519": Code(
        "there is no layer that can learn",
        "Edge learning takes place in a last fully connected layer with `learning=akida_unsupervised(...)`. The pass "
        "learn makes one of a last dense layer; docs/akd1000/learning.md says what it does.",
    ),
    "AKC0520": Code(
        "a sequence needs more neural processors than there are",
        "The mesh has 78 NPs, and a sequence has it to itself. Ways out: fewer filters, a more compact "
        "placement, several sequences.",
    ),
    "AKC0521": Code(
        "a sequence needs more dense processors than there are",
        "Each dense layer takes one FNP: 18 FNP3 hold up to 43,008 bytes of weights each, 4 FNP2 read "
        "weights of any size from outside.",
    ),
    "AKC0522": Code(
        "a pin names a place that is not in the mesh",
        "docs/akd1000/placement.md lists every NP.",
    ),
    "AKC0523": Code(
        "a pin names an NP that cannot compute the layer",
        "Convolutions run as cnp1, dense layers as fnp3 or fnp2, the image layer as hrc. Only some NPs are FNPs.",
    ),
    "AKC0524": Code(
        "two pins use the same NP",
        "Every NP computes one share of one layer.",
    ),
    "AKC0525": Code(
        "pinned shares do not fit together",
        "The shares of a layer must lie inside it and must not overlap. A dense layer is never cut.",
    ),
    "AKC0526": Code(
        "a pinned share is not one that an NP can compute",
        "The share is too large for the memories or the tile of an NP, or its edges are where the registers "
        "cannot put them.",
    ),
    "AKC0527": Code(
        "there is no such way of placing",
        "The ways are vendor (the SDK's default), vendor-minimal (its MapMode.Minimal) and compact.",
    ),
    "AKC0528": Code(
        "a layer runs on the host",
        "With --host=allow, layers that the chip does not take are computed by the host's software. The message"
        " says which limit keeps the layer off the chip.",
    ),
    "AKC0529": Code(
        "a layer runs on the host",
        "`at=[host()]` has the host's software compute a layer, and float layers beside sequences (nn.add and the like)"
        " are the host's in any case. Both need --host=allow; with a pin, all layers of the sequence must be pinned"
        " so.",
    ),
    # -- 06 building and containers -------------------------------------------------------------
    "AKC0601": Code("this is no .akd file", "A .akd file is the zip that `akc build` writes, with meta.json inside."),
    "AKC0602": Code("the .akd file has a newer format", "It was written by a later akc."),
    "AKC0603": Code(
        "the .akd file is damaged",
        "The digest of a member differs from the one in meta.json: the file was cut, or changed by hand.",
    ),
    "AKC0604": Code(
        "one hardware sequence is needed",
        "A bare program holds one sequence. A network with several is run from its .akd file.",
    ),
    "AKC0610": Code(
        "a program is damaged",
        "A program is two FlatBuffers, program_info and program_data. An offset, a count or a length in it"
        " does not hold; the message names the byte.",
    ),
    "AKC0611": Code(
        "a program is not one for the AKD1000",
        "The container can be read, but it asks for things that this chip does not have, or its tracks"
        " hold blocks of a kind that no AKD1000 program has.",
    ),
    "AKC0612": Code(
        "a number does not fit its register",
        "Every field of a register has a width (docs/akd1000/registers.md). A layer whose numbers are"
        " within the limits of docs/supported.md always fits.",
    ),
    "AKC0613": Code(
        "a network is not ready to be assembled",
        "The assembler takes sequences of akida layers in a chain, each with all its places. `akc opt -p place`"
        " fills in what is missing.",
    ),
    "AKC0614": Code(
        "no network gives this program",
        "The program can be read and printed, but no network that akc knows assembles to these bytes: a field"
        " has a value that no layer has. `akc disasm` shows every field.",
    ),
    "AKC0640": Code(
        "the network cannot be written as .fbz",
        "The vendor's model file holds one chain of Akida 1.0 layers, an input first. What runs on the host is not"
        " in it, apart from the border at both ends, which is left out.",
    ),
    # -- 07 running and data --------------------------------------------------------------------
    "AKC0701": Code("this is no sample file", "Samples are .npy or .npz files of numpy, without pickled objects."),
    "AKC0702": Code(
        "samples for an input are missing", "A .npz needs one array for each input of the net, by its name."
    ),
    "AKC0703": Code("samples do not fit the network", "The shape or the kind of numbers is not the input's."),
    "AKC0704": Code(
        "an operation cannot be run",
        "The simulator has no rule for it: it stands for something of the source network that akc has no"
        " operation for, or a time loop holds an operation that needs all steps at once.",
    ),
    "AKC0705": Code(
        "there are no chip integers to give or take",
        "A raw run starts at what enters the chip and ends at what its last layer gives. This network has no"
        " chip layer, or a layer that also needs numbers from the host.",
    ),
    "AKC0706": Code(
        "an act_step cannot be run",
        "The chip keeps an act_step as a count of sixteenths in 28 bits. Below 1/16 the count is 0, and from"
        " 16777216 on it wraps to another step or to 0.",
    ),
    # -- 08 devices -----------------------------------------------------------------------------
    "AKC0801": Code(
        "the device cannot be opened",
        "There is no such device, its driver is missing, or this user may not open it. `akc devices` lists what"
        " there is and what to do.",
    ),
    "AKC0802": Code("the device is in use", "One process drives a device at a time; a lock file says which one."),
    "AKC0803": Code(
        "the device did not answer in time",
        "A transfer or an output did not come. The device was reset and holds no program any more.",
    ),
    "AKC0804": Code(
        "the device is gone",
        "An access failed as it does when a card loses its link or its kernel module is unloaded. Open it again.",
    ),
    "AKC0805": Code(
        "a transfer was cut short",
        "Fewer bytes came or went than asked for. The device was reset and holds no program any more.",
    ),
    "AKC0806": Code(
        "this is no device that akc drives",
        "The identification register holds another vendor, product or version than an AKD1000's.",
    ),
    "AKC0807": Code(
        "the program is not for this device",
        "Its device version, or something that it asks for, belongs to another chip. Nothing was written.",
    ),
    "AKC0808": Code(
        "the device gave an impossible output",
        "More words than the buffer holds, or coordinates outside of the output. The device was reset.",
    ),
    "AKC0809": Code(
        "an input does not fit the program",
        "Shape, element type or values are not what the program takes. The device was not touched.",
    ),
    "AKC0810": Code(
        "the device is not in a state for this call",
        "Such as an input before a program, or another batch size while inputs wait. The device was not touched.",
    ),
    "AKC0811": Code("the device's working memory is too small", "Rings, tracks, inputs and outputs must fit it."),
    "AKC0812": Code(
        "the device and the simulator differ",
        "`akc verify` compares the integers of each sequence; the message names the first layer and place.",
    ),
    "AKC0820": Code("the emulated chip cannot do this", "The emulator refuses what the chip's registers cannot mean."),
    "AKC0821": Code(
        "there is no such register",
        "An access to the emulated chip at an address that no row of the register table describes.",
    ),
    "AKC0822": Code(
        "a DMA descriptor or header cannot be",
        "The emulated chip met a descriptor, a ring or a transfer header with fields that contradict each other.",
    ),
    "AKC0823": Code(
        "a neural processor is programmed twice",
        "A second register block, or a block that overlaps an earlier one, came without a mesh reset between.",
    ),
    "AKC0824": Code(
        "registers of the mesh contradict each other",
        "Sizes, shares, layer numbers or columns of the neural processors do not make a network.",
    ),
    "AKC0825": Code(
        "an input event does not fit",
        "The emulated chip got an event outside of the first layer's input, or of another format.",
    ),
    # -- 09 files and options -------------------------------------------------------------------
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
}
