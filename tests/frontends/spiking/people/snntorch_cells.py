# SPDX-License-Identifier: Apache-2.0
"""snnTorch: its cells, its containers."""

from __future__ import annotations

import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate, utils
from torch import nn

from tests.frontends.spiking.people.table import T, network


class Base(nn.Module):
    """20-32-4, as in snnTorch's tutorials."""

    def __init__(self, lif=lambda **k: snn.Leaky(beta=0.9, spike_grad=surrogate.fast_sigmoid(slope=25), **k)):
        super().__init__()
        self.fc1 = nn.Linear(20, 32)
        self.lif1 = lif()
        self.fc2 = nn.Linear(32, 4)
        self.lif2 = lif()


@network((1, 20))
def tutorial5():
    class N(Base):
        def forward(self, x):
            mem1 = self.lif1.init_leaky()
            mem2 = self.lif2.init_leaky()
            spk2_rec = []
            mem2_rec = []
            for _ in range(T):
                cur1 = self.fc1(x)
                spk1, mem1 = self.lif1(cur1, mem1)
                cur2 = self.fc2(spk1)
                spk2, mem2 = self.lif2(cur2, mem2)
                spk2_rec.append(spk2)
                mem2_rec.append(mem2)
            return torch.stack(spk2_rec, dim=0).sum(0), torch.stack(mem2_rec, dim=0)

    return N()


@network((1, 20))
def flatten_view_argless():
    class N(Base):
        def forward(self, x):
            x = x.view(x.size(0), -1)
            m1 = self.lif1.reset_mem()
            m2 = self.lif2.reset_mem()
            out = torch.zeros(x.shape[0], 4)
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out = out + k
            return out / T

    return N()


@network((1, 20))
def prealloc_buffer():
    class N(Base):
        def forward(self, x):
            m1 = self.lif1.reset_mem()
            m2 = self.lif2.reset_mem()
            rec = torch.empty(T, x.size(0), 4)
            for t in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                rec[t], m2 = self.lif2(self.fc2(k), m2)
            return rec.mean(dim=0)

    return N()


@network((1, 20))
def synaptic_net():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 32)
            self.l1 = snn.Synaptic(alpha=0.8, beta=0.9)
            self.fc2 = nn.Linear(32, 4)
            self.l2 = snn.Synaptic(alpha=0.8, beta=0.9, reset_mechanism="none")

        def forward(self, x):
            a1, m1 = self.l1.init_synaptic()
            a2, m2 = self.l2.init_synaptic()
            r = []
            for _ in range(T):
                k, a1, m1 = self.l1(self.fc1(x), a1, m1)
                k, a2, m2 = self.l2(self.fc2(k), a2, m2)
                r.append(m2)
            return torch.stack(r).max(0).values

    return N()


@network((1, 20))
def alpha_net():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 32)
            self.l1 = snn.Alpha(alpha=0.9, beta=0.8)
            self.fc2 = nn.Linear(32, 4)
            self.l2 = snn.Leaky(beta=0.9)

        def forward(self, x):
            e, i, m = self.l1.init_alpha()
            m2 = self.l2.init_leaky()
            r = 0
            for _ in range(T):
                k, e, i, m = self.l1(self.fc1(x), e, i, m)
                k, m2 = self.l2(self.fc2(k), m2)
                r += k
            return r

    return N()


@network((1, 20))
def lapicque_net():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 32)
            self.l1 = snn.Lapicque(beta=0.9)
            self.fc2 = nn.Linear(32, 4)
            self.l2 = snn.Lapicque(beta=0.9)

        def forward(self, x):
            m = self.l1.init_lapicque()
            m2 = self.l2.init_lapicque()
            r = []
            for _ in range(T):
                k, m = self.l1(self.fc1(x), m)
                k, m2 = self.l2(self.fc2(k), m2)
                r.append(k)
            return sum(r)

    return N()


@network((1, 20))
def rleaky_net():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 16)
            self.l1 = snn.RLeaky(beta=0.9, linear_features=16)
            self.fc2 = nn.Linear(16, 4)
            self.l2 = snn.Leaky(beta=0.9)

        def forward(self, x):
            k, m = self.l1.init_rleaky()
            m2 = self.l2.init_leaky()
            r = []
            for _ in range(T):
                k, m = self.l1(self.fc1(x), k, m)
                o, m2 = self.l2(self.fc2(k), m2)
                r.append(o)
            return torch.stack(r).sum(0)

    return N()


@network((1, 20))
def seq_init_hidden_outside_forward_pass():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(
                nn.Flatten(),
                nn.Linear(20, 32),
                snn.Leaky(beta=0.9, init_hidden=True),
                nn.Linear(32, 4),
                snn.Leaky(beta=0.9, init_hidden=True, output=True),
            )

        def forward(self, x):
            utils.reset(self.net)
            rec = []
            for _ in range(T):
                spk, _mem = self.net(x)
                rec.append(spk)
            return torch.stack(rec).sum(0)

    return N()


@network((1, 20), steps=T, readout="count")
def seq_one_step():
    return nn.Sequential(
        nn.Linear(20, 32),
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Linear(32, 4),
        snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )


@network((1, T, 2, 34, 34))
def conv_dvs_batch_first():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(2, 8, 5),
                nn.MaxPool2d(2),
                snn.Leaky(beta=0.7, init_hidden=True),
                nn.Conv2d(8, 16, 5),
                nn.MaxPool2d(2),
                snn.Leaky(beta=0.7, init_hidden=True),
                nn.Flatten(),
                nn.Linear(16 * 5 * 5, 10),
                snn.Leaky(beta=0.7, init_hidden=True, output=True),
            )

        def forward(self, data):
            spk_rec = []
            utils.reset(self.net)
            for step in range(data.size(1)):
                spk_out, _mem_out = self.net(data[:, step])
                spk_rec.append(spk_out)
            return torch.stack(spk_rec).sum(0)

    return N()


@network((T, 1, 2, 34, 34))
def conv_dvs_time_first_strided():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = nn.Conv2d(2, 8, 3, stride=2, padding=1)
            self.b1 = nn.BatchNorm2d(8)
            self.l1 = snn.Leaky(beta=0.7)
            self.c2 = nn.Conv2d(8, 8, 3, padding=1)
            self.l2 = snn.Leaky(beta=0.7)
            self.f = nn.Linear(8 * 8 * 8, 10)
            self.l3 = snn.Leaky(beta=0.7)

        def forward(self, x):
            m1, m2, m3 = self.l1.init_leaky(), self.l2.init_leaky(), self.l3.init_leaky()
            acc = None
            for t in range(x.size(0)):
                k, m1 = self.l1(self.b1(self.c1(x[t])), m1)
                k, m2 = self.l2(F.avg_pool2d(self.c2(k), 2), m2)
                k, m3 = self.l3(self.f(k.flatten(1)), m3)
                acc = m3 if acc is None else acc + m3
            return F.log_softmax(acc, dim=1)

    return N()
