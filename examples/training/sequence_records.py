"""`torch-rechub-sequences`: torch-rechub's own `MMOE` with lists beside single ids, pooled by mean and sum, one of them sharing a table.

`rows.csv` holds records of dense ids (what the framework takes), lists without their padding, and the framework's own outputs.
"""

import numpy as np
import torch
from torch.nn import functional as F
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.basic.initializers import RandomNormal
from torch_rechub.models.multi_task import MMOE

import records
from fixture import auc, folder, minimise, numpy, save_torch, seed

NAME = "torch-rechub-sequences"
TASKS = ["click", "buy"]
ITEMS, TAGS, CITIES = 60, 12, 20
# Most items of each list; id 0 pads them.
LISTS = {"history": 10, "tags": 5}


def draw(rng, count):
    """Records; every list may be empty."""

    def lists(name, size, power):
        return [records.zipf(rng, range(1, size), rng.integers(LISTS[name] + 1), power) for _ in range(count)]

    return {
        "item": records.zipf(rng, range(ITEMS), count), "history": lists("history", ITEMS, 0.6), "city": records.zipf(rng, range(CITIES), count),
        "tags": lists("tags", TAGS, 1.0), "age": rng.random(count).astype("float32"), "price": rng.normal(size=count).astype("float32"),
    }


def tensors(record):
    """The padded tensors that the framework takes."""
    padded = {k: [row + [0] * (most - len(row)) for row in record[k]] for k, most in LISTS.items()}
    return {k: torch.from_numpy(np.array(padded.get(k, v))) for k, v in record.items()}


def labels(rng, record):
    item, city = np.array(record["item"]), np.array(record["city"])
    known = np.array([sum(np.sin(i) for i in row) / max(len(row), 1) for row in record["history"]])
    liked = np.array([sum(np.cos(t) for t in row) for row in record["tags"]])
    taste = 3 * known * np.sin(item) + liked + record["age"] - 0.5
    need = np.cos(2 * city) + record["price"] + 0.5 * liked
    return {task: torch.from_numpy((rng.random(len(z)) < 1 / (1 + np.exp(-2 * z))).astype("float32")) for task, z in zip(TASKS, [taste, need])}


def build():
    # The framework's default spread of 1e-4 keeps small tables at zero for long.
    table = {"embed_dim": 4, "initializer": RandomNormal(0, 0.3)}
    features = [
        SparseFeature("item", vocab_size=ITEMS, **table),
        SequenceFeature("history", vocab_size=ITEMS, pooling="mean", shared_with="item", padding_idx=0, **table),
        DenseFeature("age"),
        SparseFeature("city", vocab_size=CITIES, **table),
        SequenceFeature("tags", vocab_size=TAGS, pooling="sum", padding_idx=0, **table),
        DenseFeature("price"),
    ]
    return MMOE(features, ["classification"] * 2, n_expert=4, expert_params={"dims": [16, 8]}, tower_params_list=[{"dims": [6]}] * 2)


def main():
    rng = seed(52)
    model = build()
    record = draw(rng, 12_000)
    x, y = tensors(record), labels(rng, record)

    def loss(i):
        outputs = model({k: v[i] for k, v in x.items()})
        return sum(F.binary_cross_entropy(outputs[:, t], y[task][i]) for t, task in enumerate(TASKS))

    model.train()
    minimise(model.parameters(), loss, 12_000, 500, rate=1e-2)
    model.eval()
    save_torch(model, NAME)
    record = draw(rng, 4000)
    outputs, y = numpy(model(tensors(record))), labels(rng, record)
    print(NAME, [f"AUC {auc(outputs[:, t], y[task].numpy()):.4f}" for t, task in enumerate(TASKS)])
    record = draw(rng, 1000)
    records.write(folder(NAME) / "rows.csv", record, dict(zip(TASKS, numpy(model(tensors(record))).T)))


if __name__ == "__main__":
    main()
