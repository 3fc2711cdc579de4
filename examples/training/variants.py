"""Small PyTorch models of the forms beyond plain MMoE: other gates, two levels, unlike experts on slices of the input, nothing shared.

`torch-hard`: the largest logit's expert alone. `torch-topk`: the two largest, renormalised. `torch-dselect`: DSelect-k, per example.
`torch-stacked`: an MMoE layer on another's mixtures. `torch-slices`: experts that differ and read a part of the input.
`torch-soft`: a model per task, pulled towards each other in training. `torch-constant`: gates that ignore the input. `torch-priors`: a temperature
below 1, and priors that favour, hinder and hide experts. `torch-stem`: a layer that experts and gates share.
Names of fixtures as arguments, all without.
"""

import math
import sys

import torch
from torch import nn
from torch.nn import functional as F

from fixture import auc, folder, minimise, mlp, numpy, save_torch, savez, seed

INPUTS, UNITS = 16, 8
TASKS = {"level": "linear", "alarm": "sigmoid"}


def hard(logits):
    """One for the largest logit; the softmax's gradient passes straight through."""
    soft = F.softmax(logits, -1)
    return F.one_hot(logits.argmax(-1), logits.shape[-1]) + (soft - soft.detach())


def top_two(logits):
    """The softmax of the two largest logits."""
    values, indices = logits.topk(2, -1)
    return torch.zeros_like(logits).scatter(-1, indices, F.softmax(values, -1))


class DSelect(nn.Module):
    """DSelect-k with weights per example: `k` selectors, each of which picks an expert by its bits, mixed by a softmax."""

    def __init__(self, experts, k):
        super().__init__()
        self.bits = math.ceil(math.log2(experts))
        self.selectors = nn.Linear(INPUTS, k * self.bits)
        self.mixing = nn.Linear(INPUTS, k)
        # Bit b of expert e's index, the most significant first.
        self.codes = [[e >> (self.bits - 1 - b) & 1 for b in range(self.bits)] for e in range(experts)]

    def forward(self, x):
        z = self.selectors(x).unflatten(-1, (-1, self.bits))
        step = torch.where(z.abs() < 0.5, -2 * z**3 + 1.5 * z + 0.5, (z > 0).float())
        chosen = [torch.stack([step[..., b] if bit else 1 - step[..., b] for b, bit in enumerate(code)], -1).prod(-1) for code in self.codes]
        return (F.softmax(self.mixing(x), -1).unsqueeze(-1) * torch.stack(chosen, -1)).sum(1)


def mix(gates, experts):
    return [(gate.unsqueeze(-1) * experts).sum(1) for gate in gates]


class OneLevel(nn.Module):
    """MMoE whose gates' logits become weights by a function of choice."""

    def __init__(self, experts, gate, weights):
        super().__init__()
        self.experts = nn.ModuleList(mlp(INPUTS, 12, UNITS, last=nn.ReLU()) for _ in range(experts))
        self.gates = nn.ModuleList(gate() for _ in TASKS)
        self.towers = nn.ModuleList(mlp(UNITS, 6, 1) for _ in TASKS)
        self.weights = weights

    def forward(self, x):
        """Logits of the tasks, gates, experts."""
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        gates = [self.weights(gate(x)) for gate in self.gates]
        return [tower(m) for tower, m in zip(self.towers, mix(gates, experts))], gates, experts


