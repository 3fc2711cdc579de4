"""Models in plain PyTorch, in every spelling that the exporters meet."""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "prelu": nn.PReLU,
    "elu": lambda: nn.ELU(0.7),
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "relu6": nn.ReLU6,
    "hardtanh": nn.Hardtanh,
}


class GroupNorm1(nn.Module):
    """A group norm of one group is a layer norm with factors per unit."""

    def __init__(self, n):
        super().__init__()
        self.norm = nn.GroupNorm(1, n)

    def forward(self, x):
        return self.norm(x)


NORMS = {
    "batch-norm": nn.BatchNorm1d,
    "layer-norm": nn.LayerNorm,
    "rms-norm": lambda n: nn.RMSNorm(n, eps=1e-6),
    "group-norm": GroupNorm1,
}


def trained(model, seed=0):
    """Gives every parameter and statistic a value that is not its initial one."""
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        with torch.no_grad():
            if p.dim() <= 1:
                p.add_(torch.empty_like(p).uniform_(-0.3, 0.3))
    for name, b in model.named_buffers():
        with torch.no_grad():
            if "running_mean" in name:
                b.uniform_(-0.5, 0.5)
            elif "running_var" in name:
                b.uniform_(0.5, 2.0)
    return model.eval()


def mlp(sizes, act=nn.ReLU, norm=None, before=True, last=True):
    layers = []
    for at, (n, m) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(n, m))
        if at + 2 == len(sizes) and not last:
            break
        if norm and before:
            layers.append(norm(m))
        layers.append(act())
        if norm and not before:
            layers.append(norm(m))
    return nn.Sequential(*layers)


def weigh(mixing, gate, experts):
    """One mixture, in one of the spellings seen in the field."""
    if mixing == "loop":
        y = 0
        for i, e in enumerate(experts):
            y = y + gate[:, i : i + 1] * e
        return y
    stack = torch.stack(experts, 1)
    if mixing == "bmm":
        return torch.bmm(gate.unsqueeze(1), stack).squeeze(1)
    if mixing == "einsum":
        return torch.einsum("be,beh->bh", gate, stack)
    if mixing == "broadcast":
        return (gate.unsqueeze(-1) * stack).sum(1)
    if mixing == "matmul":
        return torch.matmul(stack.transpose(1, 2), gate.unsqueeze(2)).squeeze(2)
    if mixing == "sum0":
        stack = torch.stack(experts, 0)
        return (stack * gate.t().unsqueeze(2).expand(-1, -1, stack.shape[2])).sum(0)
    raise ValueError(mixing)


def weights(kind, z, temperature=1.0):
    """What a gate makes of its logits."""
    if kind == "softmax":
        return F.softmax(z / temperature, dim=-1)
    if kind == "sigmoid":
        return torch.sigmoid(z)
    if kind == "top2-of-logits":
        top, at = z.topk(2, dim=-1)
        return torch.zeros_like(z).scatter(-1, at, F.softmax(top, dim=-1))
    if kind == "top2-of-weights":
        p = F.softmax(z, dim=-1)
        mask = torch.zeros_like(p).scatter(-1, p.topk(2, dim=-1).indices, 1.0)
        return p * mask
    if kind == "top2-renormalised":
        p = F.softmax(z, dim=-1)
        mask = torch.zeros_like(p).scatter(-1, p.topk(2, dim=-1).indices, 1.0)
        p = p * mask
        return p / p.sum(-1, keepdim=True)
    if kind == "top2-masked":
        low = z.topk(2, dim=-1).values[:, -1:]
        return F.softmax(z.masked_fill(z < low, float("-inf")), dim=-1)
    if kind == "hard-one-hot":
        return F.one_hot(z.argmax(-1), z.shape[-1]).float()
    if kind == "hard-scatter":
        return torch.zeros_like(z).scatter(-1, z.argmax(-1, keepdim=True), 1.0)
    if kind == "hard-topk":
        return torch.zeros_like(z).scatter(-1, z.topk(1, dim=-1).indices, 1.0)
    raise ValueError(kind)


