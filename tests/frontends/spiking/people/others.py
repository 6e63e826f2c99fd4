# SPDX-License-Identifier: Apache-2.0
"""Norse, SpikingJelly and sinabs."""

from __future__ import annotations

import norse.torch as norse
import sinabs.layers as sl
import torch
import torch.nn.functional as F
from sinabs.from_torch import from_model
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based import surrogate as sjs
from torch import nn

from tests.frontends.spiking.people.table import T, network


@network((1, 20))
def norse_seq_loop():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = norse.SequentialState(nn.Linear(20, 32), norse.LIFCell(), nn.Linear(32, 4), norse.LICell())

        def forward(self, x):
            st = None
            o = []
            for _ in range(T):
                y, st = self.net(x, st)
                o.append(y)
            return torch.stack(o).max(0)[0]

    return N()


@network((T, 1, 20))
def norse_all_steps_mean():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = norse.SequentialState(nn.Linear(20, 32), norse.LIF(), nn.Linear(32, 4), norse.LI())

        def forward(self, x):
            y, _ = self.net(x)
            return y.mean(0)

    return N()


@network((1, 20))
def norse_expand_sum():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = norse.SequentialState(
                nn.Linear(20, 32),
                norse.LIFBox() if hasattr(norse, "LIFBox") else norse.LIF(),
                nn.Linear(32, 4),
                norse.LIF(),
            )

        def forward(self, x):
            y, _ = self.net(x.expand(T, *x.shape))
            return y.sum(0)

    return N()


@network((1, 1, 28, 28))
def norse_conv_tutorial():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = nn.Conv2d(1, 8, 5, 1)
            self.c2 = nn.Conv2d(8, 16, 5, 1)
            self.f = nn.Linear(16 * 4 * 4, 32)
            self.l0 = norse.LIFCell()
            self.l1 = norse.LIFCell()
            self.l2 = norse.LIFCell()
            self.out = norse.LILinearCell(32, 10)

        def forward(self, x):
            s0 = s1 = s2 = so = None
            vs = []
            for _ in range(T):
                z = self.c1(x)
                z, s0 = self.l0(z, s0)
                z = F.max_pool2d(z, 2, 2)
                z = 10 * self.c2(z)
                z, s1 = self.l1(z, s1)
                z = F.max_pool2d(z, 2, 2)
                z = z.view(-1, 256)
                z = self.f(z)
                z, s2 = self.l2(z, s2)
                v, so = self.out(F.relu(z), so)
                vs.append(v)
            return torch.stack(vs).max(0)[0]

    return N()


@network((1, 20))
def norse_lifparams():
    p = norse.LIFParameters(
        tau_mem_inv=torch.tensor(300.0),
        tau_syn_inv=torch.tensor(500.0),
        v_th=torch.tensor(0.3),
        method="super",
        alpha=torch.tensor(100.0),
    )

    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Linear(20, 32)
            self.l = norse.LIFCell(p=p, dt=0.002)
            self.g = nn.Linear(32, 4)
            self.o = norse.LICell(dt=0.002)

        def forward(self, x):
            a = b = None
            vs = torch.zeros(T, x.shape[0], 4)
            for t in range(T):
                z, a = self.l(self.f(x), a)
                v, b = self.o(self.g(z), b)
                vs[t] = v
            return vs[-1]

    return N()


@network((1, 1, 28, 28))
def sj_csnn():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_fc = nn.Sequential(
                layer.Conv2d(1, 8, 3, padding=1, bias=False),
                layer.BatchNorm2d(8),
                neuron.IFNode(surrogate_function=sjs.ATan()),
                layer.MaxPool2d(2, 2),
                layer.Conv2d(8, 8, 3, padding=1, bias=False),
                layer.BatchNorm2d(8),
                neuron.IFNode(surrogate_function=sjs.ATan()),
                layer.MaxPool2d(2, 2),
                layer.Flatten(),
                layer.Linear(8 * 7 * 7, 64, bias=False),
                neuron.IFNode(),
                layer.Linear(64, 10, bias=False),
                neuron.IFNode(),
            )
            functional.set_step_mode(self, "m")

        def forward(self, x):
            x_seq = x.unsqueeze(0).repeat(T, 1, 1, 1, 1)
            x_seq = self.conv_fc(x_seq)
            return x_seq.mean(0)

    return N()


