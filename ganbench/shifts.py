"""By how much one sample exceeds another: the median shift, with the exact interval of its rank test.

No distribution is assumed, outliers and infinite values (trials that diverged) count by their rank, and where there are
too few values for any test to decide, the interval is infinite. Hollander, Wolfe & Chicken (2014), Nonparametric
Statistical Methods, Sections 3.2, 3.3, 4.2 and 4.3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from ganbench.statistics import LEVEL, Floats, Interval, Values, least_paired_seeds


def paired_shift(first: Values, second: Values) -> Interval:
    """Second minus first, pair by pair: the pseudo-median of the differences with the interval of the signed-rank test.

    Args:
        first, second: values of the same seeds, in the same order: (n,). No NaN.
    """
    differences = _minus(np.asarray(second, dtype=float), np.asarray(first, dtype=float))
    i, j = np.triu_indices(len(differences))
    averages = _minus(differences[i] / 2, -differences[j] / 2)  # Walsh averages, n (n + 1) / 2 of them
    method = "pseudo-median of paired differences, exact signed-rank interval"
    return _between(averages, _signed_rank(len(differences)), len(differences), method)


def unpaired_shift(first: Values, second: Values) -> Interval:
    """Second minus first where no seed is in both: the median of all differences, with the Mann-Whitney interval.

    Args:
        first, second: (m,) and (n,), no NaN. The interval's ``n`` is the smaller of the two.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = _minus(y[:, None], x[None, :]).ravel()
    method = "median of all differences, exact Mann-Whitney interval"
    return _between(differences, _mann_whitney(len(x), len(y)), min(len(x), len(y)), method)


def least_seeds(paired: bool) -> int:
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
