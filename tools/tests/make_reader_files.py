"""Writes tests/fixtures/readers/: small files of the shapes that real weights files come in.

Run from the workspace root with torch 2.15.0, keras 3.15.1, h5py 3.16.0 and numpy 2.4.6 installed. `expected.npz` holds what
`views.pt` and `views_legacy.pt` must read as.

`records.npz` is what the Python of docs/data.md writes, with three rows for a model.

Not made here, but by the frameworks themselves, of small models: `numpy_scalar.pt` and `defaultdict.pt` (torch, a state dict beside such objects), `lightning.ckpt` (a checkpoint with Lightning's
keys), `weight_norm.pt` (the old `weight_norm` on every layer), `tied.safetensors` (`save_model` of tied towers), `unnamed.keras` (Keras 3.5.0, which wrote no names of layers).
"""

import os
import pathlib
import zipfile
import zlib

os.environ["KERAS_BACKEND"] = "torch"

import h5py
import keras
import ml_dtypes
import numpy
import torch

OUT = pathlib.Path("tests/fixtures/readers")
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)
keras.utils.set_random_seed(1)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = torch.nn.ModuleList(torch.nn.Linear(3, 2) for _ in range(2))
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.experts[0](x) + self.experts[1](x))


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def torch_files():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    views = {
        "whole": base,
        "transposed": base.t(),
        "column": base[:, 2],
        "window": base[1:3, 2:5],
        "stepped": base[::2, 1::3],
        "expanded": base[0, :1].expand(5),
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
        "scalar": torch.tensor(1.5),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "f16": torch.tensor([1.5, -2.25, 6e-8, 65504.0], dtype=torch.float16),
        "bf16": torch.tensor([1.5, -2.25, 1e30], dtype=torch.bfloat16),
        "f64": torch.tensor([0.1, -1e-300], dtype=torch.float64),
        "i64": torch.tensor([3, -(2**40)]),
        "i32": torch.tensor([-7], dtype=torch.int32),
        "i16": torch.tensor([-300], dtype=torch.int16),
        "i8": torch.tensor([-128], dtype=torch.int8),
        "u8": torch.tensor([255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
    }
    torch.save(views, OUT / "views.pt")
    torch.save(views, OUT / "views_legacy.pt", _use_new_zipfile_serialization=False)
    numpy.savez(OUT / "expected.npz", **{k: v.detach().float().contiguous().numpy() for k, v in views.items()})

    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    parallel = torch.nn.DataParallel(net)
    torch.save(
        {
            "epoch": 3,
            "model_state_dict": parallel.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
        },
        OUT / "checkpoint.pt",
    )
    torch.save(net.state_dict(), OUT / "state_dict.h5")
    torch.save({"first": net.state_dict(), "second": net.state_dict()}, OUT / "two.pt")
    torch.save(net, OUT / "module.pt")
    torch.save(Evil(), OUT / "evil.pt")
    torch.jit.script(net).save(OUT / "scripted.tmp")
    # Less the members that name source files of this machine.
    with zipfile.ZipFile(OUT / "scripted.tmp") as full, zipfile.ZipFile(OUT / "scripted.pt", "w") as out:
        for name in full.namelist():
            if not name.endswith(".debug_pkl"):
                out.writestr(zipfile.ZipInfo(name), full.read(name))
    (OUT / "scripted.tmp").unlink()


def keras_files():
    x = keras.Input((3,), name="x")
    h = x
    for i in range(12):
        h = keras.layers.Dense(2, activation="relu")(h)
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.Dropout(0.5)(h)
    out = keras.layers.Dense(1, name="income")(h)
    model = keras.Model(x, out)
    model.compile("adam", "mse")
    model.fit(numpy.zeros((8, 3)), numpy.zeros((8, 1)), verbose=0)
    model.save(OUT / "deep.keras")
    model.save(OUT / "deep_full.h5")
    model.save_weights(OUT / "deep.weights.h5")
    numpy.savez(OUT / "deep.npz", **{v.path: v.numpy() for v in model.weights if "seed" not in v.path})


def numpy_files():
    square = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    numpy.save(OUT / "plain.npy", square)
    numpy.savez_compressed(
        OUT / "orders.npz",
        c=square,
        fortran=numpy.asfortranarray(square),
        big=square.astype(">f4"),
        double=square.astype("<f8"),
    )
    numpy.savez(OUT / "strings.npz", names=numpy.array(["a", "b"]))
    numpy.savez(OUT / "objects.npz", objects=numpy.array([{}, None], dtype=object))


def hdf5_files():
    values = numpy.arange(600, dtype=numpy.float32).reshape(20, 30) / 8
    with h5py.File(OUT / "odd.weights.h5", "w") as f:
        f["layers/dense/vars/0"] = values.astype("float16")
        f["layers/dense/vars/1"] = values.astype(">f4")
        f.create_dataset("layers/dense/vars/2", data=values, chunks=(7, 8), compression="gzip", shuffle=True)
        f["layers/dense/vars/10"] = numpy.float64(0.5)
        f["layers/dropout/seed_generator/vars/0"] = numpy.array([1, 2], dtype=numpy.uint32)
        f["optimizer/vars/0"] = numpy.int64(3)
    # As Keras 2 with an old h5py wrote it, its lists split because they were too long for one attribute.
    with h5py.File(OUT / "split.h5", "w") as f:
        f.attrs["layer_names0"] = numpy.array([b"second", b"first"])
        f.attrs["layer_names1"] = numpy.array([b"third"])
        for i, layer in enumerate(["second", "first", "third"]):
            f[f"{layer}/{layer}/kernel:0"] = values[i]
            f[f"{layer}/{layer}/bias:0"] = values[i, :2]
            f[layer].attrs["weight_names"] = numpy.array([f"{layer}/kernel:0".encode(), f"{layer}/bias:0".encode()])
    # As Keras 3 writes weights under a policy of bfloat16, and those of a quantized layer.
    with h5py.File(OUT / "bf16.weights.h5", "w") as f:
        group = f.create_group("layers/dense/vars")
        kernel = group.create_dataset("0", data=numpy.array([[1.5, -2.25], [0.0078125, 1e30]], dtype=ml_dtypes.bfloat16))
        kernel.attrs["dtype"] = "bfloat16"
        group["1"] = numpy.array([1, 2], "f2")
    with h5py.File(OUT / "int8.weights.h5", "w", libver="latest") as f:
        f["layers/dense/vars/0"] = numpy.array([[1, -2]], "i1")
        f["layers/dense/vars/1"] = numpy.array([1.0], "f4")
    with h5py.File(OUT / "cyclic.h5", "w") as f:
        a = f.create_group("a")
        a["again"] = a
        a["root"] = f["/"]
        a["weight"] = values
    with h5py.File(OUT / "links.h5", "w") as f:
        a = f.create_group("a")
        for i in range(200):
            a[f"link{i}"] = a
    # Each string of the attribute is one and the same long string in the file.
    path = OUT / "references.h5"
    with h5py.File(path, "w") as f:
        names = ["y" * 20_000] + ["x"] * 999
        f.attrs.create("layer_names", names, dtype=h5py.string_dtype())
    content = path.read_bytes()
    at = content.find((20_000).to_bytes(4, "little"))
    path.write_bytes(content[:at] + content[at : at + 16] * 1000 + content[at + 16_000 :])
    with h5py.File(OUT / "bomb.h5", "w") as f:
        weight = f.create_dataset("weight", shape=(16, 16), dtype="f4", chunks=(16, 16), compression="gzip")
        weight.id.write_direct_chunk((0, 0), zlib.compress(bytes(50_000_000)))
    with h5py.File(OUT / "huge.h5", "w") as f:
        f.create_dataset("weight", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64))
    with h5py.File(OUT / "huge_chunk.h5", "w") as f:
        f.create_dataset("chunk", shape=(4,), maxshape=(None,), dtype="f4", chunks=(1 << 28,))


def records_file():
    """The layout that docs/data.md shows: fields, the framework's outputs and labels in one archive."""
    records = {
        "country": numpy.array(["DE", "", "FR"]),
        "history": numpy.array([[3, 17, 0], [0, 0, 0], [5, 0, 0]]),
        "income": numpy.array([1.5, numpy.nan, 2.0], numpy.float32),
    }
    click, buy = numpy.array([[0.1], [0.2], [0.3]]), numpy.array([[0.4], [0.5], [0.6]])
    clicked = bought = numpy.array([0, 1, 0])
    numpy.savez(OUT / "records.npz", **records, p_click=click.reshape(-1), p_buy=buy.reshape(-1), click=clicked, buy=bought)


torch_files()
keras_files()
hdf5_files()
numpy_files()
records_file()
