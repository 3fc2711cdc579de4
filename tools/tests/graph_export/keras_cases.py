"""Graphs by TensorFlow's exporters: SavedModel, TensorFlow Lite, and ONNX by tf2onnx, of models of
Keras 3, tf_keras and DeepCTR."""

import logging
import shutil
import sys
import warnings

import common  # noqa: F401 -- sets the environment before TensorFlow is loaded
import keras
import numpy as np
import tensorflow as tf
import tf_keras

import keras_models as m
from common import CASES, ROWS, case, rows

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
tf.get_logger().setLevel("ERROR")


def trained(k, model):
    """Norms that have seen data, slopes that are not 0."""
    random = np.random.default_rng(3)
    for layer in model.layers:
        kind = type(layer).__name__
        if "Normalization" in kind or kind in ("PReLU", "Dice"):
            new = []
            for w in layer.weights:
                low, high = (0.5, 2.0) if "variance" in w.name or "gamma" in w.name else (-0.4, 0.4)
                new.append(random.uniform(low, high, w.shape))
            layer.set_weights(new)
    return model


def golden(model, x, names):
    """By name: what the framework computes."""
    parts, at = [], 0
    for t in model.inputs:
        parts.append(x[:, at : at + t.shape[-1]])
        at += t.shape[-1]
    made = model(parts if len(parts) > 1 else parts[0], training=False)
    made = list(made.values()) if isinstance(made, dict) else made
    made = made if isinstance(made, (list, tuple)) else [made]
    return dict(zip(names, (np.asarray(y) for y in made)))


def ordered(x, model, names):
    """Columns of `x`, which stand in the model's order of inputs, in the file's."""
    at, parts = 0, {}
    for t in model.inputs:
        parts[t.name.split(":")[0]] = x[:, at : at + t.shape[-1]]
        at += t.shape[-1]
    return np.concatenate([parts[n] for n in names], 1) if len(parts) > 1 else x


def matched(outputs, found):
    """The golden outputs by the file's names, told by their values."""
    named = {}
    for name, values in found.items():
        values = np.asarray(values).reshape(ROWS, -1)
        close = [g for g in outputs.values() if g.shape == values.shape]
        named[name] = min(close, key=lambda g: np.abs(g - values).max())
    return named


def saved(k, model, folder):
    place = str(folder / "saved_model")
    if k is keras:
        model.export(place, verbose=False)
    else:
        model.export(place) if hasattr(model, "export") else tf.saved_model.save(model, place)
    return place


def to_saved_model(k, model, folder):
    x = rows(sum(t.shape[-1] for t in model.inputs))
    outputs = golden(model, x, range(len(model.outputs)))
    served = tf.saved_model.load(saved(k, model, folder)).signatures["serving_default"]
    names = sorted(served.structured_input_signature[1])
    x_file = ordered(x, model, names)
    at, given = 0, {}
    for n in names:
        width = served.structured_input_signature[1][n].shape[-1]
        given[n] = tf.constant(x_file[:, at : at + width])
        at += width
    return "saved_model", x_file, matched(outputs, served(**given))


def to_tflite(k, model, folder, quantize=None):
    from ai_edge_litert.interpreter import Interpreter

    x = rows(sum(t.shape[-1] for t in model.inputs))
    outputs = golden(model, x, range(len(model.outputs)))
    place = saved(k, model, folder)
    converter = tf.lite.TFLiteConverter.from_saved_model(place)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int8", "int8-io", "int16"):
        name = model.inputs[0].name.split(":")[0]
        converter.representative_dataset = lambda: ({name: r[None]} for r in x)
        ops = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if quantize == "int16" else ops.TFLITE_BUILTINS_INT8]
    if quantize == "int8-io":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "model.tflite").write_bytes(converter.convert())
    shutil.rmtree(place)
    interpreter = Interpreter(str(folder / "model.tflite"))
    inputs = interpreter.get_input_details()
    runner = interpreter.get_signature_runner()
    details = runner.get_input_details()
    # The order of the graph's inputs, by their names in the signature.
    order = [next(n for n, d in details.items() if d["index"] == i["index"]) for i in inputs]
    plain = {n: n.removeprefix("serving_default_") for n in order}
    x_file = ordered(x, model, [plain[n] for n in order])
    out_details = runner.get_output_details()
    found = {n: [] for n in out_details}
    for row in x_file:
        at, given = 0, {}
        for n in order:
            d = details[n]
            width = int(d["shape"][-1])
            v = row[None, at : at + width]
            at += width
            if d["dtype"] == np.int8:
                scale, zero = d["quantization"]
                v = np.clip(np.round(v / scale + zero), -128, 127).astype(np.int8)
            given[n] = v
        for n, y in runner(**given).items():
            if y.dtype == np.int8:
                scale, zero = out_details[n]["quantization"]
                y = (y.astype(np.float32) - zero) * scale
            found[n].append(y)
    found = {n: np.concatenate(y).reshape(ROWS, -1) for n, y in found.items()}
    if not quantize:
        return "model.tflite", x_file, matched(outputs, found)
    return "model.tflite", x_file, found