class MMoE(nn.Module):
    def __init__(
        self, inputs=10, experts=3, units=(8, 6), tasks=("sigmoid", "linear"), act=nn.ReLU,
        norm=None, before=True, mixing="bmm", gate="softmax", gate_units=(), temperature=1.0,
        stem=None, join=False, batched_softmax=False,
    ):
        super().__init__()
        self.mixing, self.kind, self.outs, self.join = mixing, gate, tasks, join
        self.temperature, self.batched = temperature, batched_softmax
        self.stem = mlp([inputs, stem], act) if stem else nn.Identity()
        inputs = stem or inputs
        self.experts = nn.ModuleList(mlp([inputs, *units], act, norm, before) for _ in range(experts))
        self.gates = nn.ModuleList(mlp([inputs, *gate_units, experts], last=False) for _ in tasks)
        self.towers = nn.ModuleList(
            mlp([units[-1], 5, 3 if t == "softmax" else 1], act, last=False) for t in tasks
        )

    def forward(self, x):
        x = self.stem(x)
        experts = [e(x) for e in self.experts]
        outs = []
        for gate, tower, out in zip(self.gates, self.towers, self.outs):
            z = gate(x)
            w = F.softmax(z, dim=0) if self.batched else weights(self.kind, z, self.temperature)
            y = tower(weigh(self.mixing, w, experts))
            if out == "sigmoid":
                y = torch.sigmoid(y)
            elif out == "softmax":
                y = F.softmax(y, dim=-1)
            elif out == "relu":
                y = F.relu(y)
            outs.append(y)
        return torch.cat(outs, 1) if self.join else tuple(outs)


class PLE(nn.Module):
    """Levels of shared and own experts; between levels a shared gate sees all."""

    def __init__(self, inputs=10, levels=2, own=2, shared=2, units=(7,), tasks=2, act=nn.ReLU):
        super().__init__()
        self.tasks, self.levels = tasks, levels
        self.own, self.shared, self.gates, self.shared_gates = (
            nn.ModuleList(), nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        )
        for level in range(levels):
            n = inputs if level == 0 else units[-1]
            expert = lambda: mlp([n, *units], act)  # noqa: E731
            self.own.append(nn.ModuleList(nn.ModuleList(expert() for _ in range(own)) for _ in range(tasks)))
            self.shared.append(nn.ModuleList(expert() for _ in range(shared)))
            self.gates.append(nn.ModuleList(nn.Linear(n, own + shared) for _ in range(tasks)))
            if level + 1 < levels:
                self.shared_gates.append(nn.Linear(n, own * tasks + shared))
        self.towers = nn.ModuleList(mlp([units[-1], 4, 1], act, last=False) for _ in range(tasks))

    def forward(self, x):
        streams = [x] * (self.tasks + 1)
        for level in range(self.levels):
            own = [[e(streams[t]) for e in self.own[level][t]] for t in range(self.tasks)]
            shared = [e(streams[-1]) for e in self.shared[level]]
            made = []
            for t in range(self.tasks):
                w = F.softmax(self.gates[level][t](streams[t]), dim=1)
                made.append(weigh("broadcast", w, own[t] + shared))
            if level + 1 < self.levels:
                w = F.softmax(self.shared_gates[level](streams[-1]), dim=1)
                made.append(weigh("broadcast", w, [e for o in own for e in o] + shared))
            streams = made
        return tuple(torch.sigmoid(t(s)) for t, s in zip(self.towers, streams))


class ESMM(nn.Module):
    def __init__(self, inputs=10):
        super().__init__()
        self.ctr, self.cvr = (mlp([inputs, 8, 1], last=False) for _ in range(2))

    def forward(self, x):
        ctr, cvr = torch.sigmoid(self.ctr(x)), torch.sigmoid(self.cvr(x))
        return ctr, ctr * cvr


class AITM(nn.Module):
    """Towers that read towers by an attention over two values."""

    def __init__(self, inputs=10, units=6):
        super().__init__()
        self.bottoms = nn.ModuleList(mlp([inputs, 8, units]) for _ in range(2))
        self.info = mlp([units, units])
        self.q, self.k, self.v = (nn.Linear(units, units, bias=False) for _ in range(3))
        self.towers = nn.ModuleList(mlp([units, 1], last=False) for _ in range(2))

    def forward(self, x):
        first, second = (b(x) for b in self.bottoms)
        pair = torch.stack([second, self.info(first)], 1)
        a = (self.q(pair) * self.k(pair)).sum(-1) / pair.shape[-1] ** 0.5
        a = F.softmax(a, dim=1)
        second = (a.unsqueeze(-1) * self.v(pair)).sum(1)
        return tuple(torch.sigmoid(t(v)) for t, v in zip(self.towers, (first, second)))


class Bottom(nn.Module):
    """A shared bottom."""

    def __init__(self, inputs=10, act=nn.ReLU):
        super().__init__()
        self.bottom = mlp([inputs, 12, 8], act)
        self.towers = nn.ModuleList(mlp([8, 4, 1], act, last=False) for _ in range(3))

    def forward(self, x):
        h = self.bottom(x)
        return tuple(torch.sigmoid(t(h)) for t in self.towers)


