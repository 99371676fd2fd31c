"""Oracles: closed forms, enumeration of every resample or sign, and intervals that were published."""

from fractions import Fraction
from itertools import combinations, product
from math import atanh, comb, inf, isnan, nan, sqrt, tanh

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from ganbench.analysis.statistics import (
    bootstrap_interval,
    correlation_interval,
    fisher_exact_p,
    holm,
    iqm,
    least_paired_seeds,
    mark_failed_worst,
    mcnemar_p,
    mean_interval,
    proportion_difference_interval,
    proportion_interval,
    sign_flip_p,
)


def test_the_mean_of_three_values_has_the_interval_of_the_table():
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.302652729911275 / sqrt(3)  # the .975 quantile of t with two degrees of freedom; the deviation is 1
    assert (found.estimate, found.n, found.method) == (2.0, 3, "mean, t interval")
    assert [found.low, found.high] == pytest.approx([2 - half, 2 + half])


@pytest.mark.slow
def test_a_t_interval_covers_the_truth_in_95_of_100_samples():
    draws = np.random.default_rng(0).normal(3, 2, (2000, 5))
    covered = sum(found.low < 3 < found.high for found in map(mean_interval, draws))
    assert abs(covered / 2000 - 0.95) < 3 * sqrt(0.95 * 0.05 / 2000)


@pytest.mark.parametrize(
    ("values", "estimate", "n", "why"),
    [
        ([], nan, 0, "no values"),
        ([4.0], 4.0, 1, "one value"),
        ([4.0, inf], inf, 2, "not every value is finite"),
        ([4.0, nan], nan, 2, "not every value is finite"),
    ],
)
def test_where_there_is_no_interval_it_says_why(values, estimate, n, why):
    found = mean_interval(values)
    assert found.estimate == pytest.approx(estimate, nan_ok=True)
    assert isnan(found.low)
    assert isnan(found.high)
    assert (found.n, found.method) == (n, f"mean, no interval: {why}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([1, 2, 6], 3.0),  # a quarter of three is none
        ([100, 1, 2, -50], 1.5),
        ([9, 1, 2, 3, -9], 2.0),
        ([0, 0, 1, 2, 3, 4, 50, 60], 2.5),
        ([1, 2, 3, 4, inf], 3.0),  # one of five that diverged
        ([1, 2, 3, inf, inf], inf),  # two of them
        ([-inf, 1, 2, 3, 4], 2.0),
        ([1, 2, 3, 4, nan], nan),  # nothing that was not measured is taken for the greatest
        ([], nan),
    ],
)
def test_interquartile_means_that_can_be_counted_by_hand(values, expected):
    assert iqm(values) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 25, 100, 257])
@pytest.mark.parametrize("kind", ["different", "with ties", "with infinity"])
def test_the_interval_of_an_interquartile_mean_is_scipys_to_the_bit(n, kind):
    x = np.sort(np.random.default_rng(n).normal(size=n))
    x[:2] = x[0] if kind == "with ties" else x[:2]
    x[-1] = inf if kind == "with infinity" else x[-1]
    method = "percentile" if kind == "with infinity" else "BCa"
    rng, trimmed = np.random.default_rng(5), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis)
    with np.errstate(invalid="ignore"):
        expected = stats.bootstrap((x,), trimmed, n_resamples=10_000, batch=1000, method=method, rng=rng)
    low, high = expected.confidence_interval
    if kind == "with infinity":
        low, high = np.quantile(
            expected.bootstrap_distribution, [(1 - 0.95) / 2, (1 + 0.95) / 2], method="inverted_cdf"
        )
    for _ in range(2):
        found = bootstrap_interval(x[::-1], seed=5)
        assert (found.low, found.high) == (low, high)


def test_the_bootstrap_is_that_of_all_27_resamples():
    resamples = sorted(np.median(r) for r in product([1.0, 2.0, 10.0], repeat=3))
    assert resamples.count(1.0) == 7  # of 27: more than .025, so both ends are at the extremes
    found = bootstrap_interval([1.0, 2.0, 10.0], "median")
    assert (found.estimate, found.low, found.high, found.n) == (2.0, 1.0, 10.0, 3)
    assert found.method == "median, BCa bootstrap"


def test_a_symmetric_sample_has_the_percentile_interval_of_every_resample():
    values = [-2.0, -1.0, 0.0, 1.0, 2.0]  # acceleration and bias vanish, so BCa is the percentile interval
    means = [np.mean(r) for r in product(values, repeat=5)]
    found = bootstrap_interval(values, "mean")
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.11)  # means go by .2


