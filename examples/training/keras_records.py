"""`keras-records`: a Keras model that takes raw records, with Keras' own preprocessing layers in front of the TF2 `MMoE` layer.

Strings need the TensorFlow backend. `rows.csv` holds records with unknown tokens, missing values and empty lists, and Keras' outputs on them.
`vectors.npz` has the first 64 of them as the vector that the `MMoE` layer reads, and the same outputs.
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
from fixture import auc, folder

COUNTRIES = ["DE", "FR", "US", "São Tomé", "Côte d'Ivoire", "new zealand", "a country with a rather long name"]
DEVICES = ["phone", "tablet", "desktop", "watch"]
TAGS = ["sport", "news", "music", "films", "food"]
INTERESTS = ["cars", "trains", "planes", "boats", "bikes", "feet"]
ZIPS = [0, 7, 1009, 20095, 80331, 10115, 999_999_999]
PLANS = [10, 20, 30]
ITEMS, HISTORY, CAMPAIGNS = 40, 8, 60


def draw(rng, count, odd):
    """Records as Keras takes them and as a product has them; `odd` is the share of unknown and missing values."""

    def some(values, other):
        """`values` with a share of draws from `other`."""
        strange = rng.random(count) < odd
        return [other[rng.integers(len(other))] if s else v for s, v in zip(strange, values)]

    def lists(values, most, least=0):
        return [records.zipf(rng, values, rng.integers(least, most + 1), 0.7) for _ in range(count)]

    bounds = [0.0, 1.5, 1.5 + 2**-23, 10.0, 40.0]
    record = {
        "age": rng.normal(40, 12, count).clip(0).astype("float32"),
        "motion_0": rng.normal(3, 2, count).astype("float32"),
        "motion_1": rng.normal(-100, 30, count).astype("float32"),
        "clicks": rng.exponential(30, count).astype("float32"),
        "price": rng.uniform(1, 255, count).astype("float32"),
        "income": np.float32(some(rng.lognormal(10, 0.6, count), [np.nan])),
        "distance": np.float32(some(rng.exponential(15, count), [*bounds, np.nan, -3.0, 1e9])),
        "country": some(records.zipf(rng, COUNTRIES, count), ["", "XX", "de", " DE", "Österreich"]),
        "device": some(records.zipf(rng, DEVICES, count), ["fridge", "Phone"]),
        "zip": some(records.zipf(rng, ZIPS, count), [1, 2_000_000_000, 4_294_967_295]),
        "plan": some(records.zipf(rng, PLANS, count), [0, 11, 40]),
        "campaign": [f"campaign {i}" if i % 3 else f"c{i}-{'long' * (i % 20)}" for i in rng.integers(CAMPAIGNS, size=count)],
        "site": some([f"www.site{i}.example" for i in rng.integers(30, size=count)], ["", "x" * 40]),
        "user": [int(i) * 7_919_000_017 for i in rng.integers(200, size=count)],
        "hour": some(rng.integers(24, size=count).tolist(), [24, 100]),
        "item": rng.integers(ITEMS, size=count).tolist(),
        "tags": lists(TAGS + ["unheard of"], 4),
        "interests": lists(INTERESTS + ["nothing known"], 5, 1),
        "history": lists(list(range(1, ITEMS)), HISTORY, 1),
    }

    def padded(name, length, pad):
        return np.array([row + [pad] * (length - len(row)) for row in record[name]], dtype=object if pad == "" else "int64")

    column = {k: np.array(v, dtype=object if isinstance(v[0], str) else None).reshape(-1, 1) for k, v in record.items() if not isinstance(v[0], list)}
    column["motion"] = np.concatenate([column.pop("motion_0"), column.pop("motion_1")], 1)
    column |= {"tags": padded("tags", 4, ""), "interests": padded("interests", 5, ""), "history": padded("history", HISTORY, 0)}
    return record, {k: tf.constant(v.tolist(), tf.string) if v.dtype == object else tf.constant(v) for k, v in column.items()}


def build(feed):
    """The model; `feed` is what adapted layers learn from."""
    inputs = {name: keras.Input(value.shape[1:], dtype=value.dtype.name, name=name) for name, value in feed.items()}

    def adapted(layer, name):
        layer.adapt(feed[name])
        return layer(inputs[name])

    clicks = L.Normalization(name="norm_clicks")
    clicks.adapt(tf.math.log1p(feed["clicks"]))
    items = L.Embedding(ITEMS, 4, mask_zero=True, name="items")
    country = L.StringLookup(vocabulary=COUNTRIES, mask_token="", name="lookup_country")(inputs["country"])
    interests = L.StringLookup(vocabulary=INTERESTS, mask_token="")(inputs["interests"])
    parts = [
        adapted(L.Normalization(name="norm_age"), "age"),
        L.Flatten()(L.Embedding(len(COUNTRIES) + 2, 3, name="emb_country")(country)),
        adapted(L.Discretization(num_bins=8, output_mode="one_hot"), "income"),
        L.Flatten()(L.Embedding(6, 2)(L.Discretization(bin_boundaries=[0.0, 1.5, 1.5 + 2**-23, 10.0, 40.0])(inputs["distance"]))),
        adapted(L.StringLookup(output_mode="one_hot"), "device"),
        L.Dense(3, activation="tanh", name="squash")(L.Reshape((4,))(L.Embedding(8, 4)(adapted(L.IntegerLookup(), "zip")))),
        L.CategoryEncoding(4, output_mode="one_hot")(L.IntegerLookup(vocabulary=PLANS)(inputs["plan"])),
        L.Flatten()(L.Embedding(32, 3)(L.Hashing(32)(inputs["campaign"]))),
        L.CategoryEncoding(10, output_mode="one_hot")(L.Hashing(10, salt=[133, 137])(inputs["site"])),
        L.Flatten()(L.Embedding(64, 3)(L.Hashing(64, salt=7)(inputs["user"]))),
        L.CategoryEncoding(24, output_mode="one_hot")(inputs["hour"]),
        L.StringLookup(vocabulary=TAGS, mask_token="", output_mode="multi_hot", name="lookup_tags")(inputs["tags"]),
        L.GlobalAveragePooling1D()(items(inputs["history"])),
        L.Flatten()(items(inputs["item"])),
        L.GlobalAveragePooling1D()(L.Embedding(len(INTERESTS) + 2, 4, mask_zero=True)(interests)),
        adapted(L.Normalization(), "motion"),
        clicks(keras.ops.log1p(inputs["clicks"])),
        L.Rescaling(1 / 127.5, offset=-1.0)(inputs["price"]),
    ]
    mixtures = tf2_layer.MMoE(units=12, num_experts=3, num_tasks=2, **tf2_layer.all_arguments())(L.Concatenate()(parts))
    outputs = {}
    for name, mixture in zip(["click", "buy"], mixtures):
        outputs[name] = L.Dense(1, activation="sigmoid", name=name)(L.Dense(6, activation="relu", name=f"tower_{name}")(mixture))
    return keras.Model(inputs, outputs)


def write_vectors(path, model, x, outputs, rows=64):
    """Golden rows as somebody has them who cuts the model in front of its mixture."""
    vector = keras.Model(model.inputs, next(layer for layer in model.layers if layer.name.startswith("concatenate")).output)
    np.savez_compressed(path, x=vector(x).numpy()[:rows], **{task: out[:rows] for task, out in outputs.items()})


def labels(rng, record):
    """Clicks and purchases that depend on most of the fields."""
    code = lambda name: np.array([sum(map(ord, str(v))) % 7 - 3 for v in record[name]])
    length = lambda name: np.array([len(v) for v in record[name]])
    first = np.array([row[0] for row in record["history"]])
    taste = (record["age"] - 40) / 20 + code("country") * 0.4 + np.nan_to_num(np.log(record["income"])) * 0.3 - 3 + np.sin(first) + 0.3 * code("device")
    need = code("campaign") * 0.3 + code("site") * 0.3 + (length("tags") - 2) * 0.5 + np.cos(np.array(record["item"])) + record["motion_0"] * 0.3 - 1
    chance = lambda z: (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype("float32")
    return {"click": chance(taste + need * 0.5), "buy": chance(need - np.log1p(record["clicks"]) * 0.3 + taste * 0.2)}


def main():
    keras.utils.set_random_seed(51)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng(51)
    _, feed = draw(rng, 4000, 0.0)
    model = build(feed)
    record, x = draw(rng, 12_000, 0.05)
    y = labels(rng, record)
    model.compile(keras.optimizers.Adam(5e-3), loss={task: "binary_crossentropy" for task in y})
    model.fit(x, y, batch_size=256, epochs=6, verbose=0)
    record, x = draw(rng, 4000, 0.05)
    y, outputs = labels(rng, record), model(x)
    print("keras-records:", {task: f"AUC {auc(outputs[task].numpy()[:, 0], y[task]):.4f}" for task in y})

    path = folder("keras-records")
    model.save(path / "model.keras")
    record, x = draw(rng, 1000, 0.15)
    outputs = {task: out.numpy()[:, 0] for task, out in model(x).items()}
    assert all(np.isfinite(out).all() for out in outputs.values())
    records.write(path / "rows.csv", record, outputs)
    write_vectors(path / "vectors.npz", model, x, outputs)


if __name__ == "__main__":
    main()