class Wide(nn.Module):
    """All experts are one wide layer, and all gates another."""

    def __init__(self, inputs=10, experts=4, units=6, tasks=2):
        super().__init__()
        self.shape = (experts, units, tasks)
        self.expert = nn.Linear(inputs, experts * units)
        self.gate = nn.Linear(inputs, experts * tasks)
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(tasks))

    def forward(self, x):
        experts, units, tasks = self.shape
        e = F.relu(self.expert(x)).view(-1, experts, units)
        g = F.softmax(self.gate(x).view(-1, tasks, experts), dim=-1)
        mixed = torch.matmul(g, e)
        return tuple(t(mixed[:, i]) for i, t in enumerate(self.towers))


class Grouped(nn.Module):
    """Experts as a grouped convolution of kernel 1: a layer of all experts at once."""

    def __init__(self, inputs=10, experts=3, units=6, two=False):
        super().__init__()
        self.experts, self.two = experts, two
        conv = nn.Conv2d if two else nn.Conv1d
        self.first = conv(inputs * experts, 8 * experts, 1, groups=experts)
        self.second = conv(8 * experts, units * experts, 1, groups=experts)
        self.gates = nn.ModuleList(nn.Linear(inputs, experts) for _ in range(2))
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))

    def forward(self, x):
        e = x.repeat(1, self.experts).unsqueeze(-1)
        e = e.unsqueeze(-1) if self.two else e
        e = F.relu(self.second(F.relu(self.first(e)))).view(x.shape[0], self.experts, -1)
        outs = []
        for g, t in zip(self.gates, self.towers):
            outs.append(t(torch.einsum("be,beh->bh", F.softmax(g(x), -1), e)))
        return tuple(outs)


class Stacked(nn.Module):
    """Experts in stacked parameters, as vectorised code has them."""

    def __init__(self, inputs=10, experts=3, units=6):
        super().__init__()
        self.w = nn.Parameter(torch.randn(experts, inputs, units) * 0.3)
        self.b = nn.Parameter(torch.randn(experts, units) * 0.3)
        self.gates = nn.ModuleList(nn.Linear(inputs, experts, bias=False) for _ in range(2))
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))

    def forward(self, x):
        e = F.gelu(torch.einsum("bi,eih->beh", x, self.w) + self.b)
        return tuple(
            torch.sigmoid(t((F.softmax(g(x), -1).unsqueeze(-1) * e).sum(1)))
            for g, t in zip(self.gates, self.towers)
        )


class Slices(nn.Module):
    """Experts read parts of the input; gates read all of it."""

    def __init__(self):
        super().__init__()
        self.parts = [(0, 4), (4, 10), (2, 7)]
        self.experts = nn.ModuleList(mlp([b - a, 6]) for a, b in self.parts)
        self.gates = nn.ModuleList(nn.Linear(10, 3) for _ in range(2))
        self.towers = nn.ModuleList(nn.Linear(6, 1) for _ in range(2))

    def forward(self, x):
        e = [m(x[:, a:b]) for m, (a, b) in zip(self.experts, self.parts)]
        return tuple(t(weigh("broadcast", F.softmax(g(x), 1), e)) for g, t in zip(self.gates, self.towers))


class Chunks(nn.Module):
    """Experts by unbind and chunk, which exporters write as sequences of arrays."""

    def __init__(self, inputs=10, experts=3, units=6):
        super().__init__()
        self.expert = nn.Linear(inputs, experts * units)
        self.gate = nn.Linear(inputs, experts)
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))
        self.experts, self.units = experts, units

    def forward(self, x):
        e = F.relu(self.expert(x)).chunk(self.experts, dim=1)
        g = F.softmax(self.gate(x), -1).split(1, dim=1)
        y = sum(a * b for a, b in zip(g, e))
        rows = torch.stack([y, y * 2], 1).unbind(1)
        return tuple(t(r) for t, r in zip(self.towers, rows))


class Sequence(nn.Module):
    """Steps of a sequence enter; their mean, or all of them in a row, is what the model reads."""

    def __init__(self, mean, steps=5, width=4):
        super().__init__()
        self.mean = mean
        self.model = MMoE(width if mean else steps * width)

    def forward(self, x):
        return self.model(x.mean(1) if self.mean else x.flatten(1))


class Named(nn.Module):
    """Several named inputs, joined."""

    def __init__(self):
        super().__init__()
        self.model = MMoE(9)

    def forward(self, user, item, context):
        return self.model(torch.cat([user, item, context], dim=-1))


