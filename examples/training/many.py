"""More experts and tasks than a mask of 32 bits names: `torch-128-experts` (two tasks) and `torch-64-tasks` (64 experts, a gate and a tower per task).

Both learn a part of a random function's outputs, with thin layers, so that the files stay small. Names of fixtures as arguments, all without.
"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from fixture import folder, minimise, numpy, savez, seed

INPUTS, UNITS = 6, 4
FIXTURES = {"torch-128-experts": (128, 2), "torch-64-tasks": (64, 64)}


class Many(nn.Module):
    """MMoE of one thin layer per expert; every other task is a probability."""

    def __init__(self, experts, tasks):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(INPUTS, UNITS) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(INPUTS, experts) for _ in range(tasks))
        self.towers = nn.ModuleList(nn.Linear(UNITS, 1) for _ in range(tasks))

    def forward(self, x):
        """Outputs of the tasks, gates."""
        experts = torch.stack([F.relu(expert(x)) for expert in self.experts], 1)
        gates = [F.softmax(gate(x), -1) for gate in self.gates]
        logits = [tower((g.unsqueeze(-1) * experts).sum(1)) for tower, g in zip(self.towers, gates)]
        return [torch.sigmoid(z) if k % 2 else z for k, z in enumerate(logits)], gates


def make(name):
    experts, tasks = FIXTURES[name]
    rng = seed(90 + list(FIXTURES).index(name))
    directions = rng.standard_normal((INPUTS, tasks)) / INPUTS**0.5

    def rows(count):
        x = rng.standard_normal((count, INPUTS))
        z = x @ directions
        y = [z[:, k] > 0.3 if k % 2 else abs(z[:, k]) for k in range(tasks)]
        return [torch.from_numpy(a.astype("float32")) for a in [x, *y]]

    x, *y = rows(2000)
    model = Many(experts, tasks)

    def loss(i):
        made = model(x[i])[0]
        return sum(((a[:, 0] - b[i]) ** 2).mean() for a, b in zip(made, y))

    minimise(model.parameters(), loss, len(x), 150, rate=3e-2)
    model.eval()
    save_file(model.state_dict(), folder(name) / "model.safetensors")

    x = rows(64)[0]
    y, gates = model(x)
    # The weights of the first and of the last task's gate.
    last = tasks - 1
    golden = {"x": x} | {f"y{k}": v for k, v in enumerate(y)} | {f"gate_y{k}": gates[k] for k in (0, last)}
    savez(folder(name) / "golden.npz", **{k: numpy(v) for k, v in golden.items()})


if __name__ == "__main__":
    for name in sys.argv[1:] or FIXTURES:
        make(name)
