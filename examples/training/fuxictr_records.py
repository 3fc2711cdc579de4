"""`fuxictr-mmoe`: FuxiCTR's own feature processor, embeddings and multi-task model, with the MMoE of its model zoo (which its package leaves out) on its layers.

The folder holds what FuxiCTR writes (`feature_map.json`, `feature_vocab.json`, the weights as `MMoE.model`), and `rows.csv`: records as FuxiCTR's CSV has
them, with unknown tokens, missing cells and empty lists, and FuxiCTR's own outputs.
"""

import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import torch
from fuxictr.features import FeatureMap
from fuxictr.preprocess import FeatureProcessor
from fuxictr.pytorch.layers import FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import MultiTaskModel
from torch import nn

import records
from fixture import auc, folder, minimise, numpy, seed

NAME = "fuxictr-mmoe"
TASKS = ["click", "buy"]
ITEMS, BRANDS, CITIES, TAGS = 50, 9, ["Berlin", "Paris", "Zürich", "New York", "Ulm"], ["red", "green", "blue", "grey", "pink", "white"]

FEATURES = [
    {"name": "item", "type": "categorical", "dtype": "str", "source": "item"},
    {"name": "brand", "type": "categorical", "dtype": "int", "source": "item"},
    {"name": "city", "type": "categorical", "dtype": "str", "source": "user", "min_categr_count": 30},
    {"name": "age", "type": "numeric", "dtype": "float", "normalizer": "StandardScaler", "source": "user"},
    {"name": "price", "type": "numeric", "dtype": "float", "normalizer": "MinMaxScaler", "source": "item", "fill_na": 20.0},
    {"name": "score", "type": "numeric", "dtype": "float"},
    {"name": "history", "type": "sequence", "dtype": "str", "splitter": "^", "max_len": 8, "padding": "pre", "share_embedding": "item", "source": "user"},
    {"name": "tags", "type": "sequence", "dtype": "str", "splitter": "^", "max_len": 3, "feature_encoder": "layers.MaskedSumPooling()"},
]


def draw(rng, count, odd, unknown=False):
    """Records; `odd` is the share of missing cells and empty lists, and of tokens that training never saw where `unknown`."""

    def some(values, *other, new=()):
        other = other + tuple(new) * unknown
        return [other[rng.integers(len(other))] if s else v for s, v in zip(rng.random(count) < odd, values)]

    def lists(values, most):
        return some([records.zipf(rng, values, rng.integers(1, most + 1), 0.7) for _ in range(count)], [])

    items = [f"i{i:03}" for i in range(ITEMS)]
    return {
        "item": some(records.zipf(rng, items, count), "", new=["i999"]),
        "brand": some(records.zipf(rng, range(BRANDS), count), None, new=[77, -3]),
        "city": some(records.zipf(rng, CITIES + ["Rare"], count, 2.5), "", new=["Oslo", "berlin"]),
        "age": some(rng.integers(18, 80, count).astype("float32"), np.float32(np.nan)),
        "price": some(rng.uniform(1, 50, count).astype("float32"), np.float32(np.nan), new=[np.float32(60)]),
        "score": some(rng.normal(size=count).astype("float32"), np.float32(np.nan)),
        "history": lists(items + ["gone", "lost"] * unknown, 10),
        "tags": lists(TAGS, 4),
    }


def labels(rng, record):
    number = lambda name: np.nan_to_num(np.array(record[name], "float64"))
    code = lambda name: np.array([sum(map(ord, str(v))) % 5 - 2 for v in record[name]])
    liked = np.array([np.mean([np.sin(hash_of(i)) for i in row] or [0]) for row in record["history"]])
    taste = 2 * liked * np.sin(np.array([hash_of(i) for i in record["item"]])) + code("city") * 0.5 + number("score") * 0.7
    need = (number("age") - 50) / 20 - number("price") / 25 + 1 + 0.4 * np.array([len(row) for row in record["tags"]]) + code("brand") * 0.3
    return {task: (rng.random(len(z)) < 1 / (1 + np.exp(-1.5 * z))).astype("float32") for task, z in zip(TASKS, [taste, need])}


def hash_of(token):
    return sum(map(ord, token))


