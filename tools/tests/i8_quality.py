#!/usr/bin/env python3
"""How far the outputs of I8 blobs are from a framework's own, over a folder of models.

    i8_quality.py FOLDER MMOE [--list]

`FOLDER/INDEX.tsv` names the models: columns `folder`, `id` and `file` (the weights). Beside the weights
lie `ID.tasks.toml`, `ID.golden.npz` and, where there are calibration rows, `ID.calib.npz`; without these
a model is calibrated on its golden rows. Differences are shares of the range that the framework's outputs
span. Exits with 1 where a model's worst is beyond 0.1 or its median beyond 0.005. `--list` also shows why
the other files do not convert.
"""
import ast
import csv
import os
import struct
import subprocess
import sys
import tempfile
import zipfile

WORST, MEDIAN = 0.1, 0.005


def arrays(path):
    """The arrays of an .npz file as {name: (shape, numbers)}, without NumPy."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            size, at = (struct.unpack("<H", data[8:10])[0], 10) if data[6] == 1 else (struct.unpack("<I", data[8:12])[0], 12)
            header = ast.literal_eval(data[at:at + size].decode())
            code = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i"}[header["descr"]]
            found[name[:-4]] = (header["shape"], [v for (v,) in struct.iter_unpack("<" + code, data[at + size:])])
    return found


def differences(golden, outputs):
    """Every output's difference in shares of its range, with its task and row."""
    rows = golden["x"][0][0]
    for name in outputs.keys() & golden.keys():
        expected, found = golden[name][1], outputs[name][1]
        width = len(expected) // rows
        for column in range(width):
            wanted = expected[column::width]
            span = max(max(wanted) - min(wanted), 1e-9)
            for row, (a, b) in enumerate(zip(wanted, found[column::width])):
                yield abs(a - b) / span, name, row


def measure(weights, base, mmoe):
    """The sorted differences of one model, or why there are none."""
    golden, calibration = base + ".golden.npz", base + ".calib.npz"
    rows = calibration if os.path.exists(calibration) else golden
    with tempfile.TemporaryDirectory() as place:
        blob, outputs = os.path.join(place, "m.mmoe"), os.path.join(place, "y.npz")
        made = subprocess.run(
            [mmoe, "convert", weights, "--spec", base + ".tasks.toml", "--precision", "i8",
             "--calibration", rows, "--golden", golden, "-o", blob], capture_output=True, text=True)
        if made.returncode:
            return None, made.stderr.strip().split("\n")[0]
        subprocess.run([mmoe, "run", blob, "--input", golden, "-o", outputs], check=True, capture_output=True)
        return sorted(differences(arrays(golden), arrays(outputs))), ""


def main():
    folder, mmoe = sys.argv[1], os.path.abspath(sys.argv[2])
    with open(os.path.join(folder, "INDEX.tsv")) as file:
        index = list(csv.DictReader(file, delimiter="\t"))
    models = []
    for entry in index:
        place = os.path.join(folder, entry["folder"])
        found, why = measure(os.path.join(place, entry["file"]), os.path.join(place, entry["id"]), mmoe)
        name = os.path.join(entry["folder"], entry["file"])
        if found:
            models.append((found[-1], found[len(found) // 2][0], name, [d for d, *_ in found]))
        elif "--list" in sys.argv:
            print(f"refused {name}: {why[:150]}")
    for (worst, task, row), median, name, _ in sorted(models, reverse=True):
        print(f"{name}\tworst {worst:.5f} ({task}, row {row})\tmedian {median:.6f}")
    every = sorted(d for *_, all_of_it in models for d in all_of_it)
    beyond = sum(worst[0] > WORST or median > MEDIAN for worst, median, *_ in models)
    print(f"{len(models)} of {len(index)} convert; worst {every[-1]:.5f}, median {every[len(every) // 2]:.6f}; {beyond} beyond {WORST} or a median of {MEDIAN}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
