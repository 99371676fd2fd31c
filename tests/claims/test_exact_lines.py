"""Parallel lines: the exact divergences, and optimal transport of samples."""

import math

import numpy as np
import pytest

from ganbench.claims.exact.lines import LineDivergences, line_divergences, line_samples, sampled_w1
from ganbench.metrics.transport import exact_distance


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
