"""What every exporter of this folder does: cases, rows, golden outputs, files."""

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

ROWS = 64
CASES = {}


def case(name, framework, **facts):
    """Registers a function that writes one graph into the folder it is given.

    It returns `(file, x, outputs)`: what to convert, the rows, and by the file's names of the outputs
    what the framework itself computed on them. `facts` go to info.json, and so does a fourth value:
    `refuse` holds the words that a refusal has to say, `tolerance` how far an output may be off.
    """

    def register(make):
        assert name not in CASES, name
        CASES[name] = (framework, make, facts)
        return make

    return register


def rows(count, seed=7):
    """Rows of features: some small, some beyond the knees of clipped activations."""
    random = np.random.default_rng(seed)
    reach = np.array([0.5, 1.0, 2.0, 4.0])[np.arange(ROWS) % 4, None]
    return (random.uniform(-1, 1, (ROWS, count)) * reach).astype(np.float32)


def csv(fields):
    """Rows of fields; the items of a list stand side by side."""
    cell = lambda v: "|".join(map(cell, v)) if isinstance(v, np.ndarray) else f"{v:.9g}" if isinstance(v, float) else str(v)
    columns = [[cell(v) for v in (values if values.dtype != np.float32 else values.tolist())] for values in fields.values()]
    return "\n".join(map(",".join, [list(fields), *zip(*columns)])) + "\n"


def run(out, only=None):
    """Writes all graphs, each into a folder of its own; one that cannot be exported is named."""
    failed = []
    for name, (framework, make, facts) in CASES.items():
        if only and not any(o in name for o in only):
            continue
        folder = Path(out) / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            file, x, outputs, *more = make(folder)
            facts = {**facts, **(more[0] if more else {})}
        except Exception as why:  # noqa: BLE001 -- exporters raise whatever they like
            shutil.rmtree(folder)
            first = str(why).strip().splitlines()
            failed.append(f"{name}: {type(why).__name__}: {first[0] if first else ''}")
            continue
        arrays = {k: np.asarray(v, np.float32).reshape(ROWS, -1) for k, v in outputs.items()}
        if isinstance(x, dict):
            # Fields by name: texts, ids and lists are no matrix.
            facts["records"] = "rows.csv"
            (folder / "rows.csv").write_text(csv(x))
        else:
            arrays["x"] = np.asarray(x, np.float32)
        np.savez(folder / "golden.npz", **arrays)
        arrays.pop("x", None)
        info = {"file": file, "framework": framework, "outputs": list(arrays), **facts}
        (folder / "info.json").write_text(json.dumps(info, indent=1))
        print("wrote", name, flush=True)
    for line in failed:
        print("NOT EXPORTED", line, flush=True)
    return failed
