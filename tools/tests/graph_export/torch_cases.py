"""Graphs by PyTorch's two ONNX exporters: plain modules, torch-rechub, DeepCTR-Torch, and the
classes of LibMTL and MTReclib as those libraries write them."""

import itertools
import logging
import warnings

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import torch_models as m
from common import CASES, case, rows

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def export(folder, model, inputs=10, *, ids=None, dynamo, opset, batch=None, names=None, shape=None, then=None, **more):
    """One ONNX file. `inputs`: features, or sizes by input; `shape`: how one input lies."""
    model = m.trained(model)
    x = rows(inputs if isinstance(inputs, int) else sum(inputs.values()))
    # Columns that hold ids, each below its number.
    for column, count in (ids or {}).items():
        x[:, column] = np.random.default_rng(column).integers(0, count, len(x))
    if isinstance(inputs, int):
        given = {"x": torch.tensor(x).reshape(-1, *shape) if shape else torch.tensor(x)}
    else:
        starts = itertools.accumulate([0, *inputs.values()])
        given = {n: torch.tensor(x[:, s : s + w]) for (n, w), s in zip(inputs.items(), starts)}
    args = tuple(given.values())
    with torch.no_grad():
        made = model(*args)
    made = made if isinstance(made, (tuple, list)) else [made]
    names = names or [f"task{i}" for i in range(len(made))]
    example = tuple(a[: batch or 2] for a in args)
    facts = {"input_names": list(given), "output_names": names, "opset_version": opset}
    if dynamo:
        if not batch:
            size = torch.export.Dim("batch")
            facts["dynamic_shapes"] = tuple({0: size} for _ in args)
        torch.onnx.export(model, example, folder / "model.onnx", dynamo=True, verbose=False,
                          external_data=False, **facts, **more)
        # Where in the Python code each node came from is most of such a file.
        written = onnx.load(folder / "model.onnx")
        for node in written.graph.node:
            del node.metadata_props[:]
        onnx.save(written, folder / "model.onnx")
    else:
        if not batch:
            facts["dynamic_axes"] = {n: {0: "batch"} for n in [*given, *names]}
        torch.onnx.export(model, example, str(folder / "model.onnx"), dynamo=False, **facts)
    if then:
        then(folder / "model.onnx")
    outputs = dict(zip(names, (y.numpy() for y in made)))
    if not ids:
        return "model.onnx", x, outputs
    sizes = {"x": inputs} if isinstance(inputs, int) else inputs
    fields = [n if w == 1 else f"{n}_{i}" for n, w in sizes.items() for i in range(w)]
    return "model.onnx", x, outputs, {"fields": fields}


def both(name, framework, make, opsets=(17, 20), legacy=True, dynamo=True, **options):
    """A case for each exporter."""
    facts = {k: options.pop(k) for k in ("refuse", "tolerance") if k in options}
    for on, is_dynamo in ((legacy, False), (dynamo, True)):
        if on:
            opset = opsets[is_dynamo]
            suffix = f"{'dynamo' if is_dynamo else 'legacy'}{opset}"
            case(f"{name}-{suffix}", framework, exporter=suffix, **facts)(
                lambda f, d=is_dynamo, o=opset: export(f, make(), dynamo=d, opset=o, **options)
            )


OPSETS = itertools.cycle([(11, 18), (13, 20), (17, 21), (14, 23), (12, 24)])

for name, act in m.ACTIVATIONS.items():
    old = {"gelu-tanh": 17, "mish": 17, "hardswish": 14}.get(name)
    legacy, dynamo = next(OPSETS)
    both(f"torch-act-{name}", "PyTorch", lambda act=act: m.MMoE(act=act), (old or legacy, dynamo))
for name, norm in m.NORMS.items():
    for before in (True, False):
        where = "before" if before else "behind"
        legacy, dynamo = next(OPSETS)
        both(f"torch-{name}-{where}", "PyTorch",
             lambda norm=norm, before=before: m.MMoE(norm=norm, before=before),
             (max(legacy, 13), dynamo), legacy=name != "rms-norm")
for name in ("loop", "bmm", "einsum", "broadcast", "matmul", "sum0"):
    both(f"torch-mix-{name}", "PyTorch", lambda name=name: m.MMoE(mixing=name), (next(OPSETS)[0] | 1 if name != "einsum" else 13, 18))
