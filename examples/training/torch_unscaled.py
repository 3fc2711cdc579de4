"""`torch-unscaled`: a model that takes raw features of very unlike ranges, from 1 to 100,000.

It is trained on standardised features; the standardisation is then folded into the first layers of experts and gates, so the saved
weights expect the features as they come.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fixture import auc, folder, minimise, mlp, numpy, save_torch, savez, seed

NAME = "torch-unscaled"
RANGES = np.array([1, 2, 5, 20, 50, 100, 500, 1_000, 5_000, 20_000, 50_000, 100_000])
TASKS = ["fault", "wear"]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(mlp(len(RANGES), 16, 8, last=nn.ReLU()) for _ in range(4))
        self.gates = nn.ModuleList(nn.Linear(len(RANGES), 4) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(8, 6, 1) for _ in TASKS)

    def forward(self, x):
        """Logits of the tasks, gates, experts."""
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        gates = [F.softmax(gate(x), -1) for gate in self.gates]
        return [tower((g.unsqueeze(-1) * experts).sum(1)) for tower, g in zip(self.towers, gates)], gates, experts


def fold(model, mean, std):
    """First layers take raw features: W (x - mean) / std + b = (W / std) x + (b - W mean / std)."""
    with torch.no_grad():
        for layer in [expert[0] for expert in model.experts] + list(model.gates):
            layer.weight /= std
            layer.bias -= layer.weight @ mean


def main():
    rng = seed(60)
    directions = rng.standard_normal((len(RANGES), 4)) / len(RANGES) ** 0.5

    def rows(count):
        u = rng.random((count, len(RANGES)))
        # Half of the features lean to small values, as counts and levels do.
        u[:, ::2] **= 2
        z = (u - [1 / 3, 1 / 2] * (len(RANGES) // 2)) / 0.3 @ directions
        noise = 0.2 * rng.standard_normal((2, count))
        labels = z[:, 0] + z[:, 1] ** 2 + noise[0] > 1, np.sin(2 * z[:, 2]) + z[:, 0] * z[:, 3] + noise[1] > 0
        return (u * RANGES).astype("float32"), *[label.astype("uint8") for label in labels]

    x, *labels = map(torch.from_numpy, rows(20_000))
    labels = [label.float() for label in labels]
    mean, std = x.mean(0), x.std(0)
    scaled = (x - mean) / std
    model = Model()

    def loss(i):
        return sum(F.binary_cross_entropy_with_logits(z[:, 0], label[i]) for z, label in zip(model(scaled[i])[0], labels))

    minimise(model.parameters(), loss, len(x), 1200, rate=1e-2)
    fold(model, mean, std)
    model.eval()
    save_torch(model, NAME)

    test_x, *test = rows(1000)
    logits, _, _ = model(torch.from_numpy(test_x))
    print("torch-unscaled: AUC", *[f"{task} {auc(numpy(z)[:, 0], label):.4f}" for task, z, label in zip(TASKS, logits, test)])
    savez(folder(NAME) / "test_set.npz", x=test_x, **dict(zip(TASKS, test)))
    savez(folder(NAME) / "calibration.npz", x=rows(300)[0])

    golden = torch.from_numpy(rows(64)[0])
    logits, gates, experts = model(golden)
    outputs = {task: numpy(torch.sigmoid(z)) for task, z in zip(TASKS, logits)}
    savez(folder(NAME) / "golden.npz", x=numpy(golden), experts=numpy(experts), **outputs, **{f"gate_{t}": numpy(g) for t, g in zip(TASKS, gates)})


if __name__ == "__main__":
    main()
