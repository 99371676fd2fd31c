"""The Frechet distance between samples, and when there is none."""

import numpy as np
import pytest
from refusals import refused
from scipy.linalg import sqrtm

from ganbench.errors import SampleError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import FrechetDistance


def measured(features):
    n = len(features)
    return Measured(features.astype(np.float32), features, np.zeros(n, np.int64), np.ones(n, bool), 1)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_it_is_the_distance_of_the_fitted_gaussians(rng):
    mixing = rng.normal(size=(5, 5))
    fake, real = rng.normal(0.3, 1, size=(300, 5)) @ mixing, rng.standard_t(5, size=(200, 5))
    c1, c2 = np.cov(fake.T), np.cov(real.T)
    expected = ((fake.mean(0) - real.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert FrechetDistance().value(measured(fake), measured(real)) == pytest.approx(expected, rel=1e-9)


def test_it_approaches_the_closed_form_of_two_gaussians(rng):
    fake, real = rng.normal([1, 0], [2, 1], size=(200_000, 2)), rng.normal(size=(200_000, 2))
    assert FrechetDistance().value(measured(fake), measured(real)) == pytest.approx(1 + (2 - 1) ** 2, rel=0.02)


def test_a_shift_adds_its_square(rng):
    real = rng.normal(size=(500, 3))
    assert FrechetDistance().value(measured(real + np.array([0, 2, 1])), measured(real)) == pytest.approx(5)


def test_it_is_biased_upward_the_more_so_the_fewer_samples(rng):
    few, many = (
        np.mean([FrechetDistance().value(*(measured(rng.normal(size=(n, 8))) for _ in "ab")) for _ in range(20)])
        for n in (50, 500)
    )
    assert few > 5 * many > 0


@pytest.mark.parametrize(("n_fake", "n_real", "side"), [(4, 50, "fake"), (50, 4, "real")])
def test_no_more_samples_than_features_is_an_error(rng, n_fake, n_real, side):
    sets = [measured(rng.normal(size=(n, 4))) for n in (n_fake, n_real)]
    with refused(SampleError, subject="fid", code="few", side=side, got=4, wanted=5):
        FrechetDistance().value(*sets)
    assert FrechetDistance().value(measured(rng.normal(size=(5, 4))), measured(rng.normal(size=(5, 4)))) > 0
