"""What the scripts of models with raw records share: rows of records as CSV, beside the framework's own outputs.

A record's columns stand under the fields' names; items of a list are joined by `|`; an empty cell is missing, or an empty list.
The framework's outputs stand behind them as `p_<task>`, with as many digits as an f32 needs to be read back exactly.
"""

import csv
import math

import numpy as np


def cell(value, separator="|"):
    """One value of a record as CSV text."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return separator.join(cell(v) for v in value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return "" if math.isnan(value) else f"{np.float32(value):.9g}"
    return "" if value is None else str(value)


def write(path, records, outputs, separator="|"):
    """`records`: name → one value per row; `outputs`: task → one f32 per row."""
    columns = records | {f"p_{task}": np.asarray(y, np.float32) for task, y in outputs.items()}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(value, separator) for value in row] for row in zip(*columns.values(), strict=True))


def zipf(rng, values, count, power=1.0):
    """`count` draws from `values`, the first the most frequent."""
    p = 1 / np.arange(1, len(values) + 1) ** power
    return [values[i] for i in rng.choice(len(values), size=count, p=p / p.sum())]
