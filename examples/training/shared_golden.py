"""Golden outputs for two trained models whose own rows may not be published: `keras-mmoe-census` and `deepctr-torch-mmoe`.

The weights stand in the fixture folders; the rows are made here and the layers evaluated in PyTorch.
With `--check FOLDER`, outputs are first compared to FOLDER/<name>/golden.npz, from the run that trained the models.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from fixture import folder, numpy, savez, seed


def census(x):
    """keras-mmoe: every expert in one kernel [inputs, units, experts], one kernel per gate."""
    w = {k: torch.from_numpy(v) for k, v in np.load(folder("keras-mmoe-census") / "weights_by_name.npz").items()}
    layer = "m_mo_e/"
    experts = F.relu(torch.einsum("ni,iue->nue", x, w[layer + "expert_kernel:0"]) + w[layer + "expert_bias:0"])
    out = {"experts": experts.transpose(1, 2)}
    for t, (task, tower) in enumerate([("income", "dense"), ("marital", "dense_1")]):
        gate = F.softmax(x @ w[f"{layer}gate_kernel_task_{t}:0"] + w[f"{layer}gate_bias_task_{t}:0"], -1)
        mixed = torch.einsum("nue,ne->nu", experts, gate)
        hidden = F.relu(mixed @ w[f"{tower}/kernel:0"] + w[f"{tower}/bias:0"])
        out[task] = F.softmax(hidden @ w[f"{task}/kernel:0"] + w[f"{task}/bias:0"], -1)
        out[f"gate_{task}"] = gate
    return out


def deepctr(x):
    """DeepCTR-Torch's MMOE from the 42 concatenated values on: no bias in the gates' and towers' final layers, one bias in `out`."""
    w = load_file(folder("deepctr-torch-mmoe") / "model.safetensors")

    def dnn(x, prefix, layers):
        for j in range(layers):
            x = F.relu(F.linear(x, w[f"{prefix}.linears.{j}.weight"], w[f"{prefix}.linears.{j}.bias"]))
        return x

    experts = torch.stack([dnn(x, f"expert_dnn.{e}", 2) for e in range(5)], 1)
    out = {"experts": experts}
    for t, (task, last) in enumerate([("income", torch.sigmoid), ("marital", torch.sigmoid), ("weeks", lambda y: y)]):
        gate = F.softmax(F.linear(dnn(x, f"gate_dnn.{t}", 1), w[f"gate_dnn_final_layer.{t}.weight"]), -1)
        mixed = torch.einsum("neu,ne->nu", experts, gate)
        hidden = dnn(mixed, f"tower_dnn.{t}", 1)
        out[task] = last(F.linear(hidden, w[f"tower_dnn_final_layer.{t}.weight"]) + w[f"out.{t}.bias"])
        out[f"gate_{task}"] = gate
    return out


def census_rows(rng, rows):
    """11 numbers, then 29 groups of one-hots; the groups' sizes are made up and add up to 488."""
    x = np.zeros((rows, 499), "float32")
    x[:, :11] = rng.standard_normal((rows, 11))
    start = 11
    for size in [17] * 24 + [16] * 5:
        x[np.arange(rows), start + rng.integers(size, size=rows)] = 1
        start += size
    assert start == 499
    return torch.from_numpy(x)


def deepctr_rows(rng, rows):
    """Nine embedding vectors of random categories from the model's own tables, then six numbers."""
    w = load_file(folder("deepctr-torch-mmoe") / "model.safetensors")
    tables = [v for k, v in sorted(w.items()) if k.startswith("embedding_dict.")]
    parts = [table[torch.from_numpy(rng.integers(len(table), size=rows))] for table in tables]
    parts.append(torch.from_numpy(rng.random((rows, 6)).astype("float32")))
    return torch.cat(parts, 1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", type=Path)
    check = arguments.parse_args().check
    rng = seed(499)
    for name, model, rows in [("keras-mmoe-census", census, census_rows), ("deepctr-torch-mmoe", deepctr, deepctr_rows)]:
        if check:
            with np.load(check / name / "golden.npz") as golden:
                for key, got in model(torch.from_numpy(golden["x"])).items():
                    error = abs(numpy(got) - golden[key]).max()
                    print(f"{name} {key}: largest difference {error:.1e}")
                    assert error < 1e-5
        x = rows(rng, 64)
        savez(folder(name) / "golden.npz", x=numpy(x), **{k: numpy(v) for k, v in model(x).items()})


if __name__ == "__main__":
    main()
