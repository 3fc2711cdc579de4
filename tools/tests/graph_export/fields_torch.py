"""Graphs that begin at raw fields, by the exporters of PyTorch and scikit-learn."""

import logging
import warnings

import common  # noqa: F401 -- sets the environment before TensorFlow is loaded
import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import torch_models as m
from common import case
from fields import CITIES, PLANS, chosen

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

# --- PyTorch ---------------------------------------------------------------------------------


class Fields(nn.Module):
    """One model, and a list of what stands before it."""

    def __init__(self, width, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.model = m.MMoE(width)


class Bags(Fields):
    """A history by its sum, its mean without padding or its maximum, beside the item's own row."""

    def __init__(self, how, bag=None):
        items = nn.Embedding(11, 4, padding_idx=0)
        super().__init__(9, items=items, bag=bag)
        self.how = how

    def forward(self, item, history, income):
        rows = self.items(history)
        if self.how == "bag":
            pooled = self.bag(history)
        elif self.how == "sum":
            pooled = rows.sum(1)
        elif self.how == "max":
            pooled = rows.max(1).values
        elif self.how == "mean":
            pooled = rows.mean(1)
        else:
            mask = (history != 0).unsqueeze(-1).float()
            count = mask.sum(1)
            count = count.clamp(min=1) if self.how == "clamped" else count + 1e-9
            pooled = (rows * mask).sum(1) / count
        return self.model(torch.cat([self.items(item[:, 0]), pooled, income], -1))


class Buckets(Fields):
    def __init__(self, right, how="embedding"):
        super().__init__(6 if how == "one-hot" else 5, table=nn.Embedding(4, 3))
        self.right, self.how = right, how
        self.register_buffer("bounds", torch.tensor([18.0, 30.0, 45.0]))

    def forward(self, age, income):
        if self.how == "compare":
            bucket = (age >= self.bounds).sum(-1)
        else:
            bucket = torch.bucketize(age[:, 0], self.bounds, right=self.right)
        if self.how == "one-hot":
            code = (bucket.unsqueeze(-1) == torch.arange(4)).float()
        else:
            code = self.table(bucket)
        return self.model(torch.cat([code, age / 50.0, income], -1))


class OneHot(Fields):
    """Columns of an id: by equality with a range, by `one_hot`, by rows of an identity."""

    def __init__(self):
        super().__init__(20)

    def forward(self, user, item, income):
        a = (user == torch.arange(7)).float()
        b = F.one_hot(item[:, 0], 12).float()
        return self.model(torch.cat([a, b, income], -1))


class Offsets(Fields):
    """One table for all fields, each with an offset of its own."""

    def __init__(self):
        super().__init__(9, table=nn.Embedding(18, 4))
        self.register_buffer("offsets", torch.tensor([0, 7]))

    def forward(self, ids, income):
        return self.model(torch.cat([self.table(ids + self.offsets).flatten(1), income], -1))


def torch_export(folder, model, given, dynamo, opset, rows=None):
    model = m.trained(model)
    if hasattr(model, "items"):
        with torch.no_grad():
            model.items.weight[0] = 0
    args = [torch.tensor(v if v.ndim > 1 else v[:, None]) for v in given.values()]
    with torch.no_grad():
        made = model(*args)
    names = [f"task{i}" for i in range(len(made))]
    facts = {"input_names": list(given), "output_names": names, "opset_version": opset}
    example = tuple(a[:2] for a in args)
    path = folder / "model.onnx"
    if dynamo:
        size = torch.export.Dim("batch")
        torch.onnx.export(model, example, path, dynamo=True, verbose=False, external_data=False,
                          dynamic_shapes=tuple({0: size} for _ in args), **facts)
        written = onnx.load(path)
        for node in written.graph.node:
            del node.metadata_props[:]
        onnx.save(written, path)
    else:
        axes = {n: {0: "batch"} for n in [*given, *names]}
        torch.onnx.export(model, example, str(path), dynamo=False, dynamic_axes=axes, **facts)
    return "model.onnx", rows or given, dict(zip(names, (y.numpy() for y in made)))


def both(name, make, names, rows=None, **facts):
    for dynamo, opset in ((False, 17), (True, 20)):
        suffix = f"{'dynamo' if dynamo else 'legacy'}{opset}"
        case(f"fields-{name}-{suffix}", "PyTorch", exporter=suffix, **facts)(
            lambda f, d=dynamo, o=opset: torch_export(f, make(), chosen(names), d, o, rows and rows())
        )


for how in ("sum", "mean", "max", "clamped", "added"):
    both(f"bag-{how}", lambda how=how: Bags(how), ("item", "history", "income"))
for mode in ("sum", "mean", "max"):
    both(f"embedding-bag-{mode}",
         lambda mode=mode: Bags("bag", nn.EmbeddingBag(11, 4, mode=mode)),
         ("item", "history", "income"))
for right in (False, True):
    both(f"buckets-{'right' if right else 'left'}", lambda right=right: Buckets(right), ("age", "income"))
both("buckets-one-hot", lambda: Buckets(True, "one-hot"), ("age", "income"))
both("buckets-compare", lambda: Buckets(True, "compare"), ("age", "income"))
both("one-hot-equal", OneHot, ("user", "item", "income"))


def offset_rows():
    r = chosen(("user", "item", "income"))
    return {"ids_0": r["user"], "ids_1": r["item"], "income": r["income"]}


for dynamo, opset in ((False, 17), (True, 20)):
    def make_offsets(folder, d=dynamo, o=opset):
        r = offset_rows()
        given = {"ids": np.stack([r["ids_0"], r["ids_1"]], 1), "income": r["income"]}
        return torch_export(folder, Offsets(), given, d, o, r)

    case(f"fields-offsets-{'dynamo' if dynamo else 'legacy'}{opset}", "PyTorch")(make_offsets)


# --- scikit-learn's preprocessing, merged with a model --------------------------------------------


def sklearn_before(folder, encoders, columns, width):
    """What skl2onnx writes for a ColumnTransformer, put before a model of PyTorch's exporter."""
    import onnx.compose
    import pandas as pd
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn.compose import ColumnTransformer

    given = chosen(columns)
    known = {k: v[given[columns[0]] != "Atlantis"] for k, v in given.items()}
    transformer = ColumnTransformer(encoders, sparse_threshold=0).fit(pd.DataFrame(known))
    types = {object: StringTensorType, np.dtype(np.int64): Int64TensorType,
             np.dtype(np.float32): FloatTensorType}
    kinds = [(k, (StringTensorType if v.dtype == object else types[v.dtype])([None, 1]))
             for k, v in given.items()]
    before = to_onnx(transformer, initial_types=kinds, target_opset={"": 17, "ai.onnx.ml": 3})
    made = transformer.transform(pd.DataFrame(given)).astype(np.float32)
    assert made.shape[1] == width, made.shape
    model = m.trained(m.MMoE(width))
    torch.onnx.export(model, torch.tensor(made[:2]), str(folder / "model.onnx"), dynamo=False,
                      input_names=["x"], output_names=["task0", "task1"], opset_version=17,
                      dynamic_axes={"x": {0: "batch"}})
    behind = onnx.load(folder / "model.onnx")
    behind.ir_version = before.ir_version
    merged = onnx.compose.merge_models(before, behind, io_map=[(before.graph.output[0].name, "x")])
    onnx.save(merged, folder / "model.onnx")
    with torch.no_grad():
        outs = model(torch.tensor(made))
    return "model.onnx", given, {f"task{i}": y.numpy() for i, y in enumerate(outs)}


@case("fields-sklearn-one-hot", "scikit-learn")
def _(folder):
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encoders = [("a", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
                ("b", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan"]),
                ("c", StandardScaler(), ["income"])]
    return sklearn_before(folder, encoders, ("city", "plan", "income"), 9)


@case("fields-sklearn-ordinal", "scikit-learn")
def _(folder):
    from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder

    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    encoders = [("a", OrdinalEncoder(**unknown), ["city"]),
                ("b", OrdinalEncoder(**unknown), ["plan"]),
                ("c", MinMaxScaler(), ["income"])]
    return sklearn_before(folder, encoders, ("city", "plan", "income"), 3)


def label_encoder(folder, opset, keys, values, default, field):
    """A LabelEncoder, and the embedding of what it gives."""
    from onnx import helper as h
    from onnx import numpy_helper

    given = chosen((field, "income"))
    torch.manual_seed(1)
    table, model = nn.Embedding(6, 3), m.trained(m.MMoE(4))
    known = dict(zip(keys, values))
    codes = np.array([known.get(v, default) for v in given[field]])
    with torch.no_grad():
        # A negative index counts from the end in ONNX.
        rows = torch.cat([table(torch.tensor(codes % 6)), torch.tensor(given["income"])[:, None]], 1)
        outs = model(rows)
    torch.onnx.export(model, rows[:2], str(folder / "model.onnx"), dynamo=False, input_names=["x"],
                      output_names=["task0", "task1"], opset_version=17,
                      dynamic_axes={"x": {0: "batch"}})
    behind = onnx.load(folder / "model.onnx")
    text = given[field].dtype == object
    if opset == 4:
        keys = np.array(keys, dtype=object if text else np.int64)
        attributes = {"keys_tensor": numpy_helper.from_array(keys, "keys"),
                      "values_tensor": numpy_helper.from_array(np.array(values, np.int64), "values"),
                      "default_tensor": numpy_helper.from_array(np.array([default]), "default")}
    else:
        attributes = {("keys_strings" if text else "keys_int64s"): keys, "values_int64s": values,
                      "default_int64": default}
    nodes = [h.make_node("LabelEncoder", [field], ["code"], domain="ai.onnx.ml", name="encode", **attributes),
             h.make_node("Gather", ["table", "code"], ["rows"], name="embed"),
             h.make_node("Reshape", ["rows", "flat"], ["row"], name="flatten"),
             h.make_node("Concat", ["row", "income"], ["x"], axis=1, name="join")]
    kind = onnx.TensorProto.STRING if text else onnx.TensorProto.INT64
    inputs = [h.make_tensor_value_info(field, kind, ["batch", 1]),
              h.make_tensor_value_info("income", onnx.TensorProto.FLOAT, ["batch", 1])]
    graph = h.make_graph(nodes + list(behind.graph.node), "g", inputs, behind.graph.output,
                         [*behind.graph.initializer,
                          numpy_helper.from_array(table.weight.detach().numpy(), "table"),
                          numpy_helper.from_array(np.array([-1, 3]), "flat")])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", opset)])
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")
    return "model.onnx", given, {f"task{i}": y.numpy() for i, y in enumerate(outs)}


for opset in (2, 4):
    case(f"fields-label-texts-ml{opset}", "ONNX")(
        lambda f, o=opset: label_encoder(f, o, CITIES, [1, 2, 3, 4, 5], 0, "city"))
    case(f"fields-label-ids-ml{opset}", "ONNX")(
        lambda f, o=opset: label_encoder(f, o, PLANS, [3, 1, 5], -1, "plan"))
