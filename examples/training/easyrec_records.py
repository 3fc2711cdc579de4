"""`torcheasyrec-mmoe`: an MMoE with the configuration file, the names of tensors and the features of TorchEasyRec.

TorchEasyRec itself is not on PyPI and its feature generator is a closed binary, so this is **not** made by the framework: the modules below have the names
and shapes of its state dict (its `EmbeddingBagCollection` holds `nn.EmbeddingBag`s as this one does), and `encode` does what its documentation and
its tests say about vocabularies, defaults, boundaries and normalizers.
"""

import bisect
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import records
from fixture import auc, folder, minimise, numpy, save_torch, seed

NAME = "torcheasyrec-mmoe"
TASKS = {"ctr": "clk", "cvr": "buy"}
CITIES = ["Hangzhou", "Beijing", "杭州", "Berlin", "New York"]
BRANDS = ["acme", "globex", "initech"]
TAGS = {"red": 2, "crimson": 2, "blue": 3, "green": 4}
BOUNDARIES = [1.1, 2.5, 7.25, 20.0]
HOURS = 24

CONFIG = """\
# Written by examples/training/easyrec_records.py in the format of TorchEasyRec.
train_input_path: "train/*.parquet"
model_dir: "experiments/mmoe"
train_config {
    sparse_optimizer { adagrad_optimizer { lr: 0.001 } constant_learning_rate {} }
    dense_optimizer { adam_optimizer { lr: 0.001 } constant_learning_rate {} }
    num_epochs: 1
}
data_config {
    batch_size: 256
    dataset_type: ParquetDataset
    fg_mode: FG_DAG
    label_fields: ["clk", "buy"]
}
feature_configs {
    id_feature {
        feature_name: "city"
        expression: "user:city"
        vocab_list: ["Hangzhou", "Beijing", "\\346\\235\\255\\345\\267\\236"]
        vocab_list: "Berlin"
        vocab_list: 'New York'
        embedding_dim: 4
    }
}
feature_configs { id_feature { feature_name: "birthplace" expression: "user:birthplace" embedding_name: "city_emb"
    vocab_list: ["Hangzhou", "Beijing", "\\xe6\\x9d\\xad\\xe5\\xb7\\x9e", "Berlin", "New" " York"] embedding_dim: 4 } }
feature_configs {
    id_feature {
        feature_name: "brand"
        expression: "item:brand"
        vocab_list: ["acme", "globex", "initech"]
        default_value: "none"
        embedding_dim: 4
    }
}
feature_configs {
    id_feature {
        feature_name: "hour"
        expression: "context:hour"
        num_buckets: 24
        default_value: "0"
        embedding_dim: 3;
    }
}
feature_configs {
    id_feature: <
        feature_name: "tags"
        expression: "item:tags"
        vocab_dict: [{key: "red" value: 2}, {key: "crimson", value: 2}]
        vocab_dict { key: "blue" value: 3 }
        vocab_dict { key: "green" value: 4 }
        value_dim: 0
        separator: "|"
        pooling: "mean"
        embedding_dim: 4
    >
}
feature_configs {
    raw_feature {
        feature_name: "price"
        expression: "item:price"
        boundaries: [1.1, 2.5, 7.25, 2e1]
        default_value: ""
        embedding_dim: 4
    }
}
feature_configs {
    raw_feature {
        feature_name: "age"
        expression: "user:age"
        normalizer: "method=zscore,mean=40.0,standard_deviation=12.5"
    }
}
feature_configs {
    raw_feature {
        feature_name: "spend"
        expression: "user:spend"
        normalizer: "method=log10,threshold=1e-2,default=-3"
        default_value: "-1.5"
    }
}
feature_configs {
    raw_feature {
        feature_name: "score"
        expression: "item:score"
        normalizer: "method=minmax,min=-2,max=3"
        default_value: "0.5"
    }
}
feature_configs {
    raw_feature { feature_name: "unused" expression: "item:unused" }
}
model_config {
    feature_groups {
        group_name: "all"
        feature_names: ["age", "city", "brand", "birthplace"]
        feature_names: "hour"
        feature_names: "tags"
        feature_names: "spend"
        feature_names: "price"
        feature_names: "score"
        group_type: DEEP
    }
    mmoe {
        expert_mlp { hidden_units: [16, 8] }
        num_expert: 3
        task_towers { tower_name: "ctr" label_name: "clk" mlp { hidden_units: 6 } losses { binary_cross_entropy {} } }
        task_towers { tower_name: "cvr" label_name: "buy" mlp { hidden_units: 6 } losses { binary_cross_entropy {} } }
    }
}
"""


