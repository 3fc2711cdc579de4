"""What the race's page says beside times: the peers' versions, and what integers cost in quality."""
import importlib.metadata
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

import numpy as np

from wiring import Exported
from worker import quantized, real

ROOT = Path(__file__).parents[3]
PYTHON = {"TFLite f32": "ai-edge-litert", "onnxruntime": "onnxruntime", "PyTorch eager": "torch", "NumPy": "numpy"}
MOST = 2048


def versions(raced):
    """Every peer that raced, with its version."""
    found = [f"{name} {importlib.metadata.version(name)}" for peer, name in PYTHON.items() if peer in raced]
    for line in (Path(__file__).parent / "Cargo.toml").read_text().splitlines():
        crate, _, rest = line.partition(" = ")
        name = crate.split("-")[0]
        if 'version = "=' in rest and name in raced:
            found.append(f"{crate} {rest.split('=')[2].split(chr(34))[0]}")
    return ", ".join(found)


def call():
    """µs of a call from Python into a library that does nothing."""
    empty = np.empty(0, np.float32)
    return min(timeit.repeat(empty.tobytes, number=10_000, repeat=20)) / 10_000 * 1e6


def tflite(file, x):
    """All outputs of a TFLite file, `[rows, outputs]`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    about = interpreter.get_input_details()[0]
    made = []
    for rows in (x[i:i + MOST] for i in range(0, len(x), MOST)):
        interpreter.resize_tensor_input(about["index"], rows.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(about["index"], quantized(rows, about))
        interpreter.invoke()
        outputs = sorted(interpreter.get_output_details(), key=lambda o: o["name"])
        made.append(np.concatenate([real(interpreter.get_tensor(o["index"]), o).reshape(len(rows), -1) for o in outputs], 1))
    return np.concatenate(made)


def ours(weights, spec, precision, calibration, x, tasks):
    """All outputs of the tool's own conversion, `[rows, outputs]`."""
    mmoe = [str(ROOT / "target/release/mmoe")]
    with tempfile.TemporaryDirectory() as place:
        blob, rows, y = Path(place) / "m.mmoe", Path(place) / "x.npz", Path(place) / "y.npz"
        np.savez(rows, x=x)
        calibrated = ["--calibration", str(calibration)] if precision == "i8" else []
        for words in [["convert", str(weights), *spec, "--precision", precision, *calibrated, "-o", str(blob)],
                      ["run", str(blob), "--data", str(rows), "-o", str(y)]]:
            done = subprocess.run(mmoe + words, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"mmoe {' '.join(words)}: {done.stderr}")
        with np.load(y) as found:
            return np.concatenate([found[t].reshape(len(x), -1) for t in tasks], 1)


def measure(made, name, weights, spec, calibration, test, tasks):
    """A line for each way to run the model: (way, the measure of each task).

    `tasks` gives for each task its name, the column of its score among all outputs, and whether it is a class.
    """
    from sklearn.metrics import roc_auc_score

    with np.load(test) as file:
        data = {k: file[k] for k in file}
    folder = made / f"{name}-quality"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ["model.json", "weights.f32", "rows.f32", "outputs.f32"]:
        (folder / file).unlink(missing_ok=True)
        (folder / file).symlink_to((made / name / file).absolute())
    subprocess.run([sys.executable, str(Path(__file__).parent / "convert.py"), "tflite", str(folder), "--calibration",
                    str(calibration)], check=True)
    names = [t for t, _, _ in tasks]
    ways = {
        "mmoe F32": lambda x: ours(weights, spec, "f32", calibration, x, names),
        "mmoe I8": lambda x: ours(weights, spec, "i8", calibration, x, names),
        "TFLite f32": lambda x: tflite(folder / "float.tflite", x),
        "TFLite int8": lambda x: tflite(folder / "int8.tflite", x),
    }
    for way, run in ways.items():
        y = run(data["x"])
        yield way, [roc_auc_score(data[t], y[:, at]) if is_class else float(np.mean((y[:, at] - data[t]) ** 2))
                    for t, at, is_class in tasks]


def table(made, census, build):
    """The lines of the table; with `build` the tool is compiled before."""
    if build:
        subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "mmoe-tools"], cwd=ROOT, check=True)
    fixtures = ROOT / "tests/fixtures"
    columns, found = [], {}
    models = [("C", fixtures / "pytorch-edge/model.safetensors", ["--spec", str(fixtures / "pytorch-edge/spec.toml")],
               fixtures / "pytorch-edge", [("y0", 0, True), ("y1", 1, True), ("y2", 2, False)])]
    if census:
        models.insert(0, ("B", fixtures / "keras-mmoe-census/model_keras3.keras", [], census,
                          [("income", 1, True), ("marital", 3, True)]))
    for name, weights, spec, data, tasks in models:
        if not (made / name / "model.json").exists():
            continue
        columns += [f"{name} `{t}` {'AUC' if is_class else 'squared error'}" for t, _, is_class in tasks]
        for way, measures in measure(made, name, weights, spec, data / "calibration.npz", data / "test_set.npz", tasks):
            found.setdefault(way, []).extend(measures)
    yield from ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for way, measures in found.items():
        yield f"| {way} | " + " | ".join(f"{m:.4f}" for m in measures) + " |"
    yield ""
    yield ("Both are calibrated on the same rows and measured on others: " + ("1,000 and 14,965 of the census data, " if census else "")
           + "500 and 2,000 of `pytorch-edge`. TFLite's activations and outputs are int8; here weights are int8 and activations int16.")
