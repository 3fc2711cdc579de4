"""The models of `torch_models.py` in further arrangements: every opset, other types of weights, quantized
by onnxruntime, written otherwise."""

import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

import torch_models as m
from common import case, rows
from torch_cases import export

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def one(name, make, dynamo, opset, then=None, **facts):
    options = {k: facts.pop(k) for k in ("inputs", "shape", "batch") if k in facts}
    case(f"arranged-{name}", "PyTorch", exporter=f"{'dynamo' if dynamo else 'legacy'}{opset}", **facts)(
        lambda f: export(f, make(), dynamo=dynamo, opset=opset, then=then, **options))


for opset in range(11, 21):
    one(f"legacy{opset}", lambda: m.MMoE(act=nn.SiLU, norm=nn.LayerNorm, mixing="loop", gate_units=(5,)), False, opset)
for opset in range(18, 25):
    one(f"dynamo{opset}", lambda: m.MMoE(act=nn.ELU, norm=nn.BatchNorm1d, mixing="einsum", stem=7), True, opset)


# --- types of weights ----------------------------------------------------------------------------


def half_weights(path):
    """Weights of 16 bits, cast where they are read."""
    model = onnx.load(path)
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
            model.graph.node.insert(0, onnx.helper.make_node("Cast", [name + "_half"], [name], to=1, name=name + "_cast"))
    onnx.save(model, path)


def half(path):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)




def dynamic(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(path), str(path), weight_type=QuantType.QInt8)


def static(form, kind="QInt8", per_channel=False):
    def quantize(path):
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):
            def __init__(self):
                self.rows = iter(rows(10))

            def get_next(self):
                row = next(self.rows, None)
                return None if row is None else {"x": row[None]}

        q.quantize_static(str(path), str(path), Reader(), quant_format=getattr(q.QuantFormat, form),
                          activation_type=getattr(q.QuantType, kind), weight_type=q.QuantType.QInt8,
                          per_channel=per_channel)

    return quantize


def plain(act=nn.ReLU):
    return lambda: m.MMoE(act=act, tasks=("sigmoid", "sigmoid"), mixing="broadcast")


for dynamo in (False, True):
    suffix, opset = ("dynamo18", 18) if dynamo else ("legacy17", 17)
    one(f"half-weights-{suffix}", m.MMoE, dynamo, opset, half_weights, tolerance=5e-3)
    one(f"half-{suffix}", m.MMoE, dynamo, opset, half, tolerance=5e-3)
    one(f"quantized-dynamic-{suffix}", plain(), dynamo, opset, dynamic, tolerance=0.05)
    for form in ("QDQ", "QOperator"):
        for kind in ("QInt8", "QUInt8"):
            one(f"quantized-{form.lower()}-{kind.lower()}-{suffix}", plain(), dynamo, opset,
                static(form, kind, kind == "QInt8"), tolerance=0.05)
    one(f"quantized-qdq-tanh-{suffix}", plain(nn.Tanh), dynamo, opset, static("QDQ"), tolerance=0.05)


# --- written otherwise ---------------------------------------------------------------------------


class EinsumExperts(nn.Module):
    """All experts and all gates as one einsum each."""

    def __init__(self, inputs=10, experts=4, units=6, tasks=3):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(experts, inputs, units) * 0.4)
        self.bias = nn.Parameter(torch.zeros(experts, units))
        self.gates = nn.Parameter(torch.randn(tasks, inputs, experts) * 0.4)
        self.towers = nn.Parameter(torch.randn(tasks, units) * 0.4)

    def forward(self, x):
        h = torch.relu(torch.einsum("bi,eih->beh", x, self.kernel) + self.bias)
        g = torch.softmax(torch.einsum("bi,tie->bte", x, self.gates), -1)
        mixed = torch.einsum("bte,beh->bth", g, h)
        return torch.sigmoid(torch.einsum("bth,th->bt", mixed, self.towers))


class ResidualTowers(nn.Module):
    """Towers that add what they read, and experts that do."""

    def __init__(self, inputs=10, experts=3, units=8):
        super().__init__()
        self.stem = nn.Linear(inputs, units)
        self.experts = nn.ModuleList(m.mlp([units, units]) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(units, experts) for _ in range(2))
        self.blocks = nn.ModuleList(nn.Linear(units, units) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(units, 1) for _ in range(2))

    def forward(self, x):
        x = torch.relu(self.stem(x))
        stack = torch.stack([x + e(x) for e in self.experts], 1)
        outs = []
        for gate, block, head in zip(self.gates, self.blocks, self.heads):
            y = torch.bmm(F.softmax(gate(x), -1).unsqueeze(1), stack).squeeze(1)
            outs.append(torch.sigmoid(head(y + torch.relu(block(y)))))
        return tuple(outs)


