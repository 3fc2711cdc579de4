"""MMOE, PLE and SharedBottom of torch-rechub and DeepCTR-Torch, by the frameworks' own code, small.

`x` of the golden rows is what enters the experts, caught by hooks: embeddings of the categorical features, then the numbers.
Names of fixtures as arguments, all without.
"""

import sys

import torch
from torch.nn import functional as F

from fixture import auc, folder, minimise, numpy, save_torch, savez, seed

VOCABULARIES = {"colour": 6, "region": 9}
NUMBERS = ["age", "price", "speed", "load"]
TASKS = {"click": "sigmoid", "like": "sigmoid", "dwell": "linear"}


def rows(rng, count):
    """Raw features by name and the three labels."""
    x = {name: torch.from_numpy(rng.integers(size, size=count)) for name, size in VOCABULARIES.items()}
    x |= {name: torch.from_numpy(rng.random(count).astype("float32")) for name in NUMBERS}
    taste = torch.sin(2.0 * x["colour"]) + 2 * x["age"] - 1
    need = torch.cos(3.0 * x["region"]) + x["load"] * x["speed"] - 0.3
    labels = {"click": (taste + need > 0).float(), "like": (taste > x["price"] - 0.5).float(), "dwell": 1 + taste * x["price"] + need}
    return x, labels


def rechub(kind):
    from torch_rechub.basic.features import DenseFeature, SparseFeature
    from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom

    features = [SparseFeature(name, vocab_size=size, embed_dim=3) for name, size in VOCABULARIES.items()]
    features += [DenseFeature(name) for name in NUMBERS]
    # The framework's own spelling.
    types = ["classification" if kind == "sigmoid" else "regression" for kind in TASKS.values()]
    towers = [{"dims": [6]}] * len(TASKS)
    match kind:
        case "mmoe":
            model = MMOE(features, types, n_expert=4, expert_params={"dims": [12, 8]}, tower_params_list=towers)
            hooks = model.experts, model.gates, lambda gate: gate
        case "ple":
            model = PLE(features, types, n_level=2, n_expert_specific=2, n_expert_shared=1, expert_params={"dims": [10, 8]}, tower_params_list=towers)
            hooks = model.cgc_layers[0].experts_specific, [], None
        case "shared":
            model = SharedBottom(features, types, bottom_params={"dims": [12, 8]}, tower_params_list=towers)
            hooks = [model.bottom_mlp], [], None
    return model, model, hooks


def deepctr(kind):
    from deepctr_torch.inputs import DenseFeat, SparseFeat
    from deepctr_torch.models import MMOE, PLE, SharedBottom

    columns = [SparseFeat(name, size, embedding_dim=3) for name, size in VOCABULARIES.items()] + [DenseFeat(name, 1) for name in NUMBERS]
    # The default init_std of 1e-4 keeps small networks at zero for long.
    common = {
        "tower_dnn_hidden_units": (6,), "init_std": 0.2, "task_names": list(TASKS),
        "task_types": ["binary" if kind == "sigmoid" else "regression" for kind in TASKS.values()],
    }
    match kind:
        case "mmoe":
            model = MMOE(columns, num_experts=4, expert_dnn_hidden_units=(12, 8), gate_dnn_hidden_units=(), **common)
            hooks = model.expert_dnn, model.gate_dnn_final_layer, lambda logits: F.softmax(logits, -1)
        case "ple":
            model = PLE(
                columns, shared_expert_num=1, specific_expert_num=2, num_levels=2, expert_dnn_hidden_units=(10, 8), gate_dnn_hidden_units=(6,), **common
            )
            hooks = model.specific_experts[0][0], [], None
        case "shared":
            model = SharedBottom(columns, bottom_dnn_hidden_units=(12, 8), **common)
            hooks = [model.bottom_dnn], [], None

    def forward(x):
        return model(torch.stack([x[name].float() for name in model.feature_index], 1))

    return model, forward, hooks


def make(name, framework, kind, number):
    rng = seed(number)
    model, forward, (experts, gates, weights_of) = framework(kind)
    x, labels = rows(rng, 8000)

    def loss_of(outputs, labels):
        losses = {"sigmoid": F.binary_cross_entropy, "linear": F.mse_loss}
        return sum(losses[kind](outputs[:, t], labels[task]) for t, (task, kind) in enumerate(TASKS.items()))

    def loss(i):
        return loss_of(forward({k: v[i] for k, v in x.items()}), {k: v[i] for k, v in labels.items()})

    model.train()
    minimise(model.parameters(), loss, 8000, 400, rate=1e-2)
    model.eval()
    save_torch(model, name)

    test_x, test = rows(rng, 2000)
    outputs = numpy(forward(test_x))
    print(
        f"{name}: AUC {auc(outputs[:, 0], test['click'].numpy()):.4f}, {auc(outputs[:, 1], test['like'].numpy()):.4f},"
        f" MSE {((outputs[:, 2] - test['dwell'].numpy()) ** 2).mean():.4f}"
    )

    caught = {}

    def catch(key):
        return lambda module, inputs, output: caught.update({key: output, ("in", key): inputs[0]})

    for key, modules in ("expert", experts), ("gate", gates):
        for i, module in enumerate(modules):
            module.register_forward_hook(catch((key, i)))
    outputs = forward(rows(rng, 64)[0])
    golden = {task: outputs[:, t : t + 1] for t, task in enumerate(TASKS)}
    golden["x"] = caught["in", ("expert", 0)]
    if gates:
        golden["experts"] = torch.stack([caught["expert", i] for i in range(len(experts))], 1)
        golden |= {f"gate_{task}": weights_of(caught["gate", t]) for t, task in enumerate(TASKS)}
    savez(folder(name) / "golden.npz", **{k: numpy(v) for k, v in golden.items()})


FIXTURES = {
    "torch-rechub-mmoe": (rechub, "mmoe", 31),
    "deepctr-torch-small": (deepctr, "mmoe", 32),
    "torch-rechub-ple": (rechub, "ple", 33),
    "torch-rechub-shared-bottom": (rechub, "shared", 34),
    "deepctr-torch-ple": (deepctr, "ple", 35),
    "deepctr-torch-shared-bottom": (deepctr, "shared", 36),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FIXTURES:
        make(name, *FIXTURES[name])