def test_bca_is_corrected_for_skew_as_its_definition_says():
    values, rng = np.random.default_rng(1).exponential(size=12), np.random.default_rng(2)
    resampled = rng.choice(values, (200_000, 12)).mean(axis=1)
    jack = np.array([np.delete(values, i).mean() for i in range(12)])
    away = jack.mean() - jack
    a = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z0 = stats.norm.ppf((resampled < values.mean()).mean())  # Efron (1987), with the whole distribution
    levels = [stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in stats.norm.ppf([0.025, 0.975])]
    found = bootstrap_interval(values, "mean")
    for end, level, plain in zip((found.low, found.high), levels, (0.025, 0.975), strict=True):
        error = 4 * sqrt(level * (1 - level) / 10_000)  # of a level that 10 000 resamples estimate
        low, high = np.quantile(resampled, [level - error, min(level + error, 1)])
        assert low < end < high
        assert not low < np.quantile(resampled, plain) < high  # which the percentile interval would be


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(0).normal(size=20)
    assert bootstrap_interval(values, "mean", seed=3) == bootstrap_interval(values, "mean", seed=3)
    assert bootstrap_interval(values, "mean", seed=3) != bootstrap_interval(values, "mean", seed=4)


def test_the_order_of_seeds_does_not_matter():
    values = np.random.default_rng(0).normal(size=9)
    assert bootstrap_interval(values) == bootstrap_interval(values[::-1])
    assert bootstrap_interval([*values, inf]) == bootstrap_interval([inf, *values])


def test_equal_values_and_too_few_values_say_so():
    found = bootstrap_interval([8.0] * 5)
    assert (found.estimate, found.low, found.high) == (8, 8, 8)
    assert found.method == "interquartile mean, all 5 values are equal"
    found = bootstrap_interval([1.0, 2.0])
    assert (found.estimate, found.n, found.method) == (1.5, 2, "interquartile mean, no interval: 2 values")
    assert isnan(found.low)
    assert isnan(bootstrap_interval([]).estimate)
    assert isnan(bootstrap_interval([1.0, 2.0, nan]).estimate)


def test_where_bca_has_no_interval_it_is_the_percentile_one_and_says_so():
    found = bootstrap_interval([8, 8, 8, 8, 3], "median")  # without any one of them the median is 8: no acceleration
    share = sum(comb(5, k) * 4 ** (5 - k) for k in (3, 4, 5)) / 5**5  # of resamples with three 3s or more
    assert share > 0.025
    assert (found.estimate, found.low, found.high) == (8, 3, 8)
    assert found.method == "median, percentile bootstrap"


def test_trials_that_diverged_widen_the_interval_to_infinity():
    found = bootstrap_interval(mark_failed_worst([1, 2, 3, 4, 0.5], [0, 0, 0, 0, 1], True), "iqm")
    share = sum(comb(5, k) * 4 ** (5 - k) for k in (2, 3, 4, 5)) / 5**5  # of resamples with two of them or more
    assert share > 0.025
    assert (found.estimate, found.high) == (3, inf)
    assert 1 <= found.low < 3
    assert found.method == "interquartile mean, percentile bootstrap"
    assert bootstrap_interval(mark_failed_worst([1, 2, 3], [1, 1, 1], False)).estimate == -inf


def test_one_that_diverged_among_forty_leaves_the_interval_finite():
    values = mark_failed_worst(np.arange(40.0), np.arange(40) == 7, True)
    assert np.isfinite([bootstrap_interval(values).low, bootstrap_interval(values).high]).all()


# Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]


@pytest.mark.parametrize(("successes", "n", "low", "high"), WILSON)
def test_wilson_intervals_as_published(successes, n, low, high):
    found = proportion_interval(successes, n)
    assert found.estimate == successes / n
    assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)


@settings(deadline=None)
@given(st.integers(1, 200), st.data())
def test_wilson_ends_solve_the_score_equation(n, data):
    successes = data.draw(st.integers(0, n))
    found = proportion_interval(successes, n)
    z = stats.norm.ppf(0.975)
    for end in (found.low, found.high):
        assert (successes / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, abs=1e-12)


# Newcombe (1998), Statistics in Medicine 17:873, table II, method 10.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
]


@pytest.mark.parametrize(("s1", "n1", "s2", "n2", "low", "high"), NEWCOMBE)
def test_newcombe_intervals_as_published(s1, n1, s2, n2, low, high):
    found, turned = proportion_difference_interval(s1, n1, s2, n2), proportion_difference_interval(s2, n2, s1, n1)
    assert found.estimate == pytest.approx(s1 / n1 - s2 / n2)
    assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)
    assert [turned.low, turned.high] == pytest.approx([-found.high, -found.low])
    assert found.n == n1 + n2


def test_no_trials_give_no_proportion():
    assert isnan(proportion_interval(0, 0).estimate)
    assert isnan(proportion_difference_interval(1, 2, 0, 0).low)


