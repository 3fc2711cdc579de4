"""What the training scripts share: seeds, training, and writing a fixture folder.

Every script writes to tests/fixtures/<name>/ of this repository, or below the folder that the environment variable FIXTURES names.
"""

import os
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

ROOT = Path(os.environ.get("FIXTURES", Path(__file__).resolve().parents[2] / "tests" / "fixtures"))


def seed(number):
    """Fixes every source of randomness; one thread, so that sums are added in one order."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return np.random.default_rng(number)


def folder(name):
    path = ROOT / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def savez(path, **arrays):
    """Compressed, floats as float32, whole numbers as they are."""
    np.savez_compressed(path, **{k: a.astype(np.float32) if np.asarray(a).dtype.kind == "f" else a for k, a in arrays.items()})


def numpy(tensor):
    return tensor.detach().cpu().numpy()


def save_torch(model, name):
    """The model's state dict, as `state_dict.pt` and as `model.safetensors`."""
    from safetensors.torch import save_file

    path = folder(name)
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    torch.save(state, path / "state_dict.pt")
    save_file(state, path / "model.safetensors")


def minimise(parameters, loss_of, rows, steps, rate=3e-3, batch=256):
    """Adam over random batches; `loss_of` takes the indices of a batch's rows."""
    optimiser = torch.optim.Adam(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    for _ in range(steps):
        loss = loss_of(torch.randint(rows, (batch,)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return float(loss.detach())


def mlp(*widths, last=None):
    """Linear layers with a ReLU after each, or with `last` (None: nothing) after the last."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    layers.pop()
    return nn.Sequential(*layers, *([last] if last else []))


def auc(scores, labels):
    """Area under the ROC curve, ties counted half."""
    order, ranks = np.unique(scores, return_inverse=True)
    counts = np.bincount(ranks, minlength=len(order))
    middle = np.cumsum(counts) - (counts - 1) / 2
    positive = labels > 0.5
    p, n = positive.sum(), (~positive).sum()
    return (middle[ranks][positive].sum() - p * (p + 1) / 2) / (p * n)
