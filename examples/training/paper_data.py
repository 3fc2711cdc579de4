"""Synthetic data of "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts" (KDD 2018), section 3.2.

y_k = w_k·x + sum_i sin(alpha_i w_k·x + beta_i) + noise, with w_1 and w_2 of norm C at the cosine that is asked for.
ALPHA, BETA and the seed decide how much the labels correlate, so they are fixed here.
"""

import numpy as np

D, C, NOISE = 100, 0.3, 0.1
ALPHA = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
BETA = np.array([0.1, 0.7, -0.4, 1.2, -0.9])
SEED = 2018


def weights(cosine):
    rng = np.random.default_rng(SEED)
    u, _ = np.linalg.qr(rng.standard_normal((D, 2)))
    return C * u[:, 0], C * (cosine * u[:, 0] + np.sqrt(1 - cosine**2) * u[:, 1])


def rows(rng, count, cosine, step=None):
    """`x`, rounded to multiples of `step` if that is given, and the labels of both tasks, float32."""
    x = rng.standard_normal((count, D))
    if step:
        x = np.round(x / step) * step
    labels = []
    for w in weights(cosine):
        z = x @ w
        labels.append(z + np.sin(np.outer(z, ALPHA) + BETA).sum(1) + NOISE * rng.standard_normal(count))
    return [a.astype("float32") for a in (x, *labels)]
