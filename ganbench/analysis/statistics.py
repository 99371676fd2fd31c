"""Intervals, tests and shifts of paired and unpaired samples."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

# -- intervals and tests -----------------------------------------------------------------------------------------------

LEVEL = 0.95  # of every interval
RESAMPLES = 10_000  # of a bootstrap
LEAST_TO_RESAMPLE = 3  # values: two have three resamples, no distribution
MOST_TO_KEEP = 256  # values: of larger samples, the positions that are drawn take too much memory to be kept
MOST_TO_ENUMERATE = 16  # differences: 65 536 sign flips; beyond, as many are drawn

Statistic: TypeAlias = Literal["iqm", "median", "mean"]
Floats: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Sequence[float] | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Attributes:
        estimate: the number.
        low, high: the ends of the interval; NaN where n allows none.
        n: how many values it rests on.
        method: how both were computed, in words for a caption.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str


def mean_interval(values: Values) -> Interval:
    """Mean and t interval; no interval from fewer than two values, or where one is not finite."""
    x = _array(values)
    if len(x) < 2 or not np.isfinite(x).all():
        return Interval(_mean(x), math.nan, math.nan, len(x), f"mean, no interval: {_lack(x)}")
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * stats.sem(x))
    return Interval(_mean(x), _mean(x) - half, _mean(x) + half, len(x), "mean, t interval")


def iqm(values: Values) -> float:
    """Interquartile mean: what is left when the lowest and the highest quarter (rounded down) are cut off.

    Of up to three values it is their mean. Agarwal et al. (2021), Section 4.3.
    """
    return float(_iqm(_array(values)))


def bootstrap_interval(values: Values, statistic: Statistic = "iqm", seed: int = 0) -> Interval:
    """A statistic with its bootstrap interval: bias-corrected and accelerated (BCa), 10 000 resamples.

    Where BCa has none, because an acceleration or a bias cannot be computed, it is the percentile interval; where
    values are infinite, the percentile interval without interpolation, whose ends may be infinite. ``method`` says so.

    Args:
        values: one a seed.
        statistic: ``iqm``, ``median`` or ``mean``.
        seed: of the resampling; the same gives the same interval.
    """
    x, (name, compute) = np.sort(_array(values)), _STATISTICS[statistic]  # the order of seeds must not matter
    estimate = float(compute(x)) if len(x) else math.nan
    if len(x) < LEAST_TO_RESAMPLE or np.isnan(x).any():
        return Interval(estimate, math.nan, math.nan, len(x), f"{name}, no interval: {_lack(x)}")
    if (x == x[0]).all():
        return Interval(estimate, estimate, estimate, len(x), f"{name}, all {len(x)} values are equal")
    if np.isfinite(x).all():
        found = _resample(x, compute, "BCa", seed).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return Interval(estimate, float(found.low), float(found.high), len(x), f"{name}, BCa bootstrap")
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    distribution = _resample(x, compute, "percentile", seed).bootstrap_distribution
    low, high = np.quantile(distribution, tails, method="inverted_cdf")
    return Interval(estimate, float(low), float(high), len(x), f"{name}, percentile bootstrap")


def rows_interval(table: Floats, compute: Callable[[Floats], Floats], name: str, seed: int = 0) -> Interval:
    """A statistic of several values a seed, with its percentile bootstrap interval: whole seeds are drawn again.

    Args:
        table: (seeds, ...).
        compute: from tables (..., seeds, ...) with any leading axes to their statistics.
        name: what ``method`` calls it.
        seed: of the resampling.
    """
    n, estimate = len(table), float(compute(table)) if len(table) else math.nan
    if n < LEAST_TO_RESAMPLE:
        return Interval(estimate, math.nan, math.nan, n, f"{name}, no interval: {n} seeds")
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    low, high = np.quantile(compute(table[drawn]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high), n, f"{name}, percentile bootstrap over seeds")


def proportion_interval(successes: int, n: int) -> Interval:
    """A proportion with Wilson's score interval (1927); no interval from no trials."""
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, "proportion, no interval: no values")
    found = stats.binomtest(int(successes), int(n)).proportion_ci(LEVEL, method="wilson")
    return Interval(successes / n, float(found.low), float(found.high), int(n), "proportion, Wilson interval")


def proportion_difference_interval(s1: int, n1: int, s2: int, n2: int) -> Interval:
    """The difference s1/n1 − s2/n2 of independent proportions with Newcombe's interval; its ``n`` is n1 + n2.

    Newcombe (1998), Interval estimation for the difference between independent proportions, method 10: the two Wilson
    intervals, combined.
    """
    one, two = proportion_interval(s1, n1), proportion_interval(s2, n2)
    difference = one.estimate - two.estimate
    low = difference - math.hypot(one.estimate - one.low, two.high - two.estimate)
    high = difference + math.hypot(one.high - one.estimate, two.estimate - two.low)
    return Interval(difference, low, high, n1 + n2, "difference of proportions, Newcombe interval")


