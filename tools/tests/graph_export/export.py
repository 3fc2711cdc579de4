"""Writes the graphs: `python export.py OUT [part of a name…]`.

`check.py` then converts each without a spec and compares what comes out with what the framework
computed. Each module of cases runs by itself: PyTorch's exporter and TensorFlow do not bear each
other in one process.
"""

import importlib
import subprocess
import sys

MODULES = ("torch_cases", "arranged_torch", "keras_cases", "arranged_keras", "fields_torch", "fields_keras")

if __name__ == "__main__":
    out, *only = sys.argv[1:]
    if only and only[0] in MODULES:
        import common

        importlib.import_module(only[0])
        # Not what it borrows from.
        borrowed = {"arranged_torch": "torch_cases", "arranged_keras": "keras_cases"}.get(only[0])
        before = set(sys.modules[borrowed].ALL) if borrowed else set()
        own = {n: c for n, c in common.CASES.items() if n not in before}
        common.CASES.clear()
        common.CASES.update(own)
        sys.exit(1 if common.run(out, only[1:]) else 0)
    ran = [subprocess.run([sys.executable, __file__, out, m, *only]).returncode for m in MODULES]
    sys.exit(max(ran))