@network((1, 20))
def sj_lif_fc_mnist():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Sequential(
                layer.Flatten(),
                layer.Linear(20, 10, bias=False),
                neuron.LIFNode(tau=2.0, surrogate_function=sjs.ATan()),
            )

        def forward(self, x):
            out = 0.0
            for _ in range(T):
                out += self.layer(x)
            return out / T

    return N()


@network((T, 1, 2, 32, 32))
def sj_dvs():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            c = []
            for i in range(3):
                c += [
                    layer.Conv2d(2 if i == 0 else 8, 8, 3, padding=1, bias=False),
                    layer.BatchNorm2d(8),
                    neuron.LIFNode(tau=2.0, detach_reset=True),
                    layer.MaxPool2d(2, 2),
                ]
            self.conv = nn.Sequential(*c)
            self.fc = nn.Sequential(
                layer.Flatten(),
                layer.Dropout(0.5),
                layer.Linear(8 * 4 * 4, 64),
                neuron.LIFNode(detach_reset=True),
                layer.Dropout(0.5),
                layer.Linear(64, 110),
                neuron.LIFNode(),
                layer.VotingLayer(10),
            )
            functional.set_step_mode(self, "m")

        def forward(self, x):
            return self.fc(self.conv(x)).mean(0)

    return N()


@network((1, 20))
def sj_tdbn():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.l1 = layer.SeqToANNContainer(nn.Linear(20, 16))
            self.n = neuron.LIFNode(step_mode="m", v_reset=None)
            self.l2 = layer.SeqToANNContainer(nn.Linear(16, 4))
            self.n2 = neuron.IFNode(step_mode="m", v_reset=None)

        def forward(self, x):
            return self.n2(self.l2(self.n(self.l1(x.repeat(T, 1, 1))))).sum(0)

    return N()


@network((1, 20))
def sj_reset_in_forward():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.f1, self.n1, self.f2, self.n2 = (
                nn.Linear(20, 16),
                neuron.ParametricLIFNode(init_tau=2.0),
                nn.Linear(16, 4),
                neuron.ParametricLIFNode(init_tau=2.0),
            )

        def forward(self, x):
            functional.reset_net(self)
            o = []
            for _ in range(T):
                o.append(self.n2(self.f2(self.n1(self.f1(x)))))
            return torch.stack(o).mean(0)

    return N()


@network((1, 20))
def sj_membrane():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.f1, self.n1, self.f2, self.n2 = (
                nn.Linear(20, 16),
                neuron.LIFNode(),
                nn.Linear(16, 4),
                neuron.LIFNode(v_threshold=1e9),
            )

        def forward(self, x):
            functional.reset_net(self)
            for _ in range(T):
                self.n2(self.f2(self.n1(self.f1(x))))
            return self.n2.v

    return N()


@network((T, 20), readout="count")
def sinabs_squeezed():
    return nn.Sequential(nn.Linear(20, 16), sl.IAFSqueeze(batch_size=1), nn.Linear(16, 4), sl.IAFSqueeze(batch_size=1))


@network((T, 1, 14, 14), readout="count")
def sinabs_from_model():
    ann = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(144, 10, bias=False),
        nn.ReLU(),
    )
    return from_model(ann, input_shape=(1, 14, 14), batch_size=1).spiking_model


@network((T, 2, 14, 14), readout="count")
def sinabs_network():
    ann = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(196, 10, bias=False)
    )
    return from_model(ann, input_shape=(2, 14, 14), batch_size=1, add_spiking_output=True)