def correlation_interval(rhos: Values) -> Interval:
    """The mean of correlations, one a seed, taken after Fisher's z = artanh ρ, with a t interval.

    A correlation of ±1 has no finite z; with one among them the mean and the t interval are those of the correlations
    themselves, cut at ±1.
    """
    x = _array(rhos)
    if not (np.abs(x) >= 1).any():
        found = mean_interval(np.arctanh(x))
        estimate, low, high = (math.tanh(end) for end in (found.estimate, found.low, found.high))
        return Interval(estimate, low, high, len(x), found.method.replace("mean", "mean after Fisher's z"))
    found = mean_interval(x)
    low, high = (float(np.clip(end, -1, 1)) for end in (found.low, found.high))
    return Interval(found.estimate, low, high, len(x), f"{found.method} (a correlation of ±1 has no Fisher z)")


def sign_flip_p(differences: Values) -> float:
    """The p value of the paired sign-flip test, two-sided: how often arbitrary signs give a mean as far from 0.

    Exact up to 16 differences; beyond, from 65 536 random flips with a fixed seed. NaN without differences, or where
    one is not finite.
    """
    d = _array(differences)
    if not len(d) or not np.isfinite(d).all():
        return math.nan
    if len(d) == 1:
        return 1.0
    found = stats.permutation_test(
        (d / (np.abs(d).max() or 1.0),),  # which leaves p as it is, and makes 12 decimals enough
        _rounded_mean,
        permutation_type="samples",
        n_resamples=2**MOST_TO_ENUMERATE,
        vectorized=True,
        batch=4096,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def least_paired_seeds(level: float = 1 - LEVEL) -> int:
    """The fewest paired seeds with which a two-sided sign-flip test can reach p ≤ ``level``: 2 / 2ⁿ is its least p."""
    return next(n for n in range(1, 2000) if 2.0 ** (1 - n) <= level * (1 + 1e-12))


def fisher_exact_p(s1: int, n1: int, s2: int, n2: int) -> float:
    """The p value of Fisher's exact test that s1 of n1 and s2 of n2 come from one proportion, two-sided."""
    return float(stats.fisher_exact([[s1, n1 - s1], [s2, n2 - s2]]).pvalue)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The p value of McNemar's exact test, two-sided, from the seeds where just one of a pair succeeded."""
    n = int(only_first) + int(only_second)
    return float(stats.binomtest(int(only_first), n).pvalue) if n else 1.0


def holm(p_values: Values) -> list[float]:
    """The p values adjusted for their number: Holm (1979). NaN, a test that was not made, stays and does not count."""
    p = _array(p_values)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return [float(x) for x in adjusted]


def mark_failed_worst(values: ArrayLike, bad: ArrayLike, lower_is_better: bool) -> Floats:
    """Values in which failed and diverged trials count as the worst there is, instead of being left out.

    Args:
        values: one a trial: (n,).
        bad: which trials diverged or failed: (n,), bool. What they measured before is not looked at.
        lower_is_better: the metric's direction; the worst is +∞ where it holds, else −∞.

    Returns:
        (n,): interquartile mean and median of it stay finite while fewer than a quarter, or a half, are bad.
    """
    x, b = np.array(values, dtype=float), np.asarray(bad, dtype=bool)
    x[b] = np.inf if lower_is_better else -np.inf
    return x


def _array(values: Values) -> Floats:
    return np.asarray(values, dtype=float).ravel()


def _mean(x: Floats) -> float:
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN
        return float(x.mean()) if len(x) else math.nan


def _lack(x: Floats) -> str:
    """Why some values give no interval."""
    if len(x) and not np.isfinite(x).all():
        return "not every value is finite"
    return {0: "no values", 1: "one value"}.get(len(x), f"{len(x)} values")


def _iqm(x: Floats, axis: int = -1) -> Any:
    """NaN where a value is: sorting would take it for the greatest and cut it off."""
    if not x.shape[axis]:
        return np.full(np.delete(x.shape, axis), np.nan)
    x = np.moveaxis(x, axis, -1)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN
        return np.where(np.isnan(x).any(axis=-1), np.nan, _middle(x).mean(axis=-1))


def _middle(x: Floats) -> Floats:
    """What ``scipy.stats.trim_mean`` averages of the last axis, in its order, a millisecond faster."""
    cut = int(0.25 * x.shape[-1])
    last = x.shape[-1] - cut
    return np.partition(x, (cut, last - 1), axis=-1)[..., cut:last]


_STATISTICS: dict[str, tuple[str, Callable[..., Any]]] = {
    "iqm": ("interquartile mean", _iqm),
    "median": ("median", np.median),
    "mean": ("mean", np.mean),
}


def _rounded_mean(x: Floats, axis: int) -> Any:
    """Means that are equal in exact arithmetic stay equal whatever the order of their terms."""
    return np.round(np.mean(x, axis=axis), 12)


def _resample(x: Floats, compute: Callable[..., Any], method: str, seed: int) -> Any:
    """SciPy's bootstrap of sorted values."""
    drawn = None
    if compute is _iqm and len(x) <= MOST_TO_KEEP and (x[1:] > x[:-1]).all():
        drawn = SimpleNamespace(bootstrap_distribution=x[_middle_positions(len(x), seed)].mean(axis=-1))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")  # that an interval is degenerate: its ends are looked at
        return stats.bootstrap(
            (x,),
            compute,
            n_resamples=RESAMPLES if drawn is None else 0,
            bootstrap_result=drawn,
            batch=1000,
            vectorized=True,
            confidence_level=LEVEL,
            method=method,
            rng=np.random.default_rng(seed),
        )


@lru_cache(maxsize=8)
def _middle_positions(n: int, seed: int) -> NDArray[np.intp]:
    """Which of n sorted, different values the interquartile mean of each resample averages, in SciPy's order.

    The same for all samples of a size, so that what is drawn and sorted is drawn and sorted once.
    """
    drawn = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n)).astype(float)
    return _middle(drawn).astype(np.intp)


