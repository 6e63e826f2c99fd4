# SPDX-License-Identifier: Apache-2.0
"""snnTorch: what people do in forward."""

from __future__ import annotations

import itertools

import snntorch as snn
import torch
import torch.nn.functional as F
from torch import nn

from tests.frontends.spiking.people.snntorch_cells import Base
from tests.frontends.spiking.people.table import T, network


@network((1, 1, 28, 28))
def conv_mnist():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = nn.Conv2d(1, 8, 5, padding=2, stride=2)
            self.l1 = snn.Leaky(beta=0.9)
            self.c2 = nn.Conv2d(8, 16, 5)
            self.l2 = snn.Leaky(beta=0.9)
            self.f = nn.Linear(16 * 5 * 5, 10)
            self.l3 = snn.Leaky(beta=0.9)

        def forward(self, x):
            m1, m2, m3 = self.l1.init_leaky(), self.l2.init_leaky(), self.l3.init_leaky()
            rec = []
            for _ in range(T):
                k, m1 = self.l1(self.c1(x), m1)
                k, m2 = self.l2(F.max_pool2d(self.c2(k), 2), m2)
                k, m3 = self.l3(self.f(k.view(k.size(0), -1)), m3)
                rec.append(k)
            return torch.stack(rec, 1).sum(1)

    return N()


@network((1, 20))
def population():
    class N(Base):
        def __init__(self):
            super().__init__()
            self.fc2 = nn.Linear(32, 40)

        def forward(self, x):
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            r = []
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                r.append(k)
            o = torch.stack(r).sum(0)
            return o.reshape(-1, 4, 10).sum(2)

    return N()


@network((1, 20))
def learnable():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 32)
            self.l1 = snn.Leaky(
                beta=torch.rand(32), learn_beta=True, learn_threshold=True, threshold=torch.rand(32) * 0.2 + 0.5
            )
            self.fc2 = nn.Linear(32, 4, bias=False)
            self.l2 = snn.Leaky(beta=0.8, learn_beta=True, reset_mechanism="none")

        def forward(self, x):
            m1, m2 = self.l1.init_leaky(), self.l2.init_leaky()
            best = torch.full((x.shape[0], 4), -1e9)
            for _ in range(T):
                k, m1 = self.l1(self.fc1(x), m1)
                k, m2 = self.l2(self.fc2(k), m2)
                best = torch.maximum(best, m2)
            return best

    return N()


@network((1, 20))
def dropout_net():
    class N(Base):
        def __init__(self):
            super().__init__()
            self.d = nn.Dropout(0.5)

        def forward(self, x):
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            r = []
            for _ in range(T):
                k, m1 = self.lif1(self.d(self.fc1(x)), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                r += [k]
            return torch.stack(r).float().mean(0)

    return N()


@network((1, 20))
def membrane_only_readout_nothreshold():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 32)
            self.l1 = snn.Leaky(beta=0.9)
            self.fc2 = nn.Linear(32, 1)
            self.l2 = snn.Leaky(beta=0.9, reset_mechanism="none")

        def forward(self, x):
            m1, m2 = self.l1.init_leaky(), self.l2.init_leaky()
            for _ in range(T):
                k, m1 = self.l1(self.fc1(x), m1)
                _, m2 = self.l2(self.fc2(k), m2)
            return m2

    return N()


@network((1, 20))
def modulelist():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            w = [20, 32, 16, 4]
            self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(w))
            self.lif = nn.ModuleList(snn.Leaky(beta=0.9) for _ in w[1:])

        def forward(self, x):
            mem = [lif.init_leaky() for lif in self.lif]
            out = []
            for _ in range(T):
                k = x
                for i, (fc, lif) in enumerate(zip(self.fc, self.lif)):
                    k, mem[i] = lif(fc(k), mem[i])
                out.append(k)
            return torch.stack(out).sum(dim=0)

    return N()


