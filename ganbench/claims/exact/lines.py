"""Learning parallel lines: Arjovsky, Chintala & Bottou (2017), Example 1.

Real points (0, y) and generated points (θ, y), y uniform on [0, 1]: every divergence but W is blind to how far
apart the lines are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbench.claims.exact.divergences import js, kl, tv
from ganbench.metrics.transport import exact_distance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LineDivergences:
    """How far apart two parallel lines are.

    Attributes:
        theta: position of the generated line; the real one is at 0.
        kl: KL(P_r‖P_g), in nats.
        reverse_kl: KL(P_g‖P_r), in nats.
        js: Jensen-Shannon divergence, in nats.
        tv: total variation, from 0 to 1.
        w1: 1-Wasserstein distance, in the units of θ.
    """

    theta: float
    kl: float
    reverse_kl: float
    js: float
    tv: float
    w1: float


def line_divergences(theta: float) -> LineDivergences:
    """All divergences, exactly.

    Given its line, a point's y has the same law under both, so an f-divergence is that of the lines alone: of two
    atoms, which are one where θ = 0. Every y moves straight across: W = |θ|.
    """
    real, fake = ([1.0], [1.0]) if theta == 0 else ([1.0, 0.0], [0.0, 1.0])
    return LineDivergences(theta, kl(real, fake), kl(fake, real), js(real, fake), tv(real, fake), abs(float(theta)))


def line_samples(theta: float, n: int, rng: np.random.Generator) -> Array:
    """Points (n, 2) of the line at θ."""
    return np.column_stack([np.full(n, theta), rng.random(n)])


def sampled_w1(theta: float, n: int, rng: np.random.Generator) -> float:
    """1-Wasserstein distance of n points of either line, by POT's network simplex.

    At least |θ|, and above it by no more than the distance between the two samples of y.
    """
    return exact_distance(line_samples(theta, n, rng), line_samples(0.0, n, rng))
