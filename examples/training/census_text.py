"""Records of text for `keras-mmoe-census`: 11 numbers and 29 fields of tokens, as `pandas.get_dummies` turned them into its 499 columns.

The groups have the sizes of the data that the model was trained on; the tokens and the rows are made up, since the data may not be published.
The layers are evaluated in PyTorch by `shared_golden.py`, which was held against the run that trained the model.
"""

import json

import numpy as np
import pandas as pd
import torch

from fixture import folder, numpy, seed
from shared_golden import census

SIZES = [9, 52, 47, 17, 3, 24, 15, 5, 10, 2, 3, 6, 8, 6, 6, 51, 37, 8, 10, 9, 10, 3, 4, 5, 43, 43, 43, 5, 4]
NAMES = (
    "class of worker;industry;occupation;education;enrolled;major industry;major occupation;race;hispanic origin;sex;union;unemployment;"
    "employment;tax filer;previous region;previous state;household;household summary;msa move;region move;within region;same house;sunbelt;"
    "parents;father born;mother born;self born;citizenship;own business"
).split(";")
WORDS = "Not in universe,Private,Retail trade,Local government,Never married,Householder,All other,Manufacturing,Nonmover,United States".split(",")


def tokens(size):
    """Codes for two of the fields, as in the data; else words with a blank in front, most of them unlike in length."""
    if size in (52, 47):
        return [str(n) for n in range(size)]
    return [f" {WORDS[n % len(WORDS)]}{'' if n < len(WORDS) else f' {n}'}" for n in range(size)]


def records(rng, rows):
    """Numbers as they enter the model, and a token of each field, the first ones oftener than the last."""
    frame = pd.DataFrame({f"number {n}": rng.standard_normal(rows).astype("float32") for n in range(11)})
    for name, size in zip(NAMES, SIZES):
        frame[name] = [tokens(size)[int(size * u * u)] for u in rng.random(rows)]
    return frame


def columns():
    return [f"number {n}" for n in range(11)] + [f"{name}_{token}" for name, size in zip(NAMES, SIZES) for token in tokens(size)]


def vectors(frame):
    """The 499 columns; a token that is none of them has no column."""
    dummies = pd.get_dummies(frame, columns=NAMES, dtype="float32")
    return torch.from_numpy(dummies.reindex(columns=columns(), fill_value=0).to_numpy("float32"))


def main():
    out = folder("census-text")
    frame = records(seed(29), 128)
    # What training never saw, and nothing at all.
    frame.loc[::16, "education"] = "unheard of"
    frame.loc[5::16, "race"] = None
    frame.loc[9::16, "sex"] = "Private"
    y = census(vectors(frame))
    for task in ["income", "marital"]:
        for n in range(2):
            frame[f"p_{task}_{n}"] = numpy(y[task])[:, n]
    frame.to_csv(out / "rows.csv", index=False)
    (out / "columns.json").write_text(json.dumps(columns(), indent=0) + "\n")
    fields = [f'[[fields]]\nname = "number {n}"\ngiven = "f32"\nrange = [-6.0, 6.0]\n' for n in range(11)]
    fields += [f'[[fields]]\nname = "{name}"\ngiven = "text"\none_hot = true\n' for name in NAMES]
    tasks = [f'[[tasks]]\nname = "{task}"\nactivation = "softmax"\n' for task in ["income", "marital"]]
    spec = 'name = "census"\n\n' + "".join(fields) + '\n[order]\ncolumns = "columns.json"\n\n' + "".join(tasks)
    (out / "spec.toml").write_text(spec)
    assert len(columns()) == len(set(columns())) == 11 + sum(SIZES) == 499
    assert np.isfinite(y["income"].numpy()).all()


if __name__ == "__main__":
    main()
