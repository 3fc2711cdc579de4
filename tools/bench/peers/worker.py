"""The Python peers of one thread count, asked by `race.py` over standard input as `mmoe-peers` is.

    worker.py THREADS

`prepare FOLDER BATCH` answers with the contestants' names, tabs between; `time NUMBER CALLS` with seconds.
Inputs lie in the peer's memory before a turn begins; a turn has the calls alone. Float peers' outputs
are held against ours (1e-4) before they may take part.
"""
import importlib
import sys
import time
from pathlib import Path

import numpy as np

from wiring import Exported, NumpyOps, forward, torch_module


def onnxruntime_peer(model, folder, x, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    name = session.get_inputs()[0].name
    binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return (lambda: session.run_with_iobinding(binding)), binding.copy_outputs_to_cpu


def tflite_peer(file):
    def peer(model, folder, x, threads):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(folder / file), num_threads=threads)
        about = interpreter.get_input_details()[0]
        interpreter.resize_tensor_input(about["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(about["index"], quantized(x, about))
        # Outputs of a signature come in the order of their names.
        outputs = sorted(interpreter.get_output_details(), key=lambda o: o["name"])
        return interpreter.invoke, lambda: [real(interpreter.get_tensor(o["index"]), o) for o in outputs]

    return peer


def quantized(x, about):
    """Rows as an input takes them."""
    if about["dtype"] == np.float32:
        return x
    scale, zero = about["quantization"]
    return np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)


def real(y, about):
    """An output as numbers."""
    if about["dtype"] == np.float32:
        return y
    scale, zero = about["quantization"]
    return (y.astype(np.float32) - zero) * scale


def torch_peer(model, folder, x, threads):
    import torch

    torch.set_num_threads(threads)
    module, rows = torch_module(model), torch.tensor(x)

    def run():
        with torch.inference_mode():
            return module(rows)

    return run, lambda: [y.numpy() for y in run()]


def numpy_peer(model, folder, x, threads):
    weights = [[(np.ascontiguousarray(l["weight"].T), l["bias"]) for l in node["layers"]] for node in model.nodes]

    def layer(n, i, h):
        weight, bias = weights[n][i]
        return h @ weight + bias

    def run():
        return forward(model, x, layer, NumpyOps)

    return run, run


PEERS = [
    ("onnxruntime", "onnxruntime", onnxruntime_peer),
    ("TFLite f32", "ai_edge_litert", tflite_peer("float.tflite")),
    ("TFLite int8", "ai_edge_litert", tflite_peer("int8.tflite")),
    ("PyTorch eager", "torch", torch_peer),
    ("NumPy", "numpy", numpy_peer),
]


def prepare(folder, batch, threads):
    model = Exported(folder)
    x = np.ascontiguousarray(model.rows[:batch])
    contestants = []
    for name, module, make in PEERS:
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"{name}: {module} is not installed", file=sys.stderr)
            continue
        run, outputs = make(model, Path(folder), x, threads)
        run()
        found = np.concatenate([np.asarray(y).reshape(batch, -1) for y in outputs()], 1)
        ours = model.outputs[:batch]
        if "int8" in name:
            # Coarse by nature: in shares of what the outputs span, and only to know that it is the same model.
            worst, most = float(np.abs(found - ours).max() / np.ptp(model.outputs)), 0.3
        else:
            worst, most = float(np.abs((found - ours) / np.maximum(np.abs(ours), 1)).max()), 1e-4
        assert worst < most, f"{name} is {worst} from our outputs"
        contestants.append((name, run))
    return contestants


def main():
    threads, contestants = int(sys.argv[1]), []
    for line in sys.stdin:
        match line.split():
            case ["prepare", folder, batch]:
                contestants = prepare(folder, int(batch), threads)
                print("\t".join(name for name, _ in contestants), flush=True)
            case ["time", number, calls]:
                run, calls = contestants[int(number)][1], range(int(calls))
                # As `mmoe-peers` does: the processor's time, where it says everything.
                clock = time.process_time if threads == 1 else time.perf_counter
                begin = clock()
                for _ in calls:
                    run()
                print(clock() - begin, flush=True)
            case _:
                raise SystemExit(f"{line}: not known; see the head of this file")


if __name__ == "__main__":
    main()
