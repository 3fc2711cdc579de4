"""Rows of raw fields: texts, ids, lists and numbers."""

import numpy as np

from common import ROWS

CITIES = ["Berlin", "Paris", "Rome", "007", "12"]
PLANS = [10, 20, 35]


def records(seed=5):
    """Rows of all fields; every seventh text and plan is one that no model knows."""
    random = np.random.default_rng(seed)
    every = np.arange(ROWS) % 7 == 6
    city = np.where(every, "Atlantis", random.choice(CITIES, ROWS))
    plan = np.where(every, 99, random.choice(PLANS, ROWS))
    history = random.integers(1, 11, (ROWS, 5)) * (np.arange(5) < random.integers(0, 6, (ROWS, 1)))
    tags = np.where(history > 0, np.array(["", *"abcdefghij"])[history], "")
    return {
        "city": city.astype(object),
        "plan": plan.astype(np.int64),
        "user": random.integers(0, 7, ROWS).astype(np.int64),
        "item": random.integers(1, 11, ROWS).astype(np.int64),
        "age": random.choice([17.5, 18.0, 29.0, 30.0, 44.9, 45.0, 70.0], ROWS).astype(np.float32),
        "income": random.uniform(-2, 3, ROWS).astype(np.float32),
        "history": history.astype(np.int64),
        "tags": tags.astype(object),
    }


def chosen(names):
    all_of_them = records()
    return {n: all_of_them[n] for n in names}