class LearnedTemperature(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(m.mlp([10, 6]) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(10, 3) for _ in range(2))
        self.towers = nn.ModuleList(m.mlp([6, 4, 1], last=False) for _ in range(2))
        self.temperature = nn.Parameter(torch.tensor(1.7))

    def forward(self, x):
        stack = torch.stack([e(x) for e in self.experts], 1)
        outs = []
        for gate, tower in zip(self.gates, self.towers):
            w = F.softmax(gate(x) / self.temperature.clamp(min=0.1), -1)
            outs.append(tower((w.unsqueeze(-1) * stack).sum(1)))
        return torch.cat(outs, -1)


class Dropped(nn.Module):
    """Dropout of experts and of units, left in the model."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(10, 6), nn.ReLU(), nn.Dropout(0.3)) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(10, 3) for _ in range(2))
        self.towers = nn.ModuleList(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.2), nn.Linear(4, 1)) for _ in range(2))
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        stack = torch.stack([e(x) for e in self.experts], 1)
        gates = [self.drop(F.softmax(g(x), -1)) for g in self.gates]
        return tuple(torch.sigmoid(t((g.unsqueeze(-1) * stack).sum(1))) for t, g in zip(self.towers, gates))


class Loops(nn.Module):
    """For loops over experts and tasks, lists that are appended to, outputs joined."""

    def __init__(self, tasks=3):
        super().__init__()
        self.experts = nn.ModuleList(m.mlp([10, 8, 6]) for _ in range(4))
        self.gates = nn.ModuleList(nn.Linear(10, 4, bias=False) for _ in range(tasks))
        self.towers = nn.ModuleList(m.mlp([6, 1], last=False) for _ in range(tasks))

    def forward(self, x):
        outs = []
        for gate, tower in zip(self.gates, self.towers):
            w = F.softmax(gate(x), 1)
            y = torch.zeros(x.shape[0], 6)
            for i, e in enumerate(self.experts):
                y += w[:, i].unsqueeze(1) * e(x)
            outs.append(tower(y).squeeze(-1))
        return torch.sigmoid(torch.stack(outs, 1))


class BatchedLinear(nn.Module):
    """Experts as one batched product, towers as another."""

    def __init__(self, experts=4, tasks=2):
        super().__init__()
        self.a = nn.Parameter(torch.randn(experts, 10, 8) * 0.4)
        self.b = nn.Parameter(torch.zeros(experts, 1, 8))
        self.gate = nn.Linear(10, tasks * experts)
        self.t = nn.Parameter(torch.randn(tasks, 8, 1) * 0.4)
        self.shape = (tasks, experts)

    def forward(self, x):
        h = F.gelu(torch.matmul(x.unsqueeze(0), self.a) + self.b).transpose(0, 1)
        g = self.gate(x).view(-1, *self.shape).softmax(-1)
        mixed = torch.matmul(g, h).transpose(0, 1)
        return torch.baddbmm(torch.zeros(self.shape[0], 1, 1), mixed, self.t).squeeze(-1).t()


class Standardized(nn.Module):
    """Standardization and a clip in front."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.linspace(-1, 1, 10))
        self.register_buffer("std", torch.linspace(0.5, 2, 10))
        self.model = m.MMoE()

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


class NormedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.model = nn.BatchNorm1d(10), m.MMoE()

    def forward(self, x):
        return self.model(self.norm(x))


WRITTEN = {"einsum-experts": EinsumExperts, "residual-towers": ResidualTowers,
           "learned-temperature": LearnedTemperature, "dropout": Dropped, "loops": Loops,
           "batched-linear": BatchedLinear, "standardized": Standardized, "batch-norm-first": NormedInput,
           "ple3-silu": lambda: m.PLE(levels=3, act=nn.SiLU), "ple3-tasks3": lambda: m.PLE(levels=3, tasks=3),
           "twelve-experts": lambda: m.MMoE(experts=12, tasks=("sigmoid",) * 4, mixing="einsum"),
           "one-expert": lambda: m.MMoE(experts=1), "one-task": lambda: m.MMoE(tasks=("sigmoid",)),
           "deep": lambda: m.MMoE(units=(16, 12, 8, 6)), "relu-outputs": lambda: m.MMoE(tasks=("relu", "linear")),
           "weight-norm": m.WeightNorm}
for at, (name, make) in enumerate(WRITTEN.items()):
    one(f"{name}-legacy", make, False, 13 + at % 5)
    one(f"{name}-dynamo", make, True, 18 + at % 4)
    if at % 3 == 0:
        one(f"{name}-fixed", make, True, 20, batch=1)
