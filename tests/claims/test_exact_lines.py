"""Parallel lines: the exact divergences, and optimal transport of samples."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from oracles.divergences import js, kl, tv

from ganbench.claims.parallel_lines import line_samples, sampled_w1
from ganbench.metrics.transport import exact_distance


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


@pytest.mark.parametrize("theta", [-1.0, -0.5, 1e-9, 0.5, 2.0])
def test_apart_all_but_w_are_constant(theta):
    assert line_divergences(theta) == LineDivergences(theta, math.inf, math.inf, math.log(2), 1.0, abs(theta))


def test_on_top_of_each_other_all_are_zero():
    assert line_divergences(0.0) == LineDivergences(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_samples_lie_uniformly_on_their_line():
    points = line_samples(0.5, 4000, np.random.default_rng(0))
    assert points.shape == (4000, 2)
    assert (points[:, 0] == 0.5).all()
    assert points[:, 1].mean() == pytest.approx(0.5, abs=0.02)
    assert points[:, 1].var() == pytest.approx(1 / 12, abs=0.005)


@pytest.mark.parametrize("theta", [-1.0, 0.25])
def test_the_same_heights_on_both_lines_are_exactly_theta_apart(theta):
    fake, real = (line_samples(t, 200, np.random.default_rng(0)) for t in (theta, 0.0))
    assert exact_distance(fake, real) == pytest.approx(abs(theta), rel=1e-12)


@pytest.mark.parametrize("theta", [0.0, -0.1, 0.1, 0.5, 1.0])
def test_w_of_samples_is_theta_and_at_most_the_distance_of_the_heights_more(theta):
    rng = np.random.default_rng(1)
    fake, real = line_samples(theta, 300, rng), line_samples(0.0, 300, rng)
    heights = np.abs(np.sort(fake[:, 1]) - np.sort(real[:, 1])).mean()
    w1 = sampled_w1(theta, 300, np.random.default_rng(1))
    assert abs(theta) <= w1 <= abs(theta) + heights + 1e-12
    assert heights < 0.06
