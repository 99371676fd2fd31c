"""Which objective ended where, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.analysis.scores import last_evaluations, scores
from ganbench.analysis.statistics import Interval, holm, sign_flip_p
from ganbench.store.results import Results, find_floor
from ganbench.store.schema import STATUSES


@dataclass(frozen=True)
class ObjectiveRank:
    """One objective's last-step values of one metric.

    Attributes:
        objective: its label.
        values: by seed; infinite, in the bad direction, for a seed that diverged or failed.
        interval: interquartile mean with its 95 % interval, bad seeds counted as worst.
        counts: of trials by how they ended.
        unmeasured: completed seeds without a value.
    """

    objective: str
    values: pd.Series[float]
    interval: Interval
    counts: Mapping[str, int]
    unmeasured: int

    @property
    def ending(self) -> str:
        """How many seeds there were and how they ended, in words."""
        total = sum(self.counts.values())
        bad = [f"{self.counts[s]} {s}" for s in ("diverged", "failed") if self.counts[s]]
        lost = [f"{self.unmeasured} not measured"] if self.unmeasured else []
        return ", ".join([f"n = {total}", *bad, *lost])

    @property
    def counted(self) -> str:
        """The same on several short lines."""
        return self.ending.replace(", ", "\n")


@dataclass(frozen=True)
class Ranking:
    """All objectives of a section by one metric, the best first.

    Attributes:
        metric: its name.
        protocol: of all values.
        lower: whether less is better.
        standings: best first; those without a finite mean come last.
        floor, floor_error: what a perfect sampler scores, with the standard error; NaN where unknown.
    """

    metric: str
    protocol: str
    lower: bool
    standings: tuple[ObjectiveRank, ...]
    floor: float
    floor_error: float


@dataclass(frozen=True)
class PairwiseTest:
    """The leading objective against another one, seed by seed.

    Attributes:
        other: the other's label.
        n: seeds that both have.
        wins: seeds in which the leading one is better.
        p: two-sided, of the exact paired sign-flip test; on signed ranks where a seed diverged or failed.
        adjusted: the same after Holm's correction over all duels of this metric.
    """

    other: str
    n: int
    wins: int
    p: float
    adjusted: float


def rank(results: Results, board: pd.DataFrame, metric: str, lower: bool) -> Ranking | None:
    """The ranking by one metric; None where no trial has a value of it.

    Args:
        results: the tables of trials that differ in nothing but the objective and the seed.
        board: its leaderboard: means and intervals are taken from there, so that both say the same.
        metric: its name.
        lower: whether less is better.
    """
    protocol = str(board[f"{metric}_protocol"].iloc[0])
    if not protocol:
        return None
    trials = results.trials
    last = last_evaluations(results, list(trials["trial"]))
    values = scores(last, trials, protocol, "lower" if lower else "higher")
    standings = [_standing(row, trials, values, metric) for row in board.to_dict("records")]
    sign = 1 if lower else -1
    order = sorted(standings, key=lambda s: (_last_if_nan(sign * s.interval.estimate), s.objective))
    floor = find_floor(results.floors, str(trials["dataset"].iloc[0]), protocol)
    found = (float(floor["value"].iloc[0]), float(floor["standard_error"].iloc[0])) if len(floor) else (np.nan, np.nan)
    return Ranking(metric, protocol, lower, tuple(order), *found)


def _standing(row: Mapping[Any, Any], trials: pd.DataFrame, values: pd.Series[float], metric: str) -> ObjectiveRank:
    """An objective's standing, from its row of the leaderboard and its trials' values."""
    own = trials[trials["objective"] == row["objective"]]
    seeds = pd.Series(values.reindex(own["trial"]).to_numpy(), index=own["seed"].to_numpy(), dtype=float)
    estimate, low, high = (float(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    interval = Interval(estimate, low, high, int(row[f"{metric}_n"]), str(row[f"{metric}_method"]))
    counts = {status: int(row[status]) for status in STATUSES}
    return ObjectiveRank(str(row["objective"]), seeds.dropna(), interval, counts, int(seeds.isna().sum()))


def _last_if_nan(x: float) -> float:
    return float("inf") if np.isnan(x) else x


def pairwise_tests(ranking: Ranking) -> list[PairwiseTest]:
    """The best objective against each of the others."""
    best, *others = ranking.standings
    found = [(o.objective, *_paired(best, o, ranking.lower)) for o in others]
    adjusted = holm([p for *_, p in found])
    return [PairwiseTest(name, n, wins, p, float(a)) for (name, n, wins, p), a in zip(found, adjusted, strict=True)]


def _paired(best: ObjectiveRank, other: ObjectiveRank, lower: bool) -> tuple[int, int, float]:
    """Shared seeds, wins of the first, and p."""
    seeds = best.values.index.intersection(other.values.index)
    first, second = (s.values[~s.values.index.duplicated()].reindex(seeds).to_numpy() for s in (best, other))
    with np.errstate(invalid="ignore"):
        gains = np.where(first == second, 0.0, second - first if lower else first - second)
    p = sign_flip_p(gains if np.isfinite(gains).all() else signed_ranks(gains)) if len(seeds) else float("nan")
    return len(seeds), int((gains > 0).sum()), p


def signed_ranks(differences: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """Ranks of the absolute values with the signs of the differences: finite, whatever diverged."""
    from scipy.stats import rankdata

    d = np.asarray(differences, dtype=float)
    return list(np.sign(d) * rankdata(np.abs(d)))