def to_onnx(k, model, folder, opset=17):
    import onnxruntime

    x = rows(sum(t.shape[-1] for t in model.inputs))
    outputs = golden(model, x, range(len(model.outputs)))
    path = folder / "model.onnx"
    if k is keras:
        model.export(str(path), format="onnx", opset_version=opset, verbose=False)
    else:
        import tf2onnx

        signature = [tf.TensorSpec((None, t.shape[-1]), tf.float32, name=t.name.split(":")[0]) for t in model.inputs]
        function = tf.function(lambda *a: model(list(a) if len(a) > 1 else a[0], training=False))
        tf2onnx.convert.from_function(function, signature, opset=opset, output_path=str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    x_file = ordered(x, model, names)
    at, given = 0, {}
    for i in session.get_inputs():
        given[i.name] = x_file[:, at : at + i.shape[-1]]
        at += i.shape[-1]
    made = dict(zip((o.name for o in session.get_outputs()), session.run(None, given)))
    return "model.onnx", x_file, matched(outputs, made)


WRITERS = {"saved": to_saved_model, "tflite": to_tflite, "onnx": to_onnx}


def model_case(name, k, make, writers=WRITERS, **facts):
    framework = "Keras 3" if k is keras else "tf_keras"
    if isinstance(k, str):
        framework, k = k, tf_keras
    for writer in writers:
        facts_of = facts if writer != "tflite" or "tolerance" in facts else facts

        def write(folder, writer=writer):
            k.utils.set_random_seed(5)
            return WRITERS[writer](k, trained(k, make(k)), folder)

        case(f"{name}-{writer}", framework, exporter=writer, **facts_of)(write)


ACTIVATIONS = ["relu", "elu", "selu", "gelu", "silu", "softplus", "softsign", "tanh", "sigmoid",
               "hard_sigmoid", "hard_silu", "relu6", "leaky_relu", "mish"]
SPREAD = [("saved", "onnx"), ("tflite", "saved"), ("onnx", "tflite")]


def spread(at, name):
    """Two of the three; the exact gelu of Keras has no ONNX (Erfc)."""
    return [w for w in SPREAD[at % 3] if (name, w) != ("gelu", "onnx")]


for at, name in enumerate(ACTIVATIONS):
    model_case(f"keras-act-{name}", keras, lambda k, name=name: m.mmoe(k, act=name), spread(at, name))
for at, name in enumerate(["relu", "elu", "selu", "gelu", "swish", "softplus", "tanh", "hard_sigmoid"]):
    model_case(f"tfkeras-act-{name}", tf_keras, lambda k, name=name: m.mmoe(k, act=name), spread(at, name))
for k, short in ((keras, "keras"), (tf_keras, "tfkeras")):
    model_case(f"{short}-prelu", k, lambda k: m.mmoe(k, act=lambda: k.layers.PReLU()))
    model_case(f"{short}-batch-norm", k, lambda k: m.mmoe(k, norm=lambda: k.layers.BatchNormalization()))
    model_case(f"{short}-layer-norm", k, lambda k: m.mmoe(k, norm=lambda: k.layers.LayerNormalization()))
    model_case(f"{short}-slices", k, lambda k: m.mmoe(k, how="slices"), ("saved", "onnx"))
    model_case(f"{short}-packed", k, m.packed)
    model_case(f"{short}-hub", k, m.hub)
    for levels in (1, 2, 3):
        model_case(f"{short}-ple{levels}", k, lambda k, levels=levels: m.ple(k, levels), SPREAD[levels - 1])
    model_case(f"{short}-esmm", k, m.esmm)
    model_case(f"{short}-bottom", k, m.bottom, ("saved", "onnx"))
    model_case(f"{short}-named-inputs", k, lambda k: m.mmoe(k, named=True))
    model_case(f"{short}-residual", k, m.residual, ("onnx",))
model_case("keras-rms-norm", keras, lambda k: m.mmoe(k, norm=lambda: k.layers.RMSNormalization()))
model_case("keras-group-norm", keras, lambda k: m.mmoe(k, norm=lambda: k.layers.GroupNormalization(1)))

# Quantized: the file's own arithmetic rounds, by these shares of its outputs at the most.
for kind, tolerance in (("int8", 0.1), ("int8-io", 0.1), ("int16", 0.02), ("float16", 1e-5), ("dynamic", 0.05)):
    for model in ("mmoe", "hub"):
        case(f"keras-{model}-{kind}", "Keras 3", exporter=f"tflite {kind}", tolerance=tolerance)(
            lambda folder, kind=kind, model=model: (
                keras.utils.set_random_seed(5),
                to_tflite(keras, getattr(m, model)(keras), folder, kind),
            )[1])


def deepctr(name, **options):
    """DeepCTR's models. The package asks for the Keras that TensorFlow once had inside; tf_keras is
    its successor, and stands in for it."""
    import importlib
    import importlib.abc
    import importlib.util

    inside = "tensorflow.python.keras"

    class Successor(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path, target=None):
            if name == inside or name.startswith(inside + "."):
                return importlib.util.spec_from_loader(name, self)
            return None

        def create_module(self, spec):
            rest = spec.name[len(inside):]
            for base in ("tf_keras", "tf_keras.src"):
                try:
                    return importlib.import_module(base + rest)
                except ImportError:
                    pass
            raise ImportError(spec.name)

        def exec_module(self, module):
            pass

    if "deepctr" not in sys.modules:
        for loaded in [n for n in sys.modules if n == inside or n.startswith(inside + ".")]:
            del sys.modules[loaded]
        sys.meta_path.insert(0, Successor())
    from deepctr import models
    from deepctr.feature_column import DenseFeat

    columns = [DenseFeat("a", 6), DenseFeat("b", 4)]
    facts = {"tower_dnn_hidden_units": (5,), "task_types": ("binary", "regression"), "task_names": ("t0", "t1"), **options}
    if name == "ESMM":
        facts["task_types"] = ("binary", "binary")
        return models.ESMM(columns, **facts)
    if name == "SharedBottom":
        return models.SharedBottom(columns, bottom_dnn_hidden_units=(9, 6), **facts)
    facts |= {"expert_dnn_hidden_units": (9, 6), "gate_dnn_hidden_units": (5,)}
    if name == "MMOE":
        return models.MMOE(columns, num_experts=3, **facts)
    return models.PLE(columns, shared_expert_num=1, specific_expert_num=1, num_levels=int(name[3]), **facts)


for name in ("MMOE", "PLE1", "PLE2", "SharedBottom", "ESMM"):
    model_case(f"deepctr-{name.lower()}", "DeepCTR", lambda k, name=name: deepctr(name), ("saved", "onnx", "tflite"))
model_case("deepctr-mmoe-bn", "DeepCTR", lambda k: deepctr("MMOE", dnn_use_bn=True), ("saved", "onnx"))
model_case("deepctr-mmoe-dice", "DeepCTR", lambda k: deepctr("MMOE", dnn_activation="dice"), ("saved", "onnx"))


# TensorFlow 1, as EasyRec writes its graphs: placeholders, variables in the graph, a saver.
for resource in (False, True):
    @case(f"tf1-mmoe-{'resource' if resource else 'reference'}", "TensorFlow 1", exporter="simple_save")
    def tf1(folder, resource=resource):
        random, v1 = np.random.default_rng(9), tf.compat.v1
        x = rows(10)
        with tf.Graph().as_default(), v1.Session() as session:
            def layer(value, units, name):
                shape = (int(value.shape[-1]), units)
                with v1.variable_scope(name, use_resource=resource):
                    w = v1.get_variable("kernel", initializer=random.normal(0, 0.4, shape).astype("f"))
                    b = v1.get_variable("bias", initializer=random.normal(0, 0.2, units).astype("f"))
                return v1.nn.bias_add(tf.matmul(value, w), b)

            entry = v1.placeholder(tf.float32, (None, 10), "features")
            experts = tf.stack([tf.nn.relu(layer(entry, 7, f"expert_{i}")) for i in range(3)], axis=1)
            outs = {}
            for task in ("ctr", "cvr"):
                gate = tf.nn.softmax(layer(entry, 3, f"gate_{task}"), axis=1)
                mixed = tf.reduce_sum(tf.expand_dims(gate, -1) * experts, axis=1)
                hidden = tf.nn.relu(layer(mixed, 5, f"tower_{task}"))
                outs[task] = tf.sigmoid(layer(hidden, 1, f"logit_{task}"))
            session.run(v1.global_variables_initializer())
            golden = dict(zip(outs, session.run(list(outs.values()), {entry: x})))
            v1.saved_model.simple_save(session, str(folder / "saved_model"), {"features": entry}, outs)
        return "saved_model", x, golden


def off(name, words):
    def register(make):
        model_case(name, keras, make, ("saved", "onnx", "tflite"), refuse=words)

    return register


@off("keras-softmax-over-batch", ["rows of a batch"])
def over_batch(k):
    x = k.Input((10,), name="x")
    e = [dense_relu(k, x) for _ in range(3)]
    gate = k.layers.Softmax(axis=0)(k.layers.Dense(3)(x))
    return k.Model(x, k.layers.Dense(1)(m.mix(k, gate, e, "dot")))


@off("keras-product", ["multiplies two values"])
def product(k):
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    return k.Model([a, b], k.layers.Dense(1)(k.layers.Multiply()([a, b])))


@off("keras-sine", ["does not know"])
def sine(k):
    x = k.Input((10,), name="x")
    return k.Model(x, k.layers.Dense(1)(k.layers.Lambda(lambda v: tf.sin(v))(x)))


def dense_relu(k, x):
    return k.layers.Dense(6, activation="relu")(x)

# What this module wrote, for those that borrow from it.
ALL = list(CASES)
