"""`torch-mixed`: deep experts, gates with a hidden layer, a task of three classes beside a regression."""

import torch
from torch import nn
from torch.nn import functional as F

from fixture import folder, minimise, mlp, numpy, save_torch, savez, seed

NAME = "torch-mixed"
INPUTS, EXPERTS = 20, 3
TASKS = {"kind": 3, "rating": 1}


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(mlp(INPUTS, 24, 16, 12, last=nn.ReLU()) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(mlp(INPUTS, 8, EXPERTS) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(12, 8, width) for width in TASKS.values())

    def forward(self, x):
        """Logits of the tasks, gates, experts."""
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        gates = [F.softmax(gate(x), -1) for gate in self.gates]
        mixed = [(gate.unsqueeze(-1) * experts).sum(1) for gate in gates]
        return [tower(m) for tower, m in zip(self.towers, mixed)], gates, experts


def synthetic(rng, rows):
    """Three classes by the largest of three quadratic scores; a rating that depends on the same directions."""
    x = rng.standard_normal((rows, INPUTS))
    directions = synthetic.directions
    scores = x @ directions
    kind = (scores[:, :3] + 0.5 * scores[:, 3:6] ** 2).argmax(1)
    rating = 3 + scores[:, 0] * (scores[:, 6] > 0) + 0.5 * abs(scores[:, 1]) + 0.1 * rng.standard_normal(rows)
    return x.astype("float32"), kind.astype("uint8"), rating.astype("float32")


def main():
    rng = seed(20)
    synthetic.directions = rng.standard_normal((INPUTS, 7)) / INPUTS**0.5
    x, kind, rating = map(torch.from_numpy, synthetic(rng, 20_000))
    kind = kind.long()
    model = Mixed()

    def loss(i):
        (k, r), _, _ = model(x[i])
        return F.cross_entropy(k, kind[i]) + F.mse_loss(r[:, 0], rating[i])

    minimise(model.parameters(), loss, len(x), 3000)
    model.eval()
    save_torch(model, NAME)

    golden = torch.from_numpy(synthetic(rng, 64)[0])
    (k, r), gates, experts = model(golden)
    savez(
        folder(NAME) / "golden.npz",
        x=numpy(golden), kind=numpy(F.softmax(k, -1)), rating=numpy(r),
        gate_kind=numpy(gates[0]), gate_rating=numpy(gates[1]), experts=numpy(experts),
    )
    test_x, test_kind, test_rating = synthetic(rng, 1000)
    savez(folder(NAME) / "test_set.npz", x=test_x, kind=test_kind, rating=test_rating)
    savez(folder(NAME) / "calibration.npz", x=synthetic(rng, 300)[0])
    (k, r), _, _ = model(torch.from_numpy(test_x))
    print(f"accuracy of kind {(numpy(k).argmax(1) == test_kind).mean():.4f}, MSE of rating {((numpy(r)[:, 0] - test_rating) ** 2).mean():.4f}")


if __name__ == "__main__":
    main()
