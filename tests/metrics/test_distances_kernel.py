"""The kernel distance between samples."""

import numpy as np
import pytest
from refusals import refused

from ganbench.errors import SampleError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import KernelDistance


def measured(features):
    n = len(features)
    return Measured(features.astype(np.float32), features, np.zeros(n, np.int64), np.ones(n, bool), 1)


def unbiased(x, y):
    """The U-statistic of the squared maximum mean discrepancy, by matrices."""
    d = x.shape[1]
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    off = 1 - np.eye(len(x)), 1 - np.eye(len(y))
    return (xx * off[0]).sum() / off[0].sum() + (yy * off[1]).sum() / off[1].sum() - 2 * xy.mean()


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_sets_no_larger_than_a_subset_are_compared_whole(rng):
    fake, real = rng.normal(0.4, 1, size=(80, 3)), rng.normal(size=(80, 3))
    assert KernelDistance().value(measured(fake), measured(real)) == pytest.approx(unbiased(fake, real))


def test_larger_sets_are_compared_through_subsets(rng):
    fake, real = rng.normal(0.4, 1, size=(300, 3)), rng.normal(size=(200, 3))
    through_subsets = KernelDistance(subsets=400, subset_size=100).value(measured(fake), measured(real))
    assert through_subsets == pytest.approx(unbiased(fake, real), rel=0.1)
    assert through_subsets != KernelDistance(subsets=400, subset_size=100, seed=1).value(measured(fake), measured(real))


def test_the_smaller_set_bounds_the_subsets(rng):
    fake, real = rng.normal(2, 1, size=(300, 3)), rng.normal(size=(60, 3))
    assert KernelDistance().value(measured(fake), measured(real)) == pytest.approx(unbiased(fake, real), rel=0.1)


def test_equal_distributions_score_zero_on_average_and_so_negative_at_times(rng):
    values = [KernelDistance().value(*(measured(rng.normal(size=(60, 3))) for _ in "ab")) for _ in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)
    assert min(values) < 0 < max(values)


def test_a_single_sample_has_no_distance(rng):
    with refused(SampleError, subject="kid", code="few", side="fake", got=1, wanted=2):
        KernelDistance().value(measured(rng.normal(size=(1, 3))), measured(rng.normal(size=(9, 3))))