for name in ("sigmoid", "top2-of-logits", "top2-of-weights", "top2-renormalised", "top2-masked",
             "hard-one-hot", "hard-scatter", "hard-topk"):
    both(f"torch-gate-{name}", "PyTorch", lambda name=name: m.MMoE(gate=name, experts=4))
both("torch-gate-temperature", "PyTorch", lambda: m.MMoE(temperature=2.5))
both("torch-gate-hidden", "PyTorch", lambda: m.MMoE(gate_units=(7,)))
both("torch-gate-dselect-k", "PyTorch", m.DSelectK)
both("torch-stem", "PyTorch", lambda: m.MMoE(stem=9, act=nn.SiLU))
both("torch-joined-outputs", "PyTorch",
     lambda: m.MMoE(join=True, tasks=("sigmoid", "linear", "relu")), names=["y"])
both("torch-classes", "PyTorch", lambda: m.MMoE(tasks=("softmax", "sigmoid")))
for name in ("loop", "broadcast", "sum0"):
    both(f"torch-unoptimized-{name}", "PyTorch", lambda name=name: m.MMoE(mixing=name), legacy=False,
         optimize=False)
both("torch-unoptimized-sequences", "PyTorch", m.Chunks, legacy=False, optimize=False)
for levels in (1, 2, 3):
    both(f"torch-ple{levels}", "PyTorch", lambda levels=levels: m.PLE(levels=levels))
both("torch-ple2-three-tasks", "PyTorch", lambda: m.PLE(tasks=3, own=1, act=nn.Tanh))
both("torch-esmm", "PyTorch", m.ESMM, names=["ctr", "ctcvr"])
both("torch-aitm", "PyTorch", m.AITM)
both("torch-shared-bottom", "PyTorch", m.Bottom)
both("torch-wide", "PyTorch", m.Wide)
both("torch-grouped-conv1d", "PyTorch", m.Grouped)
both("torch-grouped-conv2d", "PyTorch", lambda: m.Grouped(two=True))
both("torch-stacked", "PyTorch", m.Stacked)
both("torch-slices", "PyTorch", m.Slices)
both("torch-sequence-mean", "PyTorch", lambda: m.Sequence(True), inputs=20, shape=(5, 4))
both("torch-sequence-flat", "PyTorch", lambda: m.Sequence(False), inputs=20, shape=(5, 4))
both("torch-named-inputs", "PyTorch", m.Named, inputs={"user": 4, "item": 3, "context": 2})
both("torch-residual", "PyTorch", m.Residual)
both("torch-wide-and-deep", "PyTorch", m.WideAndDeep)
both("torch-weight-norm", "PyTorch", m.WeightNorm)
both("torch-batch-of-one", "PyTorch", m.MMoE, batch=1)

IDS = {"columns": ({"user": 1, "item": 1, "numbers": 2}, {0: 7, 1: 11}),
       "lists": ({"user": 1, "item": 3, "numbers": 2}, {0: 7, 1: 11, 2: 11, 3: 11}),
       "one-hot": ({"user": 1, "item": 1, "numbers": 2}, {0: 7, 1: 11})}
for name, (inputs, ids) in IDS.items():
    both(f"torch-ids-{name}", "PyTorch", lambda name=name: m.Embedded(name), inputs=inputs, ids=ids)
both("torch-ids-in-a-row", "PyTorch", m.Scaled, inputs=4, ids={0: 7})

# What computes something else.
both("torch-softmax-over-batch", "PyTorch", lambda: m.MMoE(batched_softmax=True),
     refuse=["Softmax", "rows of a batch"])
both("torch-product-of-inputs", "PyTorch", m.ProductOfInputs, refuse=["Mul", "multiplies two values"])
both("torch-sine", "PyTorch", m.Sine, refuse=["Sin", "does not know"])
both("torch-attention", "PyTorch", m.Attention, refuse=["MatMul"])


def simplify(path):
    import onnxsim

    model, right = onnxsim.simplify(onnx.load(path))
    assert right
    onnx.save(model, path)


def optimize(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def outside(path):
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=True,
              location="weights.bin", size_threshold=0)


