# SPDX-License-Identifier: Apache-2.0
"""Why layers of spiking frameworks are refused: one row a reason, shared by all spiking frontends.

The rows make the messages, and the generated page docs/compatibility.md.
"""

from __future__ import annotations

import re

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError


@frozen(kw_only=True)
class Refusal:
    """A reason. `message` and `help` may name {layer} (the user's name) and {kind} (the class).

    acceptable: whether --accept, with the reason's name, reads the layer all the same; `help` says as what.
    """

    code: str
    message: str
    help: tuple[str, ...] = ()
    acceptable: bool = False

    def diagnostic(self, layer: str, kind: str) -> Diagnostic:
        """The fault for one layer."""
        words = {"layer": layer, "kind": kind}
        return Diagnostic(
            code=self.code,
            message=self.message.format(**words),
            help=tuple(h.format(**words) for h in self.help),
            origin=(layer,) if layer else (),
        )


_LIF = "use LIF or IF neurons (snn.Leaky, norse LIFBoxCell, BindsNET LIFNodes), and retrain"

NO_SUCH = {"Conv2d": "no-such-conv", "Conv1d": "no-such-conv", "LSTM": "no-such-lstm", "LSTMCell": "no-such-lstm"}
"""What people look for in snnTorch and do not find, by the row that says what it is called."""

MISSING = re.compile(r"module 'snntorch' has no attribute '(\w+)'")


def explained(fault: DiagnosticError) -> DiagnosticError:
    """A fault of the user's code; one that looks for snn.Conv2d or snn.LSTM is told what those are called."""

    def explain(one: Diagnostic) -> Diagnostic:
        found = MISSING.search(one.message)
        if found is None or found[1] not in NO_SUCH:
            return one
        said = REFUSALS[NO_SUCH[found[1]]].diagnostic("", f"snn.{found[1]}")
        return evolve(said, span=one.span, label=one.label)

    return DiagnosticError([explain(one) for one in fault.diagnostics])


