"""Converts every graph that `export.py` wrote: `python check.py OUT path/to/mmoe [part of a name…]`.

Each is converted with nothing but the file, then run on the golden rows. Counted are those that come
out right, those that are refused, and those that give other numbers, of which there may be none.
"""

import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TOLERANCE = 1e-5


def output(found, name):
    """The columns of one output of the file: a task of its own, or numbered tasks."""
    if name in found:
        return found[name]
    columns = []
    while f"{name}_{len(columns)}" in found:
        columns.append(found[f"{name}_{len(columns)}"])
    return np.concatenate(columns, axis=1) if columns else None


def check(folder, mmoe, blob):
    info = json.loads((folder / "info.json").read_text())
    golden = np.load(folder / "golden.npz")
    made = subprocess.run(
        [mmoe, "convert", folder / info["file"], "-o", blob], capture_output=True, text=True
    )
    refuse = info.get("refuse")
    if made.returncode:
        why = made.stderr.strip()
        if "panicked" in why or made.returncode not in (1, 2, 3):
            return "panicked", why
        if refuse:
            lacks = [w for w in refuse if w not in why]
            return ("refused for another reason", why) if lacks else ("refused as it should", "")
        return "refused", why
    out, data = blob.with_suffix(".npz"), folder / "golden.npz"
    if "records" in info:
        data = folder / info["records"]
    elif "fields" in info:
        # A blob that takes records wants their fields by name, and ids without a point.
        data = blob.with_suffix(".csv")
        rows = [",".join(f"{v:.9g}" for v in row) for row in golden["x"]]
        data.write_text("\n".join([",".join(info["fields"]), *rows]) + "\n")
    ran = subprocess.run(
        [mmoe, "run", blob, "--data", data, "-o", out], capture_output=True, text=True
    )
    if ran.returncode:
        return "does not run", ran.stderr.strip()
    found = np.load(out)
    worst = 0.0
    for name in info["outputs"]:
        values = output(found, name)
        if values is None or values.shape != golden[name].shape:
            return "other outputs", f"{name} is none of {list(found)}"
        largest = max(1.0, np.abs(golden[name]).max())
        worst = max(worst, np.abs(values - golden[name]).max() / largest)
    if refuse:
        return ("right, though a refusal was expected", "") if worst < TOLERANCE else ("wrong", f"{worst:.1e}")
    right = worst <= info.get("tolerance", TOLERANCE)
    return ("right", "") if right else ("wrong", f"worst {worst:.1e}")


def main():
    out, mmoe, only = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    counts, frameworks = collections.Counter(), collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as place:
        for folder in sorted(p.parent for p in out.glob("*/info.json")):
            if only and not any(o in folder.name for o in only):
                continue
            verdict, why = check(folder, mmoe, Path(place) / "m.mmoe")
            counts[verdict] += 1
            framework = json.loads((folder / "info.json").read_text())["framework"]
            frameworks[framework][verdict] += 1
            if why:
                print(f"{folder.name}: {verdict}: {why}")
    for framework, verdicts in sorted(frameworks.items()):
        print(f"{framework:16}", ", ".join(f"{n} {v}" for v, n in verdicts.items()))
    wanted = sum(counts.values()) - counts["refused as it should"]
    print(f"{counts['right']} of {wanted} right;", dict(counts))
    bad = sum(counts[v] for v in ("wrong", "panicked", "does not run", "other outputs",
                                  "refused for another reason"))
    sys.exit(0 if not bad and counts["right"] >= 0.95 * wanted else 1)


if __name__ == "__main__":
    main()
