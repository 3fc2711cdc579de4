"""The MMoE paper's comparison in small: shared bottom, OMoE and MMoE where the tasks' weight vectors have cosine 0.5, 0.9 and 1.

Three seeds each, about as many weights for every model. Writes the 27 models, a test set of 500 rows per cosine and `mse.csv`
(PyTorch's own errors on it) to tests/fixtures/paper/, and prints the table. With `--table` it prints the table of the saved `mse.csv`.
"""

import csv
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import paper_data
from fixture import folder, minimise, mlp, savez, seed

COSINES, SEEDS = (0.5, 0.9, 1.0), (1, 2, 3)
EXPERTS, UNITS = 3, 16


class SharedBottom(nn.Module):
    def __init__(self):
        super().__init__()
        self.bottom = mlp(paper_data.D, 50, last=nn.ReLU())
        self.towers = nn.ModuleList(mlp(50, 8, 1) for _ in range(2))

    def forward(self, x):
        bottom = self.bottom(x)
        return [tower(bottom)[:, 0] for tower in self.towers]


class Mixture(nn.Module):
    """OMoE with one gate, MMoE with two."""

    def __init__(self, gates):
        super().__init__()
        self.experts = nn.ModuleList(mlp(paper_data.D, UNITS, last=nn.ReLU()) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(nn.Linear(paper_data.D, EXPERTS) for _ in range(gates))
        self.towers = nn.ModuleList(mlp(UNITS, 8, 1) for _ in range(2))

    def forward(self, x):
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        mixed = [(F.softmax(gate(x), -1).unsqueeze(-1) * experts).sum(1) for gate in self.gates]
        return [tower(m)[:, 0] for tower, m in zip(self.towers, mixed * (2 // len(mixed)))]


MODELS = {"shared-bottom": SharedBottom, "omoe": lambda: Mixture(1), "mmoe": lambda: Mixture(2)}


def run():
    results = []
    for cosine in COSINES:
        rng = seed(round(100 * cosine))
        x, *labels = map(torch.from_numpy, paper_data.rows(rng, 20_000, cosine))
        # Coarse steps keep the committed file small.
        test_x, *test = paper_data.rows(rng, 500, cosine, step=1 / 64)
        savez(folder("paper") / f"test_set-{cosine}.npz", x=test_x, y0=test[0], y1=test[1])
        for kind, make in MODELS.items():
            for number in SEEDS:
                seed(number)
                model = make()
                minimise(model.parameters(), lambda i: sum(F.mse_loss(y, label[i]) for y, label in zip(model(x[i]), labels)), len(x), 1500, rate=1e-2)
                save_file(model.state_dict(), folder("paper") / f"{kind}-{cosine}-{number}.safetensors")
                with torch.no_grad():
                    errors = [F.mse_loss(y, torch.from_numpy(label)).item() for y, label in zip(model(torch.from_numpy(test_x)), test)]
                results.append([kind, cosine, number, *(f"{e:.6f}" for e in errors)])
                print(*results[-1], flush=True)
    with open(folder("paper") / "mse.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["model", "cosine", "seed", "y0", "y1"], *results])


def table():
    with open(folder("paper") / "mse.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    print("Mean squared error of both tasks, mean of three seeds (lowest–highest)")
    print("cosine", *(f"{kind:>26}" for kind in MODELS))
    for cosine in COSINES:
        cells = []
        for kind in MODELS:
            errors = [(float(r["y0"]) + float(r["y1"])) / 2 for r in rows if r["model"] == kind and float(r["cosine"]) == cosine]
            cells.append(f"{np.mean(errors):.4f} ({min(errors):.4f}–{max(errors):.4f})")
        print(f"{cosine:6}", *(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    if sys.argv[1:] != ["--table"]:
        run()
    table()