REFUSALS: dict[str, Refusal] = {
    "own-forward": Refusal(
        code="AKC0386",
        message="layer '{layer}': {kind} has a forward of its own; akc knows only the framework's",
        help=("use the framework's class as it is, and put what is special into the module around it",),
    ),
    "lstm": Refusal(
        code="AKC0370",
        message="layer '{layer}' ({kind}) has LSTM gates inside each step; AKD1000 layers keep no state",
        help=(
            "-O 'drop-lstm{{by=mean}}' leaves it out, by=cut ends the network in front of it",
            "--host=allow with --spikes hybrid keeps it on the host",
            "or put snn.Leaky in its place and retrain",
        ),
    ),
    "back-edge": Refusal(
        code="AKC0371",
        message="layer '{layer}' ({kind}) leads back to an earlier layer; a pass through AKD1000 goes forward only",
        help=(
            "one layer on a neuron's own spikes runs with --host=allow, a longer way round does not",
            "or drop the recurrence and train the read-out again",
        ),
    ),
    "full-matrix": Refusal(
        code="AKC0371",
        message="layer '{layer}' ({kind}) feeds the membranes of other neurons back",
        help=("make it with weight_hh_enable=False, so that each neuron keeps its own membrane, and retrain",),
    ),
    "neuron-model": Refusal(
        code="AKC0372",
        message="layer '{layer}': the dynamics of {kind} are no threshold on a weighted sum of the input",
        help=(_LIF,),
    ),
    "adaptive-threshold": Refusal(
        code="AKC0373",
        message="layer '{layer}' ({kind}) moves its threshold with each spike; the chip's thresholds stand still",
        help=(_LIF, "or take the adaptation out and train on"),
    ),
    "winner-take-all": Refusal(
        code="AKC0374",
        message="layer '{layer}' ({kind}) lets only its strongest neuron spike; the chip has no winner-take-all"
        " inside a layer",
        help=("build it with inhibition=False; at the end of the network, an argmax does the same",),
    ),
    "one-spike": Refusal(
        code="AKC0374",
        message="layer '{layer}' ({kind}) lets one random neuron spike a step (one_spike)",
        help=("reading by spike rates hardly needs it: --accept one-spike drops it",),
        acceptable=True,
    ),
    "axonal-delay": Refusal(
        code="AKC0375",
        message="layer '{layer}' ({kind}) delays spikes on their way; the chip has no delay lines",
        help=("train without delays",),
    ),
    "stochastic": Refusal(
        code="AKC0376",
        message="layer '{layer}': {kind} neurons fire at random; the chip has no noise",
        help=(_LIF,),
    ),
    "per-step-norm": Refusal(
        code="AKC0377",
        message="layer '{layer}' ({kind}) has other batch normalisation statistics at each time step;"
        " the chip runs one program at all steps",
        help=("use one BatchNorm for all steps and retrain",),
    ),
    "unshared-weights": Refusal(
        code="AKC0378",
        message="layer '{layer}' ({kind}) has own weights at every place of the map",
        help=("use a convolution (Conv2dConnection), or a dense connection",),
    ),
    "lateral": Refusal(
        code="AKC0371",
        message="connection '{layer}' ({kind}) runs inside a layer or back to an earlier one;"
        " a pass through AKD1000 goes forward only",
        help=("--accept lateral keeps the feed-forward part only",),
        acceptable=True,
    ),
    "rate-pooling": Refusal(
        code="AKC0372",
        message="connection '{layer}' ({kind}) chooses by running firing rates",
        help=(
            "--accept rate-pooling takes the largest of each window instead",
            "or use a convolution with a stride in its place",
        ),
        acceptable=True,
    ),
    "complex": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) has complex weights or resonating neurons",
        help=("use CUBA neurons",),
    ),
    "change-detector": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) spikes on changes of its state, not on a level",
        help=(_LIF,),
    ),
    "kernel-memory": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) remembers through a kernel or a matrix",
        help=(_LIF,),
    ),
    "encoder": Refusal(
        code="AKC0393",
        message="layer '{layer}' ({kind}) encodes numbers as spikes, which stays on the host",
        help=("leave it out of the module: the chip takes levels, so the rate of a pixel can go in as it is",),
    ),
    "encoder-inside": Refusal(
        code="AKC0393",
        message="forward encodes its input with {kind}, at random or in time, which stays outside of the network",
        help=(
            "take the encoder out of forward and feed x itself: the chip takes levels, so the rate of a pixel can go"
            " in as it is",
            "or let forward take the spikes, with a time axis: x[t] at step t",
        ),
    ),
    "branches": Refusal(
        code="AKC0394",
        message="layer '{layer}' ({kind}) joins branches; a program of the AKD1000 is a chain of layers",
        help=("train without the second branch",),
    ),
    "upsampling": Refusal(
        code="AKC0386",
        message="layer '{layer}' ({kind}) makes a map larger; the chip has no such layer",
        help=("end the network in front of it, and do the rest on the host",),
    ),
    "graded-spikes": Refusal(
        code="AKC0372",
        message="layer '{layer}': {kind} send numbers as spikes (gradedSpike)",
        help=("train with spikes of height 1",),
    ),
    "graded-layer": Refusal(
        code="AKC0386",
        message="layer '{layer}' ({kind}) multiplies [batch, n] by [n, 1]: its factors belong to samples, not neurons",
        help=("give the neurons their heights: graded_spikes_factor=torch.tensor([...])",),
    ),
    "no-such-conv": Refusal(
        code="AKC0386",
        message="snnTorch has no {kind}: a spiking convolution is torch.nn.Conv2d followed by snn.Leaky",
        help=("write nn.Conv2d(...), then snn.Leaky(beta=...)",),
    ),
    "no-such-lstm": Refusal(
        code="AKC0386",
        message="snnTorch has no {kind}: the spiking ones are snn.SLSTM and snn.SConv2dLSTM, an ordinary one is"
        " torch.nn.LSTM",
        help=("none of them runs on the chip; snn.Leaky does",),
    ),
    "smooth-spikes": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) gives the smooth function in place of spikes (surrogate_function.spiking)",
        help=("layer.surrogate_function.set_spiking_mode(True), as in training",),
    ),
    "spiking-attention": Refusal(
        code="AKC0331",
        message="layer '{layer}' ({kind}) multiplies activations with each other; AKD1000 layers multiply by weights",
        help=("put a convolution or a dense layer in its place, and retrain",),
    ),
    "several-samples": Refusal(
        code="AKC0332",
        message="layer '{layer}' ({kind}) is made for several samples at once, one behind the other",
        help=("make it for one: sinabs.set_batch_size(model, 1), and give an example of the steps of one sample",),
    ),
    "bounded-potential": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) bounds the potential that it gives (min_v_mem)",
        help=("leave min_v_mem out of a read-out",),
    ),
    "own-rule": Refusal(
        code="AKC0372",
        message="layer '{layer}' ({kind}) has a spike_fn or reset_fn that is not one of sinabs.activation",
        help=("use MultiSpike, MaxSpike or SingleSpike with MembraneSubtract or MembraneReset, and retrain",),
    ),
    "no-such-layer": Refusal(
        code="AKC0386",
        message="layer '{layer}': akc knows no {kind}",
        help=("docs/compatibility.md lists what it knows",),
    ),
}
