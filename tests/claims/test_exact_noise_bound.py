"""Theorem 3.3 of Arjovsky & Bottou (2017), with noise cut off; the pieces against SciPy."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import truncnorm

from ganbench.claims.exact.noise_bound import (
    NoiseBound,
    TruncatedGaussian,
    lines_bound,
    noised_js,
    points_bound,
)

THETAS, SIGMAS = (0.1, 0.2, 0.5, 1.0, 2.0), (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def bounds_grid(thetas, sigmas):
    return [bound(theta, sigma) for theta, sigma in product(thetas, sigmas) for bound in (points_bound, lines_bound)]


@pytest.mark.parametrize(("sigma", "cut"), [(0.5, 4.0), (2.0, 1.0), (1.0, 2.5)])
def test_the_noise_is_scipys_truncated_normal(sigma, cut):
    noise, known = TruncatedGaussian(sigma, cut), truncnorm(-cut, cut, scale=sigma)
    assert noise.variance == pytest.approx(known.var(), rel=1e-9)
    assert noise.mean_absolute == pytest.approx(2 * quad(lambda x: x * known.pdf(x), 0, cut * sigma)[0], rel=1e-9)
    points = np.array([-1.01, -0.5, 0.0, 0.99, 1.01]) * noise.reach
    np.testing.assert_allclose(noise.density(points), known.pdf(points), rtol=1e-12)


def test_noise_moves_a_point_by_at_most_the_root_of_its_variance():
    """Lemma 4, W(P_x, P_{x+ε}) ≤ √V: .798 of it for all but cut normals."""
    ratios = [TruncatedGaussian(sigma).mean_absolute / math.sqrt(TruncatedGaussian(sigma).variance) for sigma in SIGMAS]
    assert ratios == pytest.approx([math.sqrt(2 / math.pi)] * len(SIGMAS), rel=1e-3)


@pytest.mark.parametrize(("theta", "sigma"), [(0.1, 1.0), (1.0, 0.5), (1.0, 0.2), (-1.0, 0.5), (2.0, 2.0)])
def test_the_divergence_of_the_noised_points_is_adaptive_quadratures(theta, sigma):
    noise = truncnorm(-4, 4, scale=sigma)

    def integrand(x):
        p, q = noise.pdf(x), noise.pdf(x - theta)
        return sum(of * math.log(2 * of / (p + q)) for of in (p, q) if of > 0) / 2

    ends = sorted([-4 * sigma, 4 * sigma, theta - 4 * sigma, theta + 4 * sigma])
    pieces = [quad(integrand, *piece, epsabs=1e-11)[0] for piece in pairwise(ends)]
    assert noised_js(theta, TruncatedGaussian(sigma)) == pytest.approx(sum(pieces), abs=1e-8)


def test_the_divergence_goes_from_0_to_log_2():
    assert noised_js(0.0, TruncatedGaussian(1.0)) == 0
    assert noised_js(2.0, TruncatedGaussian(0.1)) == pytest.approx(math.log(2), rel=1e-12)  # the noise no longer meets
    rising = [noised_js(theta, TruncatedGaussian(1.0)) for theta in (0.1, 0.5, 1.0, 2.0, 4.0)]
    assert rising == sorted(rising)


def test_the_bound_by_hand():
    found = points_bound(1.0, 0.1)
    assert (found.w1, found.diameter) == (1.0, 1.8)
    assert found.bound == pytest.approx(2 * math.sqrt(found.variance) + 2 * 1.8 * math.sqrt(math.log(2)), rel=1e-6)
    assert found.bound == pytest.approx(3.2, abs=0.01)
    assert points_bound(1.0, 0.5).bound == pytest.approx(6.8, abs=0.01)
    assert found.tightness == pytest.approx(1 / found.bound)


def test_lines_share_the_points_divergence_in_a_larger_ball_with_twice_the_variance():
    points, lines = points_bound(0.5, 0.25), lines_bound(0.5, 0.25)
    assert (lines.js, lines.variance, lines.w1) == (points.js, 2 * points.variance, 0.5)
    assert lines.diameter == pytest.approx(math.hypot(2.5, 3.0))


def test_the_bound_holds_everywhere_and_is_loose():
    found = bounds_grid(THETAS, SIGMAS)
    assert len(found) == 60
    assert sum(b.violated for b in found) == 0
    assert min(b.tightness for b in found) == pytest.approx(0.0154, abs=1e-4)
    assert max(b.tightness for b in found) == pytest.approx(0.4883, abs=1e-4)


def test_neither_term_is_a_bound_by_itself():
    alone = [(2 * math.sqrt(b.variance), b.w1) for b in bounds_grid([1.0], [0.05])]
    assert all(first < w1 for first, w1 in alone)
    assert NoiseBound(theta=1.0, sigma=0.05, w1=1.0, variance=0.0025, diameter=1.4, js=0.01).violated
