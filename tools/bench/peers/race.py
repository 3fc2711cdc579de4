#!/usr/bin/env python3
"""Races the engine beside its peers, in turns and in one run, and writes their part of `docs/host.md`.

    race.py [--models BCW] [--batches 1,16,256,4096] [--threads 1,2] [--seconds S] [--census FOLDER] [--dry]

Compiles `mmoe-peers` (all Rust contestants), makes the files for the Python peers, and asks both sides turn
by turn, so that all meet the same machine. A turn is as many calls as fill 2 ms, and at least one; every
contestant of a race has as many turns as fit into `--seconds` (10), at least 3 and at most 40, and the
fastest counts. Peers that are not installed are named on the page. `--dry` prints the page's part and writes
nothing. `--census` is a folder with `test_set.npz` and `calibration.npz` of the census data, which
are not ours to publish; without it the page keeps the accuracy of that model out.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import accuracy

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs/host.md"
MADE = HERE.parent / "target/peers"
WORK = {"B": 24_112, "C": 27_312, "W": 1_364_224}
ONNX = {"B": "keras-mmoe-census", "C": "pytorch-edge"}
# In the order of the table.
KNOWN = ["plain loops", "mmoe F32", "mmoe W8", "mmoe I8", "TFLite f32", "TFLite int8", "onnxruntime", "PyTorch eager",
         "NumPy", "tract", "candle", "rten", "burn"]
INTEGER = {"mmoe I8", "TFLite int8"}


class Side:
    """A process that has contestants."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[0]} ended; what it said stands above")
        return line.rstrip("\n")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def sides(built, threads):
    """The Rust side and the Python side, each with so many threads."""
    counts = {name: str(threads) for name in ["RAYON_NUM_THREADS", "RTEN_NUM_THREADS", "OMP_NUM_THREADS",
                                              "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]}
    rust = Side([str(built)], counts)
    # Some systems name an old core for OpenBLAS, which makes NumPy slow.
    for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
        os.environ.pop(name, None)
    return rust, Side([sys.executable, str(HERE / "worker.py"), str(threads)], counts)


def onnx_file(model):
    return ROOT / "tests/fixtures" / ONNX[model] / "model.onnx" if model in ONNX else MADE / model / "model.onnx"


def export(built, models, rows):
    """Everything that peers need, in a folder for each model."""
    rust = Side([str(built)], {})
    for model in models:
        folder = MADE / model
        rust.ask("export", model, folder, rows)
        link = folder / "model.onnx"
        if model in ONNX:
            link.unlink(missing_ok=True)
            link.symlink_to(onnx_file(model))
        elif not link.exists():
            subprocess.run([sys.executable, str(HERE / "convert.py"), "onnx", str(folder)], check=True)
        subprocess.run([sys.executable, str(HERE / "convert.py"), "tflite", str(folder)], check=True)
    machine = json.loads(rust.ask("machine"))
    rust.close()
    return machine


def race(both, model, batch, seconds, plain=None):
    """The fastest µs per call of each contestant; plain loops do not run where their time is given."""
    rust, python = both
    names = [(rust, i, n) for i, n in enumerate(rust.ask("prepare", model, batch, onnx_file(model)).split("\t"))]
    names += [(python, i, n) for i, n in enumerate(python.ask("prepare", MADE / model, batch).split("\t"))]

    names = [n for n in names if plain is None or n[2] != KNOWN[0]]

    def turn(side, number, calls):
        return float(side.ask("time", number, calls)) / calls

    first = {name: min(turn(side, number, 1) for _ in range(2)) for side, number, name in names}
    calls = {name: max(1, min(100_000, int(0.002 / t))) for name, t in first.items()}
    once = sum(max(0.002, t) for t in first.values())
    best = dict(first)
    for _ in range(max(3, min(40, int(seconds / once)))):
        for side, number, name in names:
            # What another library's threads still do after its turn must not meet this one's.
            time.sleep(0.001)
            best[name] = min(best[name], turn(side, number, calls[name]))
    return ({} if plain is None else {KNOWN[0]: plain}) | {name: t * 1e6 for name, t in best.items()}


def shown(us):
    return f"{us:,.0f}" if us >= 100 else f"{us:.1f}" if us >= 10 else f"{us:.2f}"


def tables(results, machine):
    """One table for each thread count and model: µs per call and the ratio to plain loops."""
    peak = machine["fma"][-1][1] if machine["fma"] else None
    for threads in sorted({t for t, _, _ in results}):
        yield f"\n### {'One thread' if threads == 1 else f'{threads} threads'}\n"
        for model in sorted({m for _, m, _ in results}):
            batches = sorted(b for t, m, b in results if (t, m) == (threads, model))
            yield f"| {model} | " + " | ".join(f"batch {b:,}" for b in batches) + " | of the peak |"
            yield "|---" * (len(batches) + 2) + "|"
            for name in KNOWN:
                cells, share = [], ""
                for batch in batches:
                    found = results[threads, model, batch]
                    if name not in found:
                        cells.append("")
                        continue
                    cells.append(f"{shown(found[name])} · {found['plain loops'] / found[name]:.1f}")
                    if name not in INTEGER and peak:
                        rate = 2 * WORK[model] * batch / found[name] / 1e3
                        share = f"{100 * rate / (peak * threads):.0f} %"
                if any(cells):
                    yield f"| {name} | " + " | ".join(cells) + f" | {share} |"
            yield ""


def text(results, machine, load, versions, missing, accuracies):
    fma = ", ".join(f"{rate:.0f} GFLOP/s with {name}" for name, rate in machine["fma"])
    read = ", ".join(f"{rate:.0f} GB/s from {name}" for name, rate in machine["read"])
    lines = [
        "`tools/bench/peers/race.py` writes this part; do not edit it. A cell has µs per call and, behind the dot, the time",
        "of plain loops over it: above 1 is faster. All contestants of a column took turns in one run; *of the peak* is the share of the",
        "measured peak of fused multiply-adds (the widest vectors, times the threads) at the largest batch. Plain loops always run on one thread,",
        "one row after the other; for more than 256 rows their time is that of 256, scaled. `mmoe` splits a batch evenly over the threads. One",
        "thread is measured in processor time, which other work on the machine disturbs less than the clock on the wall; several by that clock.",
        "",
        f"The machine: {machine['processor']}. At best, one thread: fused multiply-adds {fma}; reading {read}.",
        f"When the race began, about {load:.0f} processes wanted its {os.cpu_count()} cores.",
        "",
        f"Peers: {versions}." + (f" Missing here, as they were not installed or not compiled: {', '.join(missing)}." if missing else ""),
        "TFLite is ai-edge-litert with XNNPACK; *int8* has int8 inputs and outputs, quantized before the race. A call from Python costs at least",
        f"{accuracies['call']:.2f} µs by itself here, which is a part of what NumPy, PyTorch, onnxruntime and TFLite take at batch 1.",
        *tables(results, machine),
        "### What the integers cost",
        "",
        *accuracies["lines"],
    ]
    return "\n".join(lines)


def put(page, name, body):
    """The page with `body` between its marks of that name; the marks stand there already."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = page.split(begin, 1)
    return before + begin + "\n" + body.strip() + "\n" + end + rest.split(end, 1)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="BCW")
    parser.add_argument("--batches", default="1,16,256,4096")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--built", type=Path)
    parser.add_argument("--census", type=Path)
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    batches = [int(b) for b in args.batches.split(",")]
    rust = args.built or HERE.parent / "target/release/mmoe-peers"
    if not args.built:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--target-dir", "../target"], cwd=HERE, check=True)
    machine = export(rust, args.models, max(256, *batches))
    load = os.getloadavg()[0]
    # Before the races, which take longest.
    accuracies = {"call": accuracy.call(), "lines": list(accuracy.table(MADE, args.census, not args.built))}
    results = {}
    for threads in (int(t) for t in args.threads.split(",")):
        both = sides(rust, threads)
        for model in args.models:
            for batch in batches:
                print(f"{threads} thread(s), {model}, batch {batch} …", file=sys.stderr)
                # A row costs plain loops the same in any batch, and many of them take seconds.
                known = results.get((threads, model, 256), {}).get(KNOWN[0]) if batch > 256 else None
                results[threads, model, batch] = race(both, model, batch, args.seconds, known and known * batch / 256)
        for side in both:
            side.close()
    found = set().union(*results.values())
    body = text(results, machine, load, accuracy.versions(found), [n for n in KNOWN if n not in found], accuracies)
    if args.dry:
        print(body)
    else:
        PAGE.write_text(put(PAGE.read_text(), "peers", body))


if __name__ == "__main__":
    main()
