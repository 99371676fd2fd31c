"""Oracles: SciPy's tests, inverted by trying every shift; enumeration; a published example."""

from itertools import combinations, product
from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ganbench.analysis.statistics import (
    _mann_whitney,
    _signed_rank,
    hodges_lehmann,
    hodges_lehmann_paired,
    min_seeds_to_decide,
)

# Hollander & Wolfe (1973), table 3.1: depression scale before and after tranquilisers, nine patients.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def test_the_published_example():
    found = hodges_lehmann_paired(BEFORE, AFTER)
    assert [found.estimate, found.low, found.high] == pytest.approx([-0.46, -0.786, -0.010], abs=5e-4)
    assert found.n == 9


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=9, unique=True))
def test_the_paired_interval_holds_the_shifts_that_the_signed_rank_test_does_not_reject(numbers):
    d = np.array(numbers) + np.random.default_rng(0).uniform(0, 0.1, len(numbers))  # without ties
    found = hodges_lehmann_paired(np.zeros(len(d)), d)
    for end, inside in ((found.low, 1e-6), (found.high, -1e-6)):
        assert stats.wilcoxon(d - end - inside, method="exact").pvalue > 0.05
        assert stats.wilcoxon(d - end + inside, method="exact").pvalue <= 0.05


@settings(deadline=None)
@given(st.integers(4, 7), st.integers(4, 7), st.integers(0, 10**6))
def test_the_unpaired_interval_holds_the_shifts_that_the_mann_whitney_test_does_not_reject(m, n, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=m), rng.normal(1, 2, size=n)
    found = hodges_lehmann(x, y)
    assert found.estimate == pytest.approx(np.median(y[:, None] - x))
    for end, inside in ((found.low, 1e-9), (found.high, -1e-9)):
        assert stats.mannwhitneyu(y - end - inside, x, method="exact").pvalue > 0.05
        assert stats.mannwhitneyu(y - end + inside, x, method="exact").pvalue <= 0.05


def test_the_statistics_chances_against_enumeration():
    sums = [sum(r for r, s in zip(range(1, 7), signs, strict=True) if s) for signs in product([0, 1], repeat=6)]
    assert _signed_rank(6) == pytest.approx(np.bincount(sums) / 64)
    us = [sum(rank - i for i, rank in enumerate(sorted(places))) for places in combinations(range(8), 3)]
    assert _mann_whitney(3, 5) == pytest.approx(np.bincount(us) / len(us))


def test_too_few_values_have_an_unbounded_interval_and_it_is_said_how_many_would_do():
    assert (min_seeds_to_decide(paired=True), min_seeds_to_decide(paired=False)) == (6, 4)
    found = hodges_lehmann_paired(np.zeros(5), np.arange(1.0, 6))
    assert (found.estimate, found.low, found.high, found.n) == (3, -inf, inf, 5)
    assert "too few" in found.method
    found = hodges_lehmann_paired(np.zeros(6), np.arange(1.0, 7))
    assert (found.low, found.high) == (1, 6)
    assert hodges_lehmann(np.zeros(3), np.ones(3)).low == -inf
    assert hodges_lehmann(np.zeros(4), np.ones(4)).low == 1
    assert isnan(hodges_lehmann_paired([], []).estimate)


def test_infinite_values_count_by_their_rank():
    found = hodges_lehmann_paired(
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 1, 2, 3, 4, 5, 6, 7, 8, inf]
    )  # one of ten got worse
    assert found.estimate == -1
    assert found.low == -1
    assert hodges_lehmann_paired([1.0] * 6, [inf] * 6).low == inf
    assert hodges_lehmann_paired([inf] * 6, [inf] * 6).high == 0  # diverged in both: no difference
    assert hodges_lehmann_paired([1.0] * 6, [inf, inf, inf, -inf, -inf, -inf]).estimate == 0
    assert hodges_lehmann([inf, 1, 2, 3], [inf] * 4).high == inf


def test_the_interval_covers_the_shift_in_at_least_95_of_100_samples():
    draws = np.random.default_rng(0).standard_cauchy((1000, 8)) + 3  # which no t interval survives
    covered = np.mean([(f := hodges_lehmann_paired(np.zeros(8), d)).low <= 3 <= f.high for d in draws])
    assert covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000)