class Mixture(nn.Module):
    """Experts and one gate per task, as the model zoo's MMoE layer names them."""

    def __init__(self, inputs, experts, tasks, hidden, gate_hidden):
        super().__init__()
        self.experts = nn.ModuleList(MLP_Block(inputs, hidden) for _ in range(experts))
        self.gate = nn.ModuleList(MLP_Block(inputs, gate_hidden, output_dim=experts) for _ in range(tasks))

    def forward(self, x):
        experts = torch.stack([expert(x) for expert in self.experts], 1)
        return [(gate(x).softmax(-1).unsqueeze(-1) * experts).sum(1) for gate in self.gate]


class MMoE(MultiTaskModel):
    def __init__(self, feature_map, dim, root):
        super().__init__(feature_map, model_id="MMoE", task=["binary_classification"] * 2, num_tasks=2, model_root=root, verbose=0, metrics=["AUC"])
        self.embedding_layer = FeatureEmbedding(feature_map, dim, embedding_initializer="partial(nn.init.normal_, std=0.3)")
        self.mmoe_layer = Mixture(dim * feature_map.num_fields, 4, 2, [16, 8], [6])
        self.tower = nn.ModuleList(MLP_Block(8, [6], output_dim=1) for _ in range(2))
        self.compile("adam", "binary_crossentropy", 1e-2)
        self.reset_parameters()

    def forward(self, inputs):
        mixtures = self.mmoe_layer(self.embedding_layer(self.get_inputs(inputs)).flatten(start_dim=1))
        outputs = [act(tower(mix)) for act, tower, mix in zip(self.output_activation, self.tower, mixtures)]
        return {f"{task}_pred": y for task, y in zip(self.feature_map.labels, outputs)}


def main():
    logging.disable()
    rng = seed(53)
    root = Path(tempfile.mkdtemp())
    processor = FeatureProcessor(
        [feature | {"active": True} for feature in FEATURES], [{"name": task, "dtype": "float"} for task in TASKS], dataset_id="shop", data_root=str(root)
    )

    def framework(record, y):
        """A record through FuxiCTR's own CSV reader and its feature processor, as tensors."""
        joined = {k: ["^".join(row) for row in v] if isinstance(v[0], list) else [records.cell(c) for c in v] for k, v in record.items()}
        pl.DataFrame(joined | y).write_csv(root / "part.csv", quote_style="necessary")
        return processor.preprocess(processor.read_data(str(root / "part.csv")))

    def tensors(frame):
        batch = processor.transform({name: column.to_list() for name, column in frame.collect().to_dict().items()})
        return {k: torch.from_numpy(np.array(v)) for k, v in batch.items()}

    record = draw(rng, 12_000, 0.03)
    frame = framework(record, labels(rng, record))
    processor.fit(frame)
    x = tensors(frame)
    feature_map = FeatureMap("shop", str(root / "shop"))
    feature_map.load(str(root / "shop" / "feature_map.json"), {"embedding_dim": 4})
    model = MMoE(feature_map, 4, str(root))

    def loss(i):
        batch = {k: v[i] for k, v in x.items()}
        return model.compute_loss(model.forward(batch), model.get_labels(batch))

    model.train()
    minimise(model.parameters(), loss, 12_000, 500, rate=1e-2)
    model.eval()

    def predict(record, y):
        return {task: numpy(model.forward(tensors(framework(record, y)))[f"{task}_pred"])[:, 0] for task in TASKS}

    record = draw(rng, 4000, 0.03)
    y = labels(rng, record)
    print(NAME, [f"AUC {auc(p, y[task]):.4f}" for task, p in predict(record, y).items()])

    path = folder(NAME)
    model.save_weights(path / "MMoE.model")
    for name in "feature_map.json", "feature_vocab.json":
        shutil.copy(root / "shop" / name, path / name)
    # The constants that only the pickled processor has: a spec states them.
    for name in "age", "price":
        scaler = processor.processor_dict[f"{name}::normalizer"].normalizer.__self__
        print({k: v.tolist() for k, v in vars(scaler).items() if k in ("mean_", "scale_", "data_min_", "data_max_")}, name)
    record = draw(rng, 1000, 0.15, unknown=True)
    outputs = predict(record, labels(rng, record))
    records.write(path / "rows.csv", record, outputs, separator="^")


if __name__ == "__main__":
    main()
