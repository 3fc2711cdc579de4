"""Makes the files that peers run, in the folder of an exported model.

    convert.py onnx FOLDER
    convert.py tflite FOLDER [--calibration ROWS.npz]

The first writes `model.onnx`, the second `float.tflite` and `int8.tflite` (full int8: inputs and outputs too;
calibrated on array `x`, or on the first 256 exported rows). PyTorch and TensorFlow do not bear each other in one process.
"""
import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from wiring import Exported, forward, torch_module


def onnx(model, folder):
    import torch

    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    torch.onnx.export(torch_module(model), (torch.tensor(model.rows[:2]),), str(folder / "model.onnx"),
                      input_names=["x"], dynamic_shapes={"x": {0: batch}}, external_data=False, verbose=False)


def tflite(model, folder, calibration):
    import tensorflow as tf

    class TensorFlowOps:
        relu, sigmoid = staticmethod(tf.nn.relu), staticmethod(tf.nn.sigmoid)
        softmax = staticmethod(tf.nn.softmax)

        @staticmethod
        def mix(weights, experts):
            # Products and one sum: faster in TFLite than a matrix product per row.
            return tf.reduce_sum(weights[:, :, None] * tf.stack(experts, 1), 1)

    def layer(n, i, h):
        about = model.nodes[n]["layers"][i]
        return tf.nn.bias_add(tf.matmul(h, tf.constant(about["weight"].T)), tf.constant(about["bias"]))

    @tf.function(input_signature=[tf.TensorSpec([None, model.inputs], tf.float32, name="x")])
    def run(x):
        return {f"y{t}": y for t, y in enumerate(forward(model, x, layer, TensorFlowOps))}

    def converter():
        return tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])

    (folder / "float.tflite").write_bytes(converter().convert())
    int8 = converter()
    int8.optimizations = [tf.lite.Optimize.DEFAULT]
    int8.representative_dataset = lambda: ([row[None]] for row in calibration.astype(np.float32))
    int8.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    int8.inference_input_type = int8.inference_output_type = tf.int8
    (folder / "int8.tflite").write_bytes(int8.convert())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["onnx", "tflite"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibration", type=Path)
    args = parser.parse_args()
    model = Exported(args.folder)
    if args.what == "onnx":
        onnx(model, args.folder)
    else:
        tflite(model, args.folder, np.load(args.calibration)["x"] if args.calibration else model.rows[:256])


if __name__ == "__main__":
    main()
