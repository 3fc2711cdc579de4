"""The models of `keras_models.py` in further arrangements: every opset, every quantization of the
TensorFlow Lite converter, written otherwise."""

import keras
import numpy as np
import tensorflow as tf
import tf_keras

import keras_models as m
from common import case
from keras_cases import model_case, to_onnx, to_tflite, trained

for k, short in ((keras, "keras"), (tf_keras, "tfkeras")):
    for opset in (12, 13, 15, 18):
        case(f"arranged-{short}-opset{opset}", short, exporter=f"onnx {opset}")(
            lambda f, k=k, o=opset: (k.utils.set_random_seed(5), to_onnx(k, trained(k, m.mmoe(k, act="tanh")), f, o))[1])
case("arranged-keras-no-opset", "keras", exporter="onnx")(
    lambda f: (keras.utils.set_random_seed(5), to_onnx(keras, trained(keras, m.ple(keras, 2)), f, None))[1])

KINDS = {"int8": 0.15, "int8-io": 0.15, "int16": 0.02, "float16": 1e-5, "dynamic": 0.06}
MODELS = {"ple2": lambda k: m.ple(k, 2), "packed": m.packed, "esmm": m.esmm,
          "prelu": lambda k: m.mmoe(k, act=lambda: k.layers.PReLU()),
          "batch-norm": lambda k: m.mmoe(k, norm=lambda: k.layers.BatchNormalization()),
          "tanh": lambda k: m.mmoe(k, act="tanh")}
for name, make in MODELS.items():
    for kind, tolerance in KINDS.items():
        case(f"arranged-{name}-{kind}", "Keras 3", exporter=f"tflite {kind}", tolerance=tolerance)(
            lambda f, make=make, kind=kind: (
                keras.utils.set_random_seed(5),
                to_tflite(keras, trained(keras, make(keras)), f, kind))[1])


def stack(k, experts):
    pool = tf.stack if k is tf_keras else keras.ops.stack
    return k.layers.Lambda(lambda t: pool(t, axis=1), name="stack")(experts)


def base(k, x, experts=3, units=6, drop=0.0, act="relu"):
    made = []
    for e in range(experts):
        h = k.layers.Dense(8, activation=act)(x)
        h = k.layers.Dropout(drop)(h) if drop else h
        made.append(k.layers.Dense(units, activation=act)(h))
    return made


def dropped(k):
    x = k.Input((10,), name="x")
    experts = stack(k, base(k, x, drop=0.3))
    outs = []
    for t in range(2):
        gate = k.layers.Dropout(0.1)(k.layers.Dense(3, activation="softmax")(x))
        y = k.layers.Dot(1)([experts, gate])
        outs.append(k.layers.Dense(1, activation="sigmoid", name=f"task{t}")(k.layers.Dropout(0.2)(y)))
    return k.Model(x, outs)


def joined(k):
    """One output of all tasks, mixed by products and sums."""
    x = k.Input((10,), name="x")
    experts, outs = base(k, x), []
    for _ in range(3):
        gate = k.layers.Dense(3, activation="softmax")(x)
        parts = []
        for e, expert in enumerate(experts):
            own = k.layers.Lambda(lambda g, e=e: g[:, e : e + 1])(gate)
            parts.append(k.layers.Multiply()([expert, own]))
        y = k.layers.Dense(4, activation="relu")(k.layers.Add()(parts))
        outs.append(k.layers.Dense(1, activation="sigmoid")(y))
    return k.Model(x, k.layers.Concatenate(name="out")(outs))


def temperature(k):
    x = k.Input((10,), name="x")
    experts, outs = stack(k, base(k, x, act="swish")), []
    for t in range(2):
        z = k.layers.Dense(3)(x)
        gate = k.layers.Softmax()(k.layers.Lambda(lambda z: z / 2.5)(z))
        y = k.layers.Dot(1)([experts, gate])
        outs.append(k.layers.Dense(1, name=f"task{t}")(y))
    return k.Model(x, outs)


def residual_towers(k):
    x = k.Input((10,), name="x")
    experts, outs = stack(k, base(k, x, units=8)), []
    for t in range(2):
        y = k.layers.Dot(1)([experts, k.layers.Dense(3, activation="softmax")(x)])
        y = k.layers.Add()([y, k.layers.Dense(8, activation="relu")(y)])
        outs.append(k.layers.Dense(1, activation="sigmoid", name=f"task{t}")(y))
    return k.Model(x, outs)


def normalized(k):
    x = k.Input((10,), name="x")
    y = k.layers.Normalization(mean=np.linspace(-1, 1, 10), variance=np.linspace(0.5, 2, 10))(x)
    experts, outs = stack(k, base(k, y)), []
    for t in range(2):
        mixed = k.layers.Dot(1)([experts, k.layers.Dense(3, activation="softmax")(y)])
        outs.append(k.layers.Dense(1, activation="sigmoid", name=f"task{t}")(mixed))
    return k.Model(x, outs)


def einsum(k):
    """All experts by one einsum, mixtures by another."""

    class Experts(k.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(4, int(shape[-1]), 6), initializer="glorot_uniform", name="kernel")
            self.bias = self.add_weight(shape=(4, 6), initializer="glorot_uniform", name="bias")
            self.gates = self.add_weight(shape=(2, int(shape[-1]), 4), initializer="glorot_uniform", name="gates")

        def call(self, x):
            h = tf.nn.relu(tf.einsum("bi,eih->beh", x, self.kernel) + self.bias)
            g = tf.nn.softmax(tf.einsum("bi,tie->bte", x, self.gates), -1)
            mixed = tf.einsum("bte,beh->bth", g, h)
            return [mixed[:, 0], mixed[:, 1]]

    x = k.Input((10,), name="x")
    mixed = Experts()(x)
    return k.Model(x, [k.layers.Dense(1, activation="sigmoid", name=f"task{t}")(y) for t, y in enumerate(mixed)])


def classes(k):
    x = k.Input((10,), name="x")
    experts, outs = stack(k, base(k, x)), []
    for t, (units, act) in enumerate([(4, "softmax"), (1, "softplus"), (2, "linear")]):
        mixed = k.layers.Dot(1)([experts, k.layers.Dense(3, activation="softmax", use_bias=False)(x)])
        outs.append(k.layers.Dense(units, activation=act, name=f"task{t}")(mixed))
    return k.Model(x, outs)


WRITTEN = {f.__name__.replace("_", "-"): f for f in (dropped, joined, temperature, residual_towers, normalized, einsum, classes)}
for name, make in WRITTEN.items():
    for k, short in ((keras, "keras"), (tf_keras, "tfkeras")):
        if name != "einsum" or k is tf_keras:
            model_case(f"arranged-{short}-{name}", k, make)