class Stacked(nn.Module):
    """A stream per task: two experts of the second level read each stream, and every gate of it mixes all four."""

    def __init__(self):
        super().__init__()
        self.first = nn.ModuleList(mlp(INPUTS, 12, last=nn.ReLU()) for _ in range(3))
        self.first_gates = nn.ModuleList(nn.Linear(INPUTS, 3) for _ in TASKS)
        self.second = nn.ModuleList(mlp(12, UNITS, last=nn.ReLU()) for _ in range(4))
        self.second_gates = nn.ModuleList(nn.Linear(12, 4) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(UNITS, 6, 1) for _ in TASKS)

    def forward(self, x):
        first = torch.stack([expert(x) for expert in self.first], 1)
        streams = mix([F.softmax(gate(x), -1) for gate in self.first_gates], first)
        second = torch.stack([expert(streams[e // 2]) for e, expert in enumerate(self.second)], 1)
        gates = [F.softmax(gate(stream), -1) for gate, stream in zip(self.second_gates, streams)]
        return [tower(m) for tower, m in zip(self.towers, mix(gates, second))], [], None


class Slices(nn.Module):
    """One wide layer on the first six inputs, a deep one with batch norm on the other ten, tanh and no bias on all."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(6, UNITS)
        self.deep = nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, UNITS), nn.LeakyReLU(0.1))
        self.whole = nn.Linear(INPUTS, UNITS, bias=False)
        self.gates = nn.ModuleList(nn.Linear(INPUTS, 3) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(UNITS, 6, 1) for _ in TASKS)

    def forward(self, x):
        experts = torch.stack([F.relu(self.wide(x[:, :6])), self.deep(x[:, 6:]), torch.tanh(self.whole(x))], 1)
        gates = [F.softmax(gate(x), -1) for gate in self.gates]
        return [tower(m) for tower, m in zip(self.towers, mix(gates, experts))], gates, experts


class Soft(nn.Module):
    """A model per task; what holds them together is in the loss alone."""

    def __init__(self):
        super().__init__()
        self.towers = nn.ModuleList(mlp(INPUTS, 12, UNITS, 1) for _ in TASKS)

    def forward(self, x):
        return [tower(x) for tower in self.towers], [], None

    def penalty(self):
        a, b = (tower.parameters() for tower in self.towers)
        return 1e-2 * sum(((p - q) ** 2).sum() for p, q in zip(a, b))


class Free(nn.Module):
    """Logits that are weights themselves."""

    def __init__(self, experts):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(experts))

    def forward(self, x):
        return self.logits.expand(len(x), -1)


class Priors(nn.Module):
    """The larger get larger, the first expert is favoured, the third hindered, the last hidden."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Linear(INPUTS, 4)

    def forward(self, x):
        return F.softmax(self.logits(x) / 0.5 + torch.tensor([0.7, 0.0, -0.4, -math.inf]), -1)


class Stem(nn.Module):
    """One layer, and an MMoE layer on it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(INPUTS, 12)
        self.experts = nn.ModuleList(mlp(12, UNITS, last=nn.ReLU()) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(12, 3) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(UNITS, 6, 1) for _ in TASKS)

    def forward(self, x):
        x = F.relu(self.stem(x))
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        gates = [F.softmax(gate(x), -1) for gate in self.gates]
        return [tower(m) for tower, m in zip(self.towers, mix(gates, experts))], [], None


FIXTURES = {
    "torch-hard": lambda: OneLevel(4, lambda: nn.Linear(INPUTS, 4), hard),
    "torch-topk": lambda: OneLevel(5, lambda: nn.Linear(INPUTS, 5), top_two),
    # Six experts need three bits, of whose codes two belong to no expert.
    "torch-dselect": lambda: OneLevel(6, lambda: DSelect(6, 2), lambda weights: weights),
    "torch-stacked": Stacked,
    "torch-slices": Slices,
    "torch-soft": Soft,
    "torch-constant": lambda: OneLevel(3, lambda: Free(3), lambda logits: F.softmax(logits, -1)),
    "torch-priors": lambda: OneLevel(4, Priors, lambda weights: weights),
    "torch-stem": Stem,
}


def make(name):
    rng = seed(40 + list(FIXTURES).index(name))
    directions = rng.standard_normal((INPUTS, 4)) / INPUTS**0.5

    def rows(count):
        x = rng.standard_normal((count, INPUTS))
        z = x @ directions
        level = z[:, 0] * (z[:, 2] > 0) + abs(z[:, 1])
        return [torch.from_numpy(a.astype("float32")) for a in (x, level, z[:, 0] + z[:, 3] ** 2 > 0.5)]

    x, level, alarm = rows(8000)
    model = FIXTURES[name]()

    def loss(i):
        (a, b), _, _ = model(x[i])
        pull = model.penalty() if isinstance(model, Soft) else 0
        return F.mse_loss(a[:, 0], level[i]) + F.binary_cross_entropy_with_logits(b[:, 0], alarm[i]) + pull

    minimise(model.parameters(), loss, len(x), 600, rate=1e-2)
    model.eval()
    save_torch(model, name)

    test_x, test_level, test_alarm = rows(2000)
    (a, b), _, _ = model(test_x)
    print(f"{name}: MSE {F.mse_loss(a[:, 0], test_level).item():.4f}, AUC {auc(numpy(b)[:, 0], numpy(test_alarm)):.4f}")

    x = rows(64)[0]
    (a, b), gates, experts = model(x)
    golden = {"x": x, "level": a, "alarm": torch.sigmoid(b)} | {f"gate_{task}": gate for task, gate in zip(TASKS, gates)}
    if experts is not None:
        golden["experts"] = experts
    savez(folder(name) / "golden.npz", **{k: numpy(v) for k, v in golden.items()})


if __name__ == "__main__":
    for name in sys.argv[1:] or FIXTURES:
        make(name)
