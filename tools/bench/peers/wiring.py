"""The models as `mmoe-peers` exports them, and their wiring once for every library that computes it."""
import json
from pathlib import Path

import numpy as np


class Exported:
    """A model in a folder: its wiring, weights `[out, in]`, rows, and our outputs for the rows."""

    def __init__(self, folder):
        folder = Path(folder)
        about = json.loads((folder / "model.json").read_text())
        self.inputs, self.nodes, self.tasks = about["inputs"], about["nodes"], about["tasks"]
        numbers, at = np.fromfile(folder / "weights.f32", "<f4"), 0
        for node in self.nodes:
            for layer in node["layers"]:
                inputs, outputs = layer["inputs"], layer["outputs"]
                layer["weight"] = numbers[at:at + inputs * outputs].reshape(outputs, inputs)
                at += inputs * outputs
                layer["bias"] = numbers[at:at + outputs]
                at += outputs
        assert at == len(numbers)
        self.rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, self.inputs)
        self.outputs = np.fromfile(folder / "outputs.f32", "<f4").reshape(len(self.rows), -1)


def forward(model, x, layer, ops):
    """Outputs of every task for rows `x`.

    `layer(node, number, x)` computes a dense layer without its activation function; `ops` has
    `relu`, `softmax`, `sigmoid`, and `mix(weights, experts)` for `[rows, E]` and E times `[rows, width]`.
    """
    values = [x]
    for n, node in enumerate(model.nodes):
        h = values[node["src"]]
        for i, about in enumerate(node["layers"]):
            h = layer(n, i, h)
            if about["activation"] == "relu":
                h = ops.relu(h)
        if node["sees"]:
            h = ops.mix(ops.softmax(h), [values[v] for v in node["sees"]])
        values.append(h)
    ends = {"linear": lambda y: y, "sigmoid": ops.sigmoid, "softmax": ops.softmax}
    return [ends[t["output"]](values[t["value"]]) for t in model.tasks]


class NumpyOps:
    """NumPy."""

    @staticmethod
    def relu(x):
        return np.maximum(x, 0)

    @staticmethod
    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    @staticmethod
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    @staticmethod
    def mix(weights, experts):
        return np.matmul(weights[:, None, :], np.stack(experts, 1))[:, 0]


def torch_module(model):
    """An `nn.Module` of the model, as people write one."""
    import torch
    from torch import nn

    class TorchOps:
        relu, sigmoid = staticmethod(torch.relu), staticmethod(torch.sigmoid)

        @staticmethod
        def softmax(x):
            return torch.softmax(x, 1)

        @staticmethod
        def mix(weights, experts):
            return torch.matmul(weights[:, None, :], torch.stack(experts, 1))[:, 0]

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.nodes = nn.ModuleList(
                nn.ModuleList(nn.Linear(l["inputs"], l["outputs"]) for l in node["layers"]) for node in model.nodes)
            for made, node in zip(self.nodes, model.nodes):
                for linear, about in zip(made, node["layers"]):
                    linear.weight.data = torch.tensor(about["weight"])
                    linear.bias.data = torch.tensor(about["bias"])

        def forward(self, x):
            return tuple(forward(model, x, lambda n, i, h: self.nodes[n][i](h), TorchOps))

    return Module().eval()
