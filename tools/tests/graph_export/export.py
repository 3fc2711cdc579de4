"""Writes the graphs: `python export.py OUT [part of a name…]`.

`check.py` then converts each without a spec and compares what comes out with what the framework
computed.
"""

import sys

import common
import torch_cases  # noqa: F401
import keras_cases  # noqa: F401

if __name__ == "__main__":
    failed = common.run(sys.argv[1], sys.argv[2:])
    sys.exit(1 if failed else 0)
