"""`sklearn-mmoe`: scikit-learn's own encoders in front of a small PyTorch MMoE, all trained on synthetic data.

`encoders.json` is what the lines between the marks write about fitted encoders, in the order of the model's vector; `rows.csv` holds raw records and the outputs of the whole pipeline.
"""

import json

import numpy as np
import torch
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import KBinsDiscretizer, LabelEncoder, OneHotEncoder, OrdinalEncoder, StandardScaler
from torch import nn
from torch.nn import functional as F

import records
from fixture import auc, folder, minimise, mlp, numpy, save_torch, seed

NAME = "sklearn-mmoe"
TASKS = ["fault", "wear"]
SHOPS = [f"shop {chr(97 + i)}" for i in range(15)]
MODES, GRADES, LINES = ["idle", "run", "boost"], ["A", "B", "C", "D"], [3, 7, 20, 1001]
NUMBERS = ["speed", "heat"]


def draw(rng, count, odd):
    """Records; `odd` is the share of unknown and missing values."""

    def some(values, *other):
        return [other[rng.integers(len(other))] if s else v for s, v in zip(rng.random(count) < odd, values)]

    return {
        "shop": some(records.zipf(rng, SHOPS, count), np.nan, "shop z"),
        "grade": some(records.zipf(rng, GRADES, count), "E"),
        "mode": some(records.zipf(rng, MODES, count), "off", " run"),
        "line": some(records.zipf(rng, LINES, count), 4),
        "speed": rng.normal(900, 250, count).astype("float32"),
        "heat": rng.normal(70, 9, count).astype("float32"),
        "load": some(rng.exponential(3, count).astype("float32"), np.float32(-2), np.float32(500)),
        "worker": [f"w{i}" for i in rng.integers(30, size=count)],
    }


def columns(record, *names):
    """The named columns as scikit-learn takes them; a missing text is NaN, as pandas has it."""
    one = lambda values: np.array(values, object if any(isinstance(v, str) for v in values) else None)
    return np.array([one(record[name]) for name in names]).T


class Model(nn.Module):
    """`shop` and `worker` are looked up in tables; everything else is a number."""

    def __init__(self, numbers, shops, workers):
        super().__init__()
        self.shop = nn.Embedding(shops, 4)
        self.worker = nn.Embedding(workers, 3)
        inputs = 4 + 3 + numbers
        self.experts = nn.ModuleList(mlp(inputs, 12, 8, last=nn.ReLU()) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(inputs, 3) for _ in TASKS)
        self.towers = nn.ModuleList(mlp(8, 6, 1) for _ in TASKS)

    def forward(self, shop, worker, numbers):
        x = torch.cat([self.shop(shop), self.worker(worker), numbers], 1)
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        mixtures = [(gate(x).softmax(-1).unsqueeze(-1) * experts).sum(1) for gate in self.gates]
        return [torch.sigmoid(tower(mix))[:, 0] for tower, mix in zip(self.towers, mixtures)]


def labels(rng, record):
    code = lambda name: np.array([sum(map(ord, str(v))) % 5 - 2 for v in record[name]])
    fault = (record["heat"] - 70) / 9 + 0.5 * code("shop") + 0.4 * code("mode") + 0.3 * np.array(record["load"]).clip(0, 9) - 1
    wear = (record["speed"] - 900) / 250 + 0.5 * code("worker") + 0.4 * code("grade") + 0.3 * code("line")
    return [torch.from_numpy((rng.random(len(z)) < 1 / (1 + np.exp(-1.5 * z))).astype("float32")) for z in (fault, wear)]


# --- the lines that write encoders.json ---
def describe(encoder, columns, embedding=None):
    """What a fitted scikit-learn encoder knows, an object per column. `embedding` names the tensor that its codes look up."""
    one = lambda v: None if isinstance(v, type) or v != v else v.item() if isinstance(v, np.generic) else v
    plain = lambda v: [{"missing": "nan"} if x != x else one(x) for x in v] if isinstance(v, np.ndarray) else one(v)
    fitted = {"categories_": "categories", "bin_edges_": "edges", "mean_": "mean", "scale_": "scale", "min_": "min"}
    lists = {key: getattr(encoder, name) for name, key in fitted.items() if getattr(encoder, name, None) is not None}
    lists |= {"categories": [encoder.classes_]} if hasattr(encoder, "classes_") else {}
    settings = {k: plain(v) for k, v in encoder.get_params().items() if not hasattr(v, "__len__") or isinstance(v, str)}
    about = {"encoder": type(encoder).__name__, "settings": settings} | ({"embedding": embedding} if embedding else {})
    return [{"column": name} | about | {key: plain(v[i]) for key, v in lists.items()} for i, name in enumerate(columns)]


# --- end ---


def main():
    rng = seed(55)
    record = draw(rng, 12_000, 0.03)
    shop = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=17, encoded_missing_value=16)
    shop.fit(columns(record, "shop")[[v != "shop z" for v in record["shop"]]])
    worker = LabelEncoder().fit(record["worker"])
    steps = {
        "grade": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["grade"]),
        "mode": (OneHotEncoder(handle_unknown="ignore", sparse_output=False, drop=None), ["mode"]),
        "line": (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["line"]),
        "numbers": (StandardScaler(), NUMBERS),
        "load": (KBinsDiscretizer(5, encode="onehot-dense", strategy="quantile", quantile_method="averaged_inverted_cdf"), ["load"]),
        "level": (KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), ["heat"]),
    }
    known = {"grade": GRADES, "mode": MODES, "line": LINES}
    for step, (encoder, names) in steps.items():
        x = columns(record, *names)
        encoder.fit(x[np.isin(x[:, 0], known[step])] if step in known else x)

    def tensors(record):
        numbers = [encoder.transform(columns(record, *names)) for encoder, names in steps.values()]
        codes = shop.transform(columns(record, "shop"))[:, 0], worker.transform(record["worker"])
        return *(torch.from_numpy(c.astype("int64")) for c in codes), torch.from_numpy(np.concatenate(numbers, 1).astype("float32"))

    x, y = tensors(record), labels(rng, record)
    model = Model(x[2].shape[1], 18, len(worker.classes_))

    def loss(i):
        return sum(F.binary_cross_entropy(p, label[i]) for p, label in zip(model(*(part[i] for part in x)), y))

    model.train()
    minimise(model.parameters(), loss, 12_000, 500, rate=1e-2)
    model.eval()
    save_torch(model, NAME)
    record = draw(rng, 4000, 0.03)
    print(NAME, [f"AUC {auc(numpy(p), label.numpy()):.4f}" for p, label in zip(model(*tensors(record)), labels(rng, record))])
    # In the order of the model's vector.
    described = describe(shop, ["shop"], "shop.weight") + describe(worker, ["worker"], "worker.weight")
    for encoder, names in steps.values():
        described += describe(encoder, names)
    path = folder(NAME)
    (path / "encoders.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    np.save(path / "worker.npy", worker.classes_.astype(str))
    record = draw(rng, 1000, 0.15)
    records.write(path / "rows.csv", record, dict(zip(TASKS, map(numpy, model(*tensors(record))))))


if __name__ == "__main__":
    main()