# -- Hodges-Lehmann shifts ---------------------------------------------------------------------------------------------


def hodges_lehmann_paired(first: Values, second: Values) -> Interval:
    """Second minus first, pair by pair: the pseudo-median of the differences with the interval of the signed-rank test.

    Args:
        first, second: values of the same seeds, in the same order: (n,). No NaN.
    """
    differences = _minus(np.asarray(second, dtype=float), np.asarray(first, dtype=float))
    i, j = np.triu_indices(len(differences))
    averages = _minus(differences[i] / 2, -differences[j] / 2)  # Walsh averages, n (n + 1) / 2 of them
    method = "pseudo-median of paired differences, exact signed-rank interval"
    return _between(averages, _signed_rank(len(differences)), len(differences), method)


def hodges_lehmann(first: Values, second: Values) -> Interval:
    """Second minus first where no seed is in both: the median of all differences, with the Mann-Whitney interval.

    Args:
        first, second: (m,) and (n,), no NaN. The interval's ``n`` is the smaller of the two.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = _minus(y[:, None], x[None, :]).ravel()
    method = "median of all differences, exact Mann-Whitney interval"
    return _between(differences, _mann_whitney(len(x), len(y)), min(len(x), len(y)), method)


def min_seeds_to_decide(paired: bool) -> int:
    """The fewest seeds (in each of two samples) with which such an interval can exclude 0."""
    if paired:
        return least_paired_seeds()
    return next(n for n in range(1, 100) if (1 - LEVEL) * (1 + 1e-12) * math.comb(2 * n, n) >= 2)


def _between(candidates: Floats, chances: Floats, n: int, method: str) -> Interval:
    """The median of some candidates and the interval between two of them.

    Args:
        candidates: Walsh averages, or pairwise differences: (M,).
        chances: of each value of the test's statistic, 0 to M, where there is no shift: (M + 1,).
        n: for the result.
        method: for the result.
    """
    if not len(candidates):
        return Interval(math.nan, math.nan, math.nan, 0, f"{method}: no values")
    ordered = np.sort(candidates)
    middle = ordered[[(len(ordered) - 1) // 2, len(ordered) // 2]]
    estimate = float(_minus(middle[:1] / 2, -middle[1:] / 2)[0])
    cut = int((np.cumsum(chances) <= (1 - LEVEL) / 2 * (1 + 1e-9)).sum())  # values that each tail holds
    if cut == 0:
        return Interval(estimate, -math.inf, math.inf, n, f"{method}: unbounded, too few values")
    return Interval(estimate, float(ordered[cut - 1]), float(ordered[-cut]), n, method)


@lru_cache
def _signed_rank(n: int) -> Floats:
    """Chances of the signed-rank statistic: each of the ranks 1 to n counts or does not: (n (n + 1) / 2 + 1,)."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return chances


@lru_cache
def _mann_whitney(m: int, n: int) -> Floats:
    """Chances of the Mann-Whitney statistic: (m n + 1,). The largest of all values is one of the m or one of the n."""
    row = [np.ones(1) for _ in range(n + 1)]
    for i in range(1, m + 1):
        longer = [np.ones(1)]
        for j in range(1, n + 1):
            among_m, among_n = np.pad(row[j], (j, 0)), np.pad(longer[j - 1], (0, i))
            longer.append((i * among_m + j * among_n) / (i + j))
        row = longer
    return row[n]


def _minus(a: Floats, b: Floats) -> Floats:
    """The difference; 0 where it is ∞ − ∞, as between two trials that both diverged."""
    with np.errstate(invalid="ignore"):
        difference = a - b
    return np.where(np.isnan(difference), 0.0, difference)