for name, then in (("onnxsim", simplify), ("onnxruntime", optimize), ("external-data", outside)):
    both(f"torch-{name}", "PyTorch", lambda: m.MMoE(act=nn.GELU, norm=nn.LayerNorm), then=then)


# torch-rechub: a dictionary of columns enters.
class OfColumns(nn.Module):
    def __init__(self, model, count=8):
        super().__init__()
        self.model, self.names = model, [f"d{i}" for i in range(count)]

    def forward(self, x):
        return self.model({n: x[:, i] for i, n in enumerate(self.names)})


def rechub(name, **options):
    from torch_rechub.basic.features import DenseFeature
    from torch_rechub.models import multi_task

    features = [DenseFeature(f"d{i}") for i in range(8)]
    types = ["classification", "regression"]
    expert = {"dims": [9, 6], **options}
    towers = [{"dims": [4]}, {"dims": [4]}]
    if name == "MMOE":
        model = multi_task.MMOE(features, types, 3, expert, towers)
    elif name == "SharedBottom":
        model = multi_task.SharedBottom(features, types, expert, towers)
    elif name == "AITM":
        model = multi_task.AITM(features, 2, expert, towers)
    else:
        model = multi_task.PLE(features, types, int(name[3]), 2, 2, expert, towers)
    return OfColumns(model)


for name in ("MMOE", "PLE1", "PLE2", "PLE3", "SharedBottom", "AITM"):
    both(f"rechub-{name.lower()}", "torch-rechub", lambda name=name: rechub(name), inputs=8, names=["y"])
both("rechub-mmoe-prelu", "torch-rechub", lambda: rechub("MMOE", activation="prelu"), inputs=8, names=["y"])
both("rechub-mmoe-dice", "torch-rechub", lambda: rechub("MMOE", activation="dice"), inputs=8,
     names=["y"], refuse=["multiplies two values"])


def deepctr(name, **options):
    from deepctr_torch import models
    from deepctr_torch.inputs import DenseFeat

    columns = [DenseFeat("a", 6), DenseFeat("b", 4)]
    facts = {"task_types": ("binary", "regression"), "task_names": ("t0", "t1"), "init_std": 0.3,
             "tower_dnn_hidden_units": (5,), **options}
    if name == "ESMM":
        facts["task_types"] = ("binary", "binary")
        return models.ESMM(columns, **facts)
    if name == "SharedBottom":
        return models.SharedBottom(columns, bottom_dnn_hidden_units=(9, 6), **facts)
    facts |= {"expert_dnn_hidden_units": (9, 6), "gate_dnn_hidden_units": (5,)}
    if name == "MMOE":
        return models.MMOE(columns, num_experts=3, **facts)
    return models.PLE(columns, shared_expert_num=1, specific_expert_num=1, num_levels=int(name[3]), **facts)


for name in ("MMOE", "PLE1", "PLE2", "PLE3", "SharedBottom", "ESMM"):
    both(f"deepctr-torch-{name.lower()}", "DeepCTR-Torch", lambda name=name: deepctr(name), names=["y"])
both("deepctr-torch-mmoe-bn", "DeepCTR-Torch",
     lambda: deepctr("MMOE", dnn_use_bn=True, dnn_activation="prelu"), names=["y"])
both("deepctr-torch-mmoe-dice", "DeepCTR-Torch",
     lambda: deepctr("MMOE", dnn_activation="dice", dnn_use_bn=True), names=["y"])


# LibMTL's architectures: an encoder is one expert, decoders are towers, `einsum` over experts first.
class LibMMoE(nn.Module):
    def __init__(self, size=(2, 5), experts=3):
        super().__init__()
        n = size[0] * size[1]
        self.experts_shared = nn.ModuleList(nn.Sequential(nn.Flatten(), nn.Linear(n, 7), nn.ReLU()) for _ in range(experts))
        self.gate_specific = nn.ModuleDict(
            {t: nn.Sequential(nn.Linear(n, experts), nn.Softmax(dim=-1)) for t in ("A", "B")})
        self.decoders = nn.ModuleDict({t: nn.Linear(7, 1) for t in ("A", "B")})

    def forward(self, x):
        e = torch.stack([m(x) for m in self.experts_shared])
        outs = {}
        for t, decoder in self.decoders.items():
            s = self.gate_specific[t](torch.flatten(x, start_dim=1))
            outs[t] = decoder(torch.einsum("ij...,ji->j...", e, s))
        return tuple(outs.values())