class Residual(nn.Module):
    """Experts add what they read."""

    def __init__(self, units=8):
        super().__init__()
        self.stem = mlp([10, units])
        self.experts = nn.ModuleList(mlp([units, units]) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(units, 3) for _ in range(2))
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))

    def forward(self, x):
        x = self.stem(x)
        e = [x + m(x) for m in self.experts]
        return tuple(t(weigh("bmm", F.softmax(g(x), 1), e)) for g, t in zip(self.gates, self.towers))


class WeightNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = MMoE()
        for m in self.model.modules():
            if isinstance(m, nn.Linear):
                nn.utils.parametrizations.weight_norm(m)

    def forward(self, x):
        return self.model(x)


class DSelectK(nn.Module):
    """The gate of the DSelect-k paper for one task, k = 2, of 4 experts, in evaluation mode."""

    def __init__(self, inputs=10, experts=4, k=2, units=6):
        super().__init__()
        self.bits, self.k = 2, k
        self.expert = nn.ModuleList(mlp([inputs, units]) for _ in range(experts))
        self.z = nn.ModuleList(nn.Linear(inputs, k * self.bits) for _ in range(2))
        self.w = nn.ModuleList(nn.Linear(inputs, k) for _ in range(2))
        codes = torch.tensor([[(i >> b) & 1 for b in range(self.bits)] for i in range(experts)])
        self.register_buffer("codes", codes.bool())
        self.towers = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))

    @staticmethod
    def step(t):
        y = -2 * t**3 + 1.5 * t + 0.5
        return torch.where(t <= -0.5, torch.zeros_like(t), torch.where(t >= 0.5, torch.ones_like(t), y))

    def forward(self, x):
        e = torch.stack([m(x) for m in self.expert], 1)
        outs = []
        for z, w, t in zip(self.z, self.w, self.towers):
            s = self.step(z(x).view(-1, self.k, 1, self.bits))
            p = torch.where(self.codes, s, 1 - s).prod(-1)
            g = (F.softmax(w(x), -1).unsqueeze(-1) * p).sum(1)
            outs.append(t((g.unsqueeze(-1) * e).sum(1)))
        return tuple(outs)


class ProductOfInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = MMoE(5)

    def forward(self, x):
        return self.model(x[:, :5] * x[:, 5:])


class Sine(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = MMoE()

    def forward(self, x):
        return self.model(torch.sin(x))


class Attention(nn.Module):
    """Self-attention over three parts of the input: no mixture of experts."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.out = nn.Linear(12, 1)

    def forward(self, x):
        x = x.view(-1, 3, 4)
        a = F.softmax(self.q(x) @ self.k(x).transpose(1, 2), dim=-1)
        return self.out((a @ self.v(x)).flatten(1))


class Embedded(nn.Module):
    """Ids by embeddings, a list of them by their mean, and numbers, joined."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.user, self.item = nn.Embedding(7, 3), nn.Embedding(11, 4)
        self.model = MMoE({"columns": 9, "lists": 9, "one-hot": 12}[how])

    def forward(self, user, item, numbers):
        if self.how == "lists":
            # Items lie side by side: three of them, of which the mean counts.
            rows = [self.user(user[:, 0].long()), self.item(item.long()).mean(1), numbers]
        elif self.how == "one-hot":
            rows = [F.one_hot(user[:, 0].long(), 7).float(), self.item(item[:, 0].long())[:, :3], numbers]
        else:
            rows = [self.user(user[:, 0].long()), self.item(item[:, 0].long()), numbers]
        return self.model(torch.cat(rows, -1))


class Scaled(nn.Module):
    """An id in a column of numbers, as DeepCTR-Torch and torch-rechub have it."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 3)
        self.model = MMoE(6)

    def forward(self, x):
        return self.model(torch.cat([self.table(x[:, 0].long()), x[:, 1:]], -1))


class WideAndDeep(nn.Module):
    """Logits of a deep part and of a linear one, added up; gates that read both."""

    def __init__(self):
        super().__init__()
        self.deep, self.wide = MMoE(tasks=("linear", "linear")), nn.Linear(10, 2)
        self.gate = nn.Linear(16, 2)
        self.hidden = mlp([10, 6])
        self.experts = nn.ModuleList(mlp([10, 5]) for _ in range(2))
        self.last = nn.Linear(5, 1)

    def forward(self, x):
        outs = torch.cat(self.deep(x), 1) + self.wide(x)
        gate = F.softmax(self.gate(torch.cat([self.hidden(x), x], 1)), 1)
        mixed = weigh("bmm", gate, [e(x) for e in self.experts])
        return torch.sigmoid(outs[:, :1]), torch.sigmoid(outs[:, 1:]), self.last(mixed)
