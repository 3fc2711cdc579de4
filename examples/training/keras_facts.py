"""`keras-facts`: every setting of Keras' preprocessing layers that a blob has, in one model with random weights.

No setting is ever the only one to notice a wrong code: each field has rows of its own in front of the mixture. `model.csv` as `rows.csv` in `keras-records`. In `nested.keras` a
few of them stand in a model within the model.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

import records
import tf2_layer
from fixture import folder

NAN, INF = float("nan"), float("inf")
WORDS = ["red", "green", "blue"]


def look(layer, feed):
    """The layer, adapted to a few values."""
    layer.adapt(np.array(feed, dtype=object if isinstance(feed[0], str) else None).reshape(-1, 1))
    return layer


def rows(codes, count, width=2, masked=False):
    return L.Embedding(count, width, mask_zero=masked, embeddings_initializer=keras.initializers.RandomNormal(0, 0.7))(codes)


def flat(codes, count):
    return L.Flatten()(rows(codes, count))


# Field → type, values to draw from (a list of lists: lists, all of one length but where padding fills them up), and what is made of it.
FIELDS = {
    "mask_word": ("string", [*WORDS, "none", "", "x"], lambda x: flat(L.StringLookup(vocabulary=WORDS, mask_token="none")(x), 5)),
    "mask_adapted": ("string", [*WORDS, "", "x"], lambda x: flat(look(L.StringLookup(mask_token=""), ["red", "red", "green"])(x), 4)),
    "closed": ("string", WORDS, lambda x: flat(L.StringLookup(vocabulary=WORDS, num_oov_indices=0)(x), 3)),
    "closed_mask": ("string", [*WORDS, ""], lambda x: flat(L.StringLookup(vocabulary=WORDS, num_oov_indices=0, mask_token="")(x), 4)),
    "empty_word": ("string", ["", "a", "x"], lambda x: flat(L.StringLookup(vocabulary=["a", ""])(x), 3)),
    "one_hot_mask": ("string", [*WORDS, "", "x"], lambda x: look(L.StringLookup(mask_token="", output_mode="one_hot"), ["red", "green"])(x)),
    "counts": ("string", [["red", "red", "x"], ["blue", "green", "y"], ["x", "y", "z"]], lambda x: L.StringLookup(vocabulary=WORDS, output_mode="count")(x)),
    "many": ("string", [["red", "red"], ["x"], [], ["green", "red", "blue"]], lambda x: look(L.StringLookup(mask_token="", output_mode="multi_hot"), WORDS)(x)),
    "negative": ("int64", [10, 20, -5, 3, -1], lambda x: flat(L.IntegerLookup(vocabulary=[10, 20, -5])(x), 4)),
    "masked_int": ("int32", [0, 4, 5, 6], lambda x: flat(look(L.IntegerLookup(mask_token=0), [4, 4, 5])(x), 4)),
    "wide": ("int64", [5_000_000_000, 7, 8], lambda x: flat(L.IntegerLookup(vocabulary=[5_000_000_000, 7])(x), 3)),
    "hash_int": ("int32", [0, -1, 17, 123456], lambda x: L.Hashing(16, output_mode="one_hot")(x)),
    "hash_wide": ("int64", [0, -1, 17, 12345678901], lambda x: flat(L.Hashing(12, salt=9)(x), 12)),
    "hash_mask": ("string", ["", "a", "DE", "a longer string of 33 characters!", "x" * 65, "x" * 200], lambda x: flat(L.Hashing(9, mask_value="")(x), 9)),
    "hash_salt": ("string", ["", "a", "DE", "0", "-1", " Never married"], lambda x: L.Hashing(7, salt=[133, 137], output_mode="one_hot")(x)),
    "hash_list": ("string", [["a", "b", "a"], ["c", "d", "e"]], lambda x: L.Hashing(8, output_mode="multi_hot")(x)),
    "buckets": ("float32", [-1.0, 0.0, 0.5, 1.0, 2.0, NAN, INF, -INF], lambda x: L.Discretization([0.0, 1.0], output_mode="one_hot")(x)),
    "int_buckets": ("int32", [-7, 0, 1, 2, 3, 9], lambda x: flat(L.Discretization([0.5, 2.0, 2.5])(x), 4)),
    "given": ("float32", [-2.5, 0.0, 3.5], lambda x: L.Normalization(mean=2.0, variance=4.0)(x)),
    "together": ("float32", [[1.0, 5.0, -2.0], [3.0, 0.0, 4.0]], lambda x: adapted_together()(x)),
    "constant": ("float32", [7.0], lambda x: look(L.Normalization(), [7.0, 7.0])(x)),
    "falling": ("float32", [-2.0, 0.0, 5.0], lambda x: L.Rescaling(-0.5, offset=2.0)(x)),
    "twice": ("float32", [0.0, 100.0, 255.0], lambda x: L.Normalization(mean=0.4, variance=0.09)(L.Rescaling(1 / 255)(x))),
    "logarithm": ("float32", [0.0, 0.5, 1000.0], lambda x: L.Rescaling(0.3, offset=-1.0)(keras.ops.log1p(x))),
    "whole": ("int32", [-3, 0, 12], lambda x: L.Normalization(mean=1.0, variance=9.0)(x)),
    "cut": ("int32", [10, 20, 30, 3], lambda x: L.CategoryEncoding(3, output_mode="one_hot")(L.IntegerLookup(vocabulary=[10, 20, 30])(x))),
    "category": ("int32", [0, 4, 5, 9], lambda x: L.CategoryEncoding(5, output_mode="one_hot")(x)),
    "categories": ("int32", [[0, 0, 5], [1, 2, 3]], lambda x: L.CategoryEncoding(6, output_mode="multi_hot")(x)),
    "category_counts": ("int32", [[0, 0, 5], [1, 2, 3]], lambda x: L.CategoryEncoding(6, output_mode="count")(x)),
    "deep": ("int32", [0, 1, 2], lambda x: L.Dense(2, activation="sigmoid")(L.Dense(4, activation="relu")(flat(x, 3)))),
    "history": ("int64", [[5, 6, 5], [9], [5]], lambda x: L.GlobalAveragePooling1D()(rows(L.IntegerLookup(vocabulary=[5, 6], mask_token=0)(x), 4, 3, True))),
    "projected": ("int32", [[1, 2, 3], [2], [3, 3]], lambda x: L.GlobalAveragePooling1D()(L.Dense(2, activation="tanh")(rows(x, 4, 3, True)))),
    "single": ("int32", [0, 1], lambda x: L.GlobalAveragePooling1D()(rows(x, 2))),
}


def adapted_together():
    layer = L.Normalization(axis=None)
    layer.adapt(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]], "float32"))
    return layer


def tensor(values, dtype):
    """Values of a field as Keras takes them, lists filled up."""
    pad = "" if dtype == "string" else 0
    values = [v if isinstance(v, list) else [v] for v in values]
    most = max(map(len, values))
    return tf.constant([v + [pad] * (most - len(v)) for v in values], dtype)


def make(name, fields, nested):
    """A model of these fields and its rows; `nested`: the preprocessing is a model of its own."""
    keras.utils.set_random_seed(56)
    rng = np.random.default_rng(56)

    def entries():
        width = lambda values: len(max(values, key=len)) if isinstance(values[0], list) else 1
        return {name: keras.Input((width(values),), dtype=dtype, name=name) for name, (dtype, values, _) in fields.items()}

    inputs = entries()
    vector = L.Concatenate()([fields[name][2](x) for name, x in inputs.items()])
    if nested:
        prepare = keras.Model(inputs, vector, name="prepare")
        inputs = entries()
        vector = prepare(inputs)
    mixtures = tf2_layer.MMoE(8, 2, 2, **tf2_layer.all_arguments())(vector)
    outputs = {name: L.Dense(1, activation="sigmoid", name=name)(mixture) for name, mixture in zip(["a", "b"], mixtures)}
    model = keras.Model(inputs, outputs)
    path = folder("keras-facts")
    model.save(path / f"{name}.keras")
    drawn = {name: [values[i] for i in rng.integers(len(values), size=300)] for name, (_, values, _) in fields.items()}
    # All values behind the drawn ones, so that the longest list is among them.
    outputs = model({name: tensor(drawn[name] + fields[name][1], dtype)[:300] for name, (dtype, *_) in fields.items()})
    outputs = {task: y.numpy()[:, 0] for task, y in outputs.items()}
    assert all(np.isfinite(y).all() for y in outputs.values())
    # Several numbers of one input are fields of their own.
    together = drawn.pop("together")
    drawn |= {f"together_{i}": [v[i] for v in together] for i in range(3)}
    floats = {name for name, (dtype, *_) in fields.items() if dtype == "float32"}
    is_float = lambda name: name.startswith("together") or name in floats
    drawn = {name: [np.float32(v) for v in values] if is_float(name) else values for name, values in drawn.items()}
    records.write(path / f"{name}.csv", drawn, outputs)


if __name__ == "__main__":
    make("model", FIELDS, nested=False)
    few = ["mask_adapted", "masked_int", "buckets", "together", "history", "hash_salt"]
    make("nested", {name: FIELDS[name] for name in few}, nested=True)