class LibCGC(LibMMoE):
    def __init__(self, size=(2, 5)):
        super().__init__(size, 2)
        n = size[0] * size[1]
        self.experts_specific = nn.ModuleDict(
            {t: nn.ModuleList(nn.Sequential(nn.Flatten(), nn.Linear(n, 7), nn.ReLU()) for _ in range(2)) for t in ("A", "B")})
        self.gate_specific = nn.ModuleDict(
            {t: nn.Sequential(nn.Linear(n, 4), nn.Softmax(dim=-1)) for t in ("A", "B")})

    def forward(self, x):
        shared = torch.stack([m(x) for m in self.experts_shared])
        outs = []
        for t, decoder in self.decoders.items():
            own = torch.stack([m(x) for m in self.experts_specific[t]])
            s = self.gate_specific[t](torch.flatten(x, start_dim=1))
            outs.append(decoder(torch.einsum("ij...,ji->j...", torch.cat([shared, own], dim=0), s)))
        return tuple(outs)


class CrossStitch(nn.Module):
    def __init__(self, inputs=10):
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(inputs, 6) for _ in range(2))
        self.second = nn.ModuleList(nn.Linear(6, 1) for _ in range(2))
        self.stitch = nn.Parameter(torch.tensor([[0.9, 0.1], [0.2, 0.8]]))

    def forward(self, x):
        a, b = (F.relu(f(x)) for f in self.first)
        s = self.stitch
        return self.second[0](s[0, 0] * a + s[0, 1] * b), self.second[1](s[1, 0] * a + s[1, 1] * b)


both("libmtl-mmoe", "LibMTL", LibMMoE, shape=(2, 5), legacy=True)
both("libmtl-cgc", "LibMTL", LibCGC, shape=(2, 5))
both("libmtl-cross-stitch", "LibMTL", CrossStitch)


# MTReclib: experts, gates and towers with batch norms and dropout; gates end in a softmax layer.
class RecMLP(nn.Module):
    def __init__(self, n, dims, output=True):
        super().__init__()
        layers = []
        for d in dims:
            layers += [nn.Linear(n, d), nn.BatchNorm1d(d), nn.ReLU(), nn.Dropout(0.2)]
            n = d
        self.mlp = nn.Sequential(*layers, *([nn.Linear(n, 1)] if output else []))

    def forward(self, x):
        return self.mlp(x)


class RecMMoE(nn.Module):
    def __init__(self, n=10, experts=3, tasks=2):
        super().__init__()
        self.expert = nn.ModuleList(RecMLP(n, (9, 6), False) for _ in range(experts))
        self.gate = nn.ModuleList(nn.Sequential(nn.Linear(n, experts), nn.Softmax(dim=1)) for _ in range(tasks))
        self.tower = nn.ModuleList(RecMLP(6, (5,)) for _ in range(tasks))

    def forward(self, x):
        gates = [g(x).unsqueeze(1) for g in self.gate]
        fea = torch.cat([e(x).unsqueeze(1) for e in self.expert], dim=1)
        mixed = [torch.bmm(g, fea).squeeze(1) for g in gates]
        return tuple(torch.sigmoid(t(v).squeeze(1)) for t, v in zip(self.tower, mixed))


class RecOMoE(RecMMoE):
    """One gate for all tasks."""

    def forward(self, x):
        gate = self.gate[0](x)
        fea = torch.cat([e(x).unsqueeze(1) for e in self.expert], dim=1)
        mixed = torch.bmm(gate.unsqueeze(1), fea).squeeze(1)
        return tuple(torch.sigmoid(t(mixed).squeeze(1)) for t in self.tower)


both("mtreclib-mmoe", "MTReclib", RecMMoE)
both("mtreclib-omoe", "MTReclib", RecOMoE)
both("mtreclib-sharedbottom", "MTReclib", m.Bottom)

# What this module wrote, for those that borrow from it.
ALL = list(CASES)
