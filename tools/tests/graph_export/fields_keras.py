"""Graphs that begin at raw fields, by TensorFlow and Keras."""

import logging
import shutil
import warnings

import common  # noqa: F401 -- sets the environment before TensorFlow is loaded
import keras
import numpy as np
import tensorflow as tf
import tf_keras

from common import case
from fields import CITIES, PLANS, chosen

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def mmoe(keras, inputs, x, experts=3, tasks=2):
    """By Keras 3 or tf_keras; a module of TensorFlow itself keeps the variables of the latter only."""
    outs = []
    pool = tf.stack if keras is tf_keras else keras.ops.stack
    made = [keras.layers.Dense(8, activation="relu", name=f"expert_{e}")(x) for e in range(experts)]
    stack = keras.layers.Lambda(lambda t: pool(t, axis=1))(made)
    for t in range(tasks):
        gate = keras.layers.Dense(experts, activation="softmax", name=f"gate_{t}")(x)
        mixed = keras.layers.Dot(axes=1)([stack, gate])
        hidden = keras.layers.Dense(6, activation="relu", name=f"hidden_{t}")(mixed)
        outs.append(keras.layers.Dense(1, activation="sigmoid", name=f"task{t}")(hidden))
    return keras.Model(inputs, outs)


def keras_fields(names):
    """A model whose fields Keras' own layers prepare."""
    keras.utils.set_random_seed(4)
    inputs, parts = [], []
    for name in names:
        dtype = {"city": "string", "plan": "int64", "user": "int64", "item": "int64"}.get(name, "float32")
        entry = keras.Input((1,), dtype=dtype, name=name)
        inputs.append(entry)
        flat = keras.layers.Flatten()
        if name == "city":
            codes = keras.layers.StringLookup(vocabulary=CITIES)(entry)
            parts.append(flat(keras.layers.Embedding(6, 3, name="cities")(codes)))
        elif name == "plan":
            parts.append(keras.layers.IntegerLookup(vocabulary=PLANS, output_mode="one_hot")(entry))
        elif name == "user":
            parts.append(flat(keras.layers.Embedding(7, 3, name="users")(entry)))
        elif name == "age":
            bucket = keras.layers.Discretization(bin_boundaries=[18.0, 30.0, 45.0])(entry)
            parts.append(flat(keras.layers.Embedding(4, 2, name="ages")(bucket)))
        else:
            parts.append(entry)
    return mmoe(keras, inputs, keras.layers.Concatenate()(parts))


def keras_saved(folder, names):
    given = chosen(names)
    model = keras_fields(names)
    model.export(folder / "saved_model", verbose=False)
    served = tf.saved_model.load(folder / "saved_model").signatures["serving_default"]
    feed = {n: tf.constant(v[:, None].astype(str) if v.dtype == object else v[:, None]) for n, v in given.items()}
    return "saved_model", given, {k: v.numpy() for k, v in served(**feed).items()}


case("fields-keras-lookups-saved-model", "Keras")(
    lambda f: keras_saved(f, ("city", "plan", "user", "age", "income")))
case("fields-keras-ids-saved-model", "Keras")(lambda f: keras_saved(f, ("user", "age", "income")))


class Tables(tf.Module):
    """Look-up tables of TensorFlow: of constants, of a file, and hash buckets."""

    def __init__(self, folder, hashed=True):
        super().__init__()
        random = np.random.default_rng(8)
        self.keys = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(CITIES, tf.constant(range(1, 6), tf.int64)), 0)
        self.table = tf.Variable(random.uniform(-1, 1, (6, 3)).astype(np.float32))
        self.hashed = hashed
        if hashed:
            words = folder / "plans.txt"
            words.write_text("".join(f"{p}\n" for p in PLANS))
            self.lines = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                                              tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), 3)
            self.buckets = tf.Variable(random.uniform(-1, 1, (9, 2)).astype(np.float32))
        self.model = mmoe(tf_keras, *[tf_keras.Input((10 if hashed else 4,))] * 2)

    def rows(self, city, plan, income):
        parts = [tf.nn.embedding_lookup(self.table, self.keys.lookup(city))[:, 0], income]
        if self.hashed:
            texts = tf.strings.as_string(plan)
            parts += [tf.one_hot(self.lines.lookup(texts)[:, 0], 4),
                      tf.gather(self.buckets, tf.strings.to_hash_bucket_fast(texts, 9))[:, 0]]
        outs = self.model(tf.concat(parts, 1), training=False)
        return {f"task{i}": y for i, y in enumerate(outs)}


def text_spec(name, dtype):
    return tf.TensorSpec([None, 1], dtype, name)


@case("fields-tf-tables-saved-model", "TensorFlow")
def _(folder):
    tf_keras.utils.set_random_seed(4)
    model = Tables(folder)
    given = chosen(("city", "plan", "income"))

    @tf.function(input_signature=[text_spec("city", tf.string), text_spec("plan", tf.int64),
                                  text_spec("income", tf.float32)])
    def serve(city, plan, income):
        return model.rows(city, plan, income)

    model.serve = serve
    tf.saved_model.save(model, str(folder / "saved_model"), signatures=serve.get_concrete_function())
    (folder / "plans.txt").unlink()
    args = [tf.constant(v[:, None].astype(str) if v.dtype == object else v[:, None]) for v in given.values()]
    return "saved_model", given, {k: v.numpy() for k, v in serve(*args).items()}


def tflite(folder, concrete, owner, given, names):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)
    converter.allow_custom_ops = False
    (folder / "model.tflite").write_bytes(converter.convert())
    args = [tf.constant(v[:, None].astype(str) if v.dtype == object else v[:, None]) for v in given.values()]
    return "model.tflite", given, {k: v.numpy() for k, v in concrete(*args).items()}


@case("fields-tf-tables-tflite", "TensorFlow")
def _(folder):
    tf_keras.utils.set_random_seed(4)
    model = Tables(folder, hashed=False)
    given = chosen(("city", "income"))

    @tf.function(input_signature=[text_spec("city", tf.string), text_spec("income", tf.float32)])
    def serve(city, income):
        return model.rows(city, None, income)

    model.serve = serve
    place = str(folder / "saved_model")
    tf.saved_model.save(model, place, signatures=serve.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_saved_model(place)
    (folder / "model.tflite").write_bytes(converter.convert())
    shutil.rmtree(place)
    args = [tf.constant(v[:, None].astype(str) if v.dtype == object else v[:, None]) for v in given.values()]
    return "model.tflite", given, {k: v.numpy() for k, v in serve(*args).items()}


@case("fields-tf-buckets-tflite", "TensorFlow")
def _(folder):
    tf_keras.utils.set_random_seed(4)
    table = tf.constant(np.random.default_rng(2).uniform(-1, 1, (4, 3)).astype(np.float32))
    model = mmoe(tf_keras, *[tf_keras.Input((5,))] * 2)
    given = chosen(("age", "income"))

    @tf.function(input_signature=[text_spec("age", tf.float32), text_spec("income", tf.float32)])
    def serve(age, income):
        bucket = tf.raw_ops.Bucketize(input=age, boundaries=[18.0, 30.0, 45.0])
        outs = model(tf.concat([tf.gather(table, bucket)[:, 0], age / 50.0, income], 1), training=False)
        return {f"task{i}": y for i, y in enumerate(outs)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model)
    (folder / "model.tflite").write_bytes(converter.convert())
    args = [tf.constant(v[:, None]) for v in given.values()]
    return "model.tflite", given, {k: v.numpy() for k, v in serve(*args).items()}