class Ebc(nn.Module):
    def __init__(self, tables):
        super().__init__()
        self.embedding_bags = nn.ModuleDict({name: nn.EmbeddingBag(rows, width, mode=mode) for name, (rows, width, mode) in tables.items()})


class Impl(nn.Module):
    def __init__(self, tables):
        super().__init__()
        self.ebc = Ebc(tables)


class Group(nn.Module):
    def __init__(self, tables):
        super().__init__()
        self.emb_impls = nn.ModuleDict({"__BASE__": Impl(tables)})


class Perceptron(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.perceptron = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())

    def forward(self, x):
        return self.perceptron(x)


class Mlp(nn.Module):
    def __init__(self, *widths):
        super().__init__()
        self.mlp = nn.ModuleList(Perceptron(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.mlp:
            x = layer(x)
        return x


class Mixture(nn.Module):
    def __init__(self, inputs, hidden, experts, tasks):
        super().__init__()
        self.expert_mlps = nn.ModuleList(Mlp(inputs, *hidden) for _ in range(experts))
        self.gate_finals = nn.ModuleList(nn.Linear(inputs, experts) for _ in range(tasks))

    def forward(self, x):
        experts = torch.stack([expert(x) for expert in self.expert_mlps], 1)
        return [(gate(x).softmax(1).unsqueeze(1) @ experts).squeeze(1) for gate in self.gate_finals]


class Tower(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.tower_mlp = Mlp(inputs, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.linear(self.tower_mlp(x))


class MMoE(nn.Module):
    """Takes, per feature in the group's order, a list of rows' codes or a column of numbers."""

    tables = {"city": "city_emb", "birthplace": "city_emb", "brand": "brand_emb", "hour": "hour_emb", "tags": "tags_emb", "price": "price_emb"}
    order = ["age", "city", "brand", "birthplace", "hour", "tags", "spend", "price", "score"]

    def __init__(self):
        super().__init__()
        rows = {
            "city_emb": (len(CITIES) + 2, 4, "sum"), "brand_emb": (len(BRANDS) + 2, 4, "sum"), "hour_emb": (HOURS, 3, "sum"),
            "tags_emb": (5, 4, "mean"), "price_emb": (len(BOUNDARIES) + 1, 4, "sum"),
        }
        self.embedding_group = Group(rows)
        self.mmoe = Mixture(26, [16, 8], 3, 2)
        self._task_tower = nn.ModuleList(Tower(8, 6) for _ in TASKS)

    def forward(self, x):
        bags = self.embedding_group.emb_impls["__BASE__"].ebc.embedding_bags
        parts = [bags[self.tables[name]](*x[name]) if name in self.tables else x[name] for name in self.order]
        return [torch.sigmoid(tower(mix))[:, 0] for tower, mix in zip(self._task_tower, self.mmoe(torch.cat(parts, 1)))]


def encode(record):
    """What the feature generator makes of the records: codes with the lists' starts, and columns of numbers."""

    def bags(rows):
        starts = np.cumsum([0] + [len(row) for row in rows])[:-1]
        return torch.tensor([code for row in rows for code in row], dtype=torch.long), torch.from_numpy(starts)

    def vocabulary(values, tokens, missing):
        codes = {token: code for code, token in enumerate(tokens, 2)}
        return bags([missing if v == "" else [codes.get(v, 1)] for v in values])

    def numbers(values, function, missing):
        return torch.tensor([[missing if math.isnan(v) else function(float(v))] for v in values], dtype=torch.float32)

    return {
        "city": vocabulary(record["city"], CITIES, []),
        "birthplace": vocabulary(record["birthplace"], CITIES, []),
        "brand": vocabulary(record["brand"], BRANDS, [0]),
        "hour": bags([[0] if v is None else [v] for v in record["hour"]]),
        "tags": bags([[TAGS.get(tag, 1) for tag in row] for row in record["tags"]]),
        "price": bags([[] if math.isnan(v) else [bisect.bisect_right([np.float32(b) for b in BOUNDARIES], v)] for v in record["price"]]),
        "age": numbers(record["age"], lambda x: (x - 40.0) / 12.5, 0.0),
        "spend": numbers(record["spend"], lambda x: math.log10(x) if x > 1e-2 else -3.0, -1.5),
        "score": numbers(record["score"], lambda x: (x + 2.0) / 5.0, 0.5),
    }


def draw(rng, count, odd):
    """Records; `odd` is the share of unknown and missing values."""

    def some(values, *other):
        return [other[rng.integers(len(other))] if s else v for s, v in zip(rng.random(count) < odd, values)]

    nan = np.float32(np.nan)
    return {
        "city": some(records.zipf(rng, CITIES, count), "", "Oslo", "berlin"),
        "birthplace": some(records.zipf(rng, CITIES, count), "", "Ulm"),
        "brand": some(records.zipf(rng, BRANDS, count), "", "umbrella"),
        "hour": some(rng.integers(HOURS, size=count).tolist(), None),
        "tags": [records.zipf(rng, [*TAGS, "mauve"], rng.integers(6)) for _ in range(count)],
        "price": some(rng.exponential(6, count).astype("float32"), nan, *map(np.float32, BOUNDARIES), np.float32(-1)),
        "age": some(rng.integers(18, 80, count).astype("float32"), nan),
        "spend": some(rng.lognormal(3, 2, count).astype("float32"), nan, np.float32(0.01), np.float32(0), np.float32(-4)),
        "score": some(rng.normal(0, 1.5, count).astype("float32"), nan),
    }


def labels(rng, record):
    code = lambda name: np.array([sum(map(ord, str(v))) % 5 - 2 for v in record[name]])
    number = lambda name: np.nan_to_num(np.array(record[name], "float64"))
    red = np.array([sum(tag in ("red", "crimson") for tag in row) - sum(tag == "blue" for tag in row) for row in record["tags"]])
    taste = code("city") * code("birthplace") * 0.5 + number("score") + red * 0.6 - (number("price") > 7.25)
    need = (number("age") - 45) / 15 + code("brand") * 0.5 + np.sin(np.array([v or 0 for v in record["hour"]]) / 4) + np.log1p(abs(number("spend"))) * 0.3 - 1
    return [torch.from_numpy((rng.random(len(z)) < 1 / (1 + np.exp(-1.5 * z))).astype("float32")) for z in (taste, need)]


def rows_of(x, i):
    """The rows `i` of encoded records."""

    def pick(value):
        if torch.is_tensor(value):
            return value[i]
        codes, starts = value
        ends = torch.cat([starts[1:], torch.tensor([len(codes)])])
        rows = [codes[starts[k] : ends[k]] for k in i]
        return torch.cat(rows), torch.tensor(np.cumsum([0] + [len(row) for row in rows])[:-1])

    return {name: pick(value) for name, value in x.items()}


def main():
    rng = seed(54)
    model = MMoE()
    record = draw(rng, 8000, 0.1)
    x, y = encode(record), labels(rng, record)

    def loss(i):
        return sum(F.binary_cross_entropy(p, label[i]) for p, label in zip(model(rows_of(x, i)), y))

    model.train()
    minimise(model.parameters(), loss, 8000, 400, rate=1e-2)
    model.eval()
    save_torch(model, NAME)
    record = draw(rng, 4000, 0.1)
    print(NAME, [f"AUC {auc(numpy(p), label.numpy()):.4f}" for p, label in zip(model(encode(record)), labels(rng, record))])
    (folder(NAME) / "pipeline.config").write_text(CONFIG)
    record = draw(rng, 1000, 0.2)
    records.write(folder(NAME) / "rows.csv", record, dict(zip(TASKS, map(numpy, model(encode(record))))))


if __name__ == "__main__":
    main()
