"""`keras-paper`, `keras-twelve` and `keras-packed`: Keras models in Keras 3's three formats.

Run with `KERAS_BACKEND=torch` (the default here); names of models as arguments, all without.
"""

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from torch.nn import functional as F

import packed_layer
import paper_data
import tf2_layer
from fixture import auc, folder, minimise, numpy, savez, seed


def towers(mixtures, hidden, heads):
    """A relu layer and a head per task; `heads` maps names to (width, activation)."""
    outputs = []
    for mixture, (name, (width, activation)) in zip(mixtures, heads.items()):
        tower = keras.layers.Dense(hidden, activation="relu", name=f"tower_{name}")(mixture)
        outputs.append(keras.layers.Dense(width, activation=activation, name=name)(tower))
    return outputs


def save(model, layer, name, x, tasks):
    """All formats, and golden outputs on `x`."""
    path = folder(name)
    model.save(path / "model.keras")
    model.save_weights(path / "model.weights.h5")
    model.save(path / "full.h5")
    x = torch.from_numpy(x)
    experts, gates = layer.parts(x)
    golden = {task: numpy(y) for task, y in zip(tasks, model(x))}
    golden |= {f"gate_{task}": numpy(g) for task, g in zip(tasks, gates)}
    savez(path / "golden.npz", x=numpy(x), experts=numpy(experts), **golden)


def paper():
    """The article's layer on the paper's data, with every constructor argument in the configuration."""
    rng = seed(paper_data.SEED)
    x, *labels = map(torch.from_numpy, paper_data.rows(rng, 30_000, 0.5))
    heads = {"y0": (1, "linear"), "y1": (1, "linear")}
    inputs = keras.Input((paper_data.D,))
    layer = tf2_layer.MMoE(units=16, num_experts=4, num_tasks=2, **tf2_layer.all_arguments())
    model = keras.Model(inputs, towers(layer(inputs), 8, heads))

    def loss(i):
        return sum(F.mse_loss(y[:, 0], label[i]) for y, label in zip(model(x[i]), labels))

    minimise(model.parameters(), loss, len(x), 1500, rate=1e-2)
    test_x, *test = paper_data.rows(rng, 2000, 0.5)
    for task, y, label in zip(heads, model(torch.from_numpy(test_x)), test):
        print(f"keras-paper: MSE of {task} {((numpy(y)[:, 0] - label) ** 2).mean():.4f}, variance {label.var():.4f}")
    save(model, layer, "keras-paper", paper_data.rows(rng, 64, 0.5)[0], heads)


def three_tasks(rng, rows, inputs):
    """A number, a yes or no, and one of three classes, of shared directions."""
    x = rng.standard_normal((rows, inputs)).astype("float32")
    z = x @ three_tasks.directions
    return x, (np.sin(z[:, 0]) + z[:, 1]).astype("float32"), (z[:, 1] * z[:, 2] > 0).astype("float32"), abs(z[:, 3:6]).argmax(1)


def with_three_heads(name, layer, inputs, hidden, number):
    """Trains `layer` on three_tasks, with a linear, a sigmoid and a softmax head."""
    rng = seed(number)
    three_tasks.directions = (rng.standard_normal((inputs, 6)) / inputs**0.5).astype("float32")
    data = [torch.from_numpy(a) for a in three_tasks(rng, 10_000, inputs)]
    x = data[0]
    heads = {"level": (1, "linear"), "alarm": (1, "sigmoid"), "mode": (3, "softmax")}
    layer = layer()
    feed = keras.Input((inputs,))
    model = keras.Model(feed, towers(layer(feed), hidden, heads))

    def loss(i):
        level, alarm, mode = model(x[i])
        return F.mse_loss(level[:, 0], data[1][i]) + F.binary_cross_entropy(alarm[:, 0], data[2][i]) + F.nll_loss(torch.log(mode + 1e-7), data[3][i])

    minimise(model.parameters(), loss, len(x), 600, rate=1e-2)
    test = three_tasks(rng, 2000, inputs)
    level, alarm, mode = map(numpy, model(torch.from_numpy(test[0])))
    print(f"{name}: MSE {((level[:, 0] - test[1]) ** 2).mean():.4f}, AUC {auc(alarm[:, 0], test[2]):.4f}, accuracy {(mode.argmax(1) == test[3]).mean():.4f}")
    save(model, layer, name, three_tasks(rng, 64, inputs)[0], heads)


def twelve():
    """Twelve experts, so that names have numbers of two digits, and heads of three kinds."""
    with_three_heads("keras-twelve", lambda: tf2_layer.MMoE(units=8, num_experts=12, num_tasks=3), 24, 6, 12)


def packed():
    """keras-mmoe's layer, all experts in one kernel."""
    with_three_heads("keras-packed", lambda: packed_layer.MMoE(units=6, num_experts=5, num_tasks=3), 18, 5, 5)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["paper", "twelve", "packed"]:
        {"paper": paper, "twelve": twelve, "packed": packed}[name]()
