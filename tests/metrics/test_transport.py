"""Exact and sliced Wasserstein distances against SciPy."""

import numpy as np
import pytest
from refusals import refused
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from ganbench.errors import MetricError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import SlicedWasserstein, Wasserstein


def measured(features):
    n = len(features)
    return Measured(features.astype(np.float32), features, np.zeros(n, np.int64), np.ones(n, bool), 1)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("m", [70, 41])
def test_both_agree_with_scipy_in_one_dimension(rng, m):
    fake, real = rng.normal(1, 2, size=(70, 1)), rng.normal(size=(m, 1))
    expected = wasserstein_distance(fake[:, 0], real[:, 0])
    assert Wasserstein().value(measured(fake), measured(real)) == pytest.approx(expected, rel=1e-9)
    assert SlicedWasserstein().value(measured(fake), measured(real)) == pytest.approx(expected, rel=1e-9)


def test_exact_distance_is_the_cheapest_assignment(rng):
    fake, real = rng.normal(0.5, 1, size=(60, 3)), rng.normal(size=(60, 3))
    costs = np.linalg.norm(fake[:, None] - real, axis=-1)
    expected = costs[linear_sum_assignment(costs)].mean()
    assert Wasserstein().value(measured(fake), measured(real)) == pytest.approx(expected, rel=1e-9)


def test_a_shift_costs_its_length(rng):
    real = rng.normal(size=(50, 2))
    assert Wasserstein().value(measured(real + np.array([3, 4])), measured(real)) == pytest.approx(5)
    assert Wasserstein().value(measured(real), measured(real)) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("m", [80, 33])
def test_sliced_distance_is_the_mean_over_its_fixed_directions(rng, m):
    fake, real = rng.normal(0.5, 1, size=(80, 3)), rng.normal(size=(m, 3))
    directions = np.random.default_rng(0).standard_normal((200, 3))
    directions /= np.sqrt((directions**2).sum(axis=1))[:, None]
    expected = np.mean([wasserstein_distance(fake @ u, real @ u) for u in directions])
    assert SlicedWasserstein().value(measured(fake), measured(real)) == pytest.approx(expected, rel=1e-9)


def test_a_shift_costs_its_mean_projection(rng):
    real = rng.normal(size=(50, 2))
    value = SlicedWasserstein(projections=20_000).value(measured(real + np.array([0, 1])), measured(real))
    assert value == pytest.approx(2 / np.pi, rel=0.02)  # the mean of |cos|


def test_large_sets_are_thinned_by_a_fixed_choice(rng):
    fake, real = rng.normal(1, 1, size=(300, 2)), rng.normal(size=(200, 2))
    thinned = Wasserstein(samples=100).value(measured(fake), measured(real))
    assert thinned == Wasserstein(samples=100).value(measured(fake), measured(real))
    assert thinned != Wasserstein(samples=100, seed=1).value(measured(fake), measured(real))
    assert thinned == pytest.approx(Wasserstein().value(measured(fake), measured(real)), rel=0.2)


def test_an_unsolved_program_is_an_error(rng, monkeypatch):
    monkeypatch.setattr("ganbench.metrics.transport.MAX_ITERATIONS", 3)
    with (
        pytest.warns(UserWarning, match="numItermax"),
        refused(MetricError, subject="w1", code="unsolved"),
    ):
        Wasserstein().value(measured(rng.normal(size=(50, 2))), measured(rng.normal(size=(50, 2))))