def test_correlations_are_averaged_as_fisher_z():
    found = correlation_interval([tanh(1.0), tanh(2.0), tanh(3.0)])
    half = 4.302652729911275 / sqrt(3)
    assert [found.estimate, found.low, found.high] == pytest.approx([tanh(x) for x in (2, 2 - half, 2 + half)])
    assert found.method == "mean after Fisher's z, t interval"
    assert correlation_interval([0.5]).estimate == pytest.approx(tanh(atanh(0.5)))


def test_a_perfect_correlation_is_no_infinity():
    found = correlation_interval([1.0, 0.9, 0.8])
    half = 4.302652729911275 * 0.1 / sqrt(3)
    assert [found.estimate, found.low, found.high] == pytest.approx([0.9, 0.9 - half, 1.0])
    assert "no Fisher z" in found.method
    assert [correlation_interval([1.0] * 3).low, correlation_interval([-1.0] * 3).high] == [1.0, -1.0]
    assert isnan(correlation_interval([0.5, nan]).estimate)
    assert "±1" not in correlation_interval([0.5, nan]).method


def flipped(differences):
    """Share of all sign patterns whose sum is at least as far from 0, in exact arithmetic."""
    d = [Fraction(x) for x in differences]
    sums = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in product([1, -1], repeat=len(d))]
    return float(Fraction(sum(s >= abs(sum(d)) for s in sums), len(sums)))


@settings(deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=7))
@example([6, 6, -15, 6, 6, 9, -18])  # whose mean is 0, but not in floating point
def test_sign_flips_against_their_enumeration(differences):
    assert sign_flip_p(differences) == pytest.approx(flipped(differences))
    assert sign_flip_p([x * 1e-30 for x in differences]) == pytest.approx(flipped(differences))


def test_sign_flips_of_what_is_not_finite_or_not_there():
    assert isnan(sign_flip_p([]))
    assert isnan(sign_flip_p([1.0, inf]))
    assert isnan(sign_flip_p([1.0, nan]))
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_sixteen_seeds_are_enumerated_and_twenty_are_drawn():
    assert sign_flip_p([1.0] * 16) == pytest.approx(2 / 2**16)
    d = np.r_[np.ones(13), -np.ones(7)]  # the mean counts signs, so the test is the binomial one: 13 of 20 heads
    exact = 2 * sum(comb(20, k) for k in range(13, 21)) / 2**20
    assert sign_flip_p(d) == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / 2**16) * 2)
    assert sign_flip_p(d) == sign_flip_p(d)


def test_six_paired_seeds_can_decide_and_five_cannot():
    assert least_paired_seeds() == 6
    assert [sign_flip_p([1.0] * n) <= 0.05 for n in (5, 6)] == [False, True]
    assert [least_paired_seeds(level) for level in (1.0, 0.5, 0.0625, 0.01)] == [1, 2, 5, 8]


def test_fisher_against_the_sum_over_all_tables():
    def chance(a):  # of a successes in the first row, all margins fixed
        return Fraction(comb(35, a) * comb(5, 20 - a), comb(40, 20))

    exact = float(sum(chance(a) for a in range(15, 21) if chance(a) <= chance(20)))
    assert fisher_exact_p(20, 20, 15, 20) == pytest.approx(exact)
    assert round(exact, 3) == 0.047
    assert fisher_exact_p(3, 4, 1, 4) == pytest.approx(34 / 70)  # the lady tasting tea, two-sided


def test_mcnemar_is_the_toss_of_a_coin():
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(5, 0) == pytest.approx(2 / 32)
    assert mcnemar_p(1, 9) == pytest.approx(2 * (1 + 10) / 1024)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, nan, 0.9]) == pytest.approx([1.0, nan, 1.0], nan_ok=True)
    assert holm([]) == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_is_bonferroni_over_every_set_of_hypotheses(p):
    """Holm is the closure of Bonferroni's test: the worst over all sets that hold the hypothesis."""
    indices = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(indices, size)]
    closed = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in indices]
    assert holm(p) == pytest.approx(closed)


def test_the_worst_is_what_the_direction_says_and_values_stay_untouched():
    values = np.array([1.0, 2.0, nan, 4.0])
    bad = [False, True, False, True]
    assert mark_failed_worst(values, bad, True).tolist()[1::2] == [inf, inf]
    assert mark_failed_worst(values, bad, False).tolist()[1::2] == [-inf, -inf]
    assert isnan(mark_failed_worst(values, bad, True)[2])  # measured nowhere, but neither diverged nor failed
    assert values.tolist()[1::2] == [2.0, 4.0]
    assert mark_failed_worst([nan], [True], True).tolist() == [inf]
