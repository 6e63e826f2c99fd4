# SPDX-License-Identifier: Apache-2.0
"""Codes 03: frontends."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
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
        "Before opset 7 operators said by attributes how their operands are repeated. onnx.version_converter was tried"
        " and failed at this file; newer exporters write newer opsets.",
    ),
    "AKC0304": Code(
        "an axis has no fixed length",
        "A program for the chip is made for one size of input. Only the batch axis may stay open; every other axis is"
        " fixed when the model is exported, or by --example with the shape of an input.",
    ),
    "AKC0306": Code(
        "the inputs do not agree on their batch axis",
        "A network may have several inputs, each with its own branch of layers. All of them have the batch in front.",
    ),
    "AKC0307": Code(
        "the input holds neither floats nor bytes",
        "A network for the chip reads floats, or the bytes of pictures and sounds (uint8, int8) as they are. Tokens and"
        " other integers have no way onto it.",
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
    "AKC0315": Code(
        "forward changes the module",
        "A buffer that forward writes is a state from one call to the next. akc reads the states of the framework's"
        " neurons; others have no place in the text.",
    ),
    "AKC0316": Code(
        "a state of a neuron comes from elsewhere",
        "Between two steps a neuron's membrane may be scaled, reset where it fired, moved by numbers and cut off at"
        " levels; the text says so beside the neuron. A state made of other neurons, of several steps, or in another"
        " way at another step has no equation there, and is not left out.",
    ),
    "AKC0317": Code(
        "a state is read that nothing gives", "A neuron of the language gives its spikes and its membrane, no more."
    ),
    "AKC0318": Code(
        "--readout contradicts the code",
        "forward has read its answer out over time already, in another way than --readout says.",
    ),
    "AKC0330": Code(
        "a file means different networks, depending on the tool that wrote it",
        "NIR stores equations without a step length, and every exporter has habits of its own. Where the numbers fit"
        " several tools whose neurons would spike differently, --producer says which it was.",
    ),
    "AKC0331": Code(
        "a layer multiplies activations with each other",
        "Attention between spikes needs products of two activations. AKD1000 layers multiply activations by weights.",
    ),
    "AKC0332": Code(
        "a layer is made for several samples",
        "sinabs' squeezed layers know their batch size. A program of the chip runs one sample after the other.",
    ),
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
    "AKC0346": Code(
        "a module that torch.jit made cannot be read",
        "torch.jit.trace and torch.jit.script keep a program in a language of their own. PyTorch's converter brings"
        " most of them back; this one it does not. The module from before reads best.",
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
    "AKC0395": Code(
        "the quantisers of the source change its results too much to be compared",
        "akc leaves the rounding of a quantised file to its own passes and holds the file to its results but for that"
        " rounding. Where probe inputs lie beyond the ranges of its quantisers, or its rounding decides what follows,"
        " nothing is left to compare. Inputs of the right range help; `--check=off` compiles without.",
    ),
    "AKC0396": Code(
        "a result is returned twice",
        "Every result of forward is an output of the net, under a name of its own. One that is returned twice would"
        " silently be one output where the source has two.",
    ),
}
"""Codes AKC0300 to AKC0399."""