@network((1, 20))
def repeated_x():
    class N(Base):
        def forward(self, x):
            x = x.unsqueeze(0).repeat(T, 1, 1)
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            out = 0
            for t in range(T):
                k, m1 = self.lif1(self.fc1(x[t]), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out = out + k
            return out

    return N()


@network((1, 20))
def fc_before_loop():
    class N(Base):
        def forward(self, x):
            cur = self.fc1(x)
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            out = []
            for _ in range(T):
                k, m1 = self.lif1(cur, m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out.append(k)
            return torch.cat([o.unsqueeze(0) for o in out]).sum(0)

    return N()


@network((1, T * 20))
def time_in_features():
    class N(Base):
        def forward(self, x):
            x = x.view(x.shape[0], T, 20)
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            out = 0
            for t in range(T):
                k, m1 = self.lif1(self.fc1(x[:, t, :]), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out = out + k
            return out

    return N()


@network((1, 20))
def softmax_behind():
    class N(Base):
        def forward(self, x):
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            out = []
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out.append(k)
            return F.softmax(torch.stack(out).sum(0), dim=-1)

    return N()


@network((1, 20))
def last_layer_li_by_hand():
    class N(Base):
        def forward(self, x):
            m1 = self.lif1.init_leaky()
            v = torch.zeros(x.shape[0], 4)
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                v = 0.9 * v + self.fc2(k)
            return v

    return N()


@network((1, 20))
def no_last_neuron():
    class N(Base):
        def forward(self, x):
            m1 = self.lif1.init_leaky()
            v = 0
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                v = v + k
            return self.fc2(v / T)

    return N()


@network((1, 20))
def argmax_out():
    class N(Base):
        def forward(self, x):
            m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            out = []
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out.append(k)
            return torch.stack(out).sum(0).argmax(1)

    return N()


@network((1, 20))
def residual():
    class N(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(20, 16)
            self.l = snn.Leaky(beta=0.8)
            self.b = nn.Linear(16, 16)
            self.l2 = snn.Leaky(beta=0.8)
            self.c = nn.Linear(16, 4)
            self.l3 = snn.Leaky(beta=0.8)

        def forward(self, x):
            m, m2, m3 = self.l.init_leaky(), self.l2.init_leaky(), self.l3.init_leaky()
            o = 0
            for _ in range(T):
                k, m = self.l(self.a(x), m)
                q, m2 = self.l2(self.b(k) + k, m2)
                q, m3 = self.l3(self.c(q), m3)
                o = o + q
            return o

    return N()


@network((1, 20))
def relus_around():
    class N(Base):
        def forward(self, x):
            m1, m2, mem = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            for _ in range(T):
                k, m1 = self.lif1(F.relu(self.fc1(x)), m1)
                k, m2 = self.lif2(self.fc2(F.relu(k)), m2)
                mem.append(m2)
            return torch.stack(mem).mean(0)

    return N()


@network((1, 1, 28, 28))
def flattened_image():
    class N(Base):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(784, 32)

        def forward(self, x):
            m1, m2, out = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            x = torch.flatten(x, 1)
            for _ in range(T):
                k, m1 = self.lif1(self.fc1(x), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out.append(k)
            return torch.stack(out, dim=2).sum(-1)

    return N()


@network((1, 1, 28, 28))
def rows_of_an_image():
    class N(Base):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(28, 32)

        def forward(self, x):
            m1, m2, out = self.lif1.init_leaky(), self.lif2.init_leaky(), 0
            for t in range(28):
                k, m1 = self.lif1(self.fc1(x[:, 0, t, :]), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out = out + k
            return out

    return N()


@network((1, 1, 28, 28))
def rows_of_a_squeezed_image():
    class N(Base):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(28, 32)

        def forward(self, x):
            m1, m2, out = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            x = x.squeeze(1)
            for t in range(x.size(1)):
                k, m1 = self.lif1(self.fc1(x[:, t]), m1)
                k, m2 = self.lif2(self.fc2(k), m2)
                out.append(m2)
            return torch.stack(out).mean(0)

    return N()
