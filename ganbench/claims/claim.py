"""A claim: a testable sentence from the literature, with thresholds that stand before any run that judges it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ganbench.claims.experiment import Experiment, Measurements
from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.analysis.statistics import Interval

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
MOST_LOST = 0.2  # share of replications that may be without a finite effect before a rule cannot be judged


class GateFailure(NamedTuple):
    """Why a rule cannot be judged, and from how many replications that is known."""

    reason: str
    n: int = 0


# -- judges ------------------------------------------------------------------------------------------------------------

# What the effect of a rule must be depends on how it is judged, so a judge takes any.
Judge = Callable[["Rule", Any, str], "RuleResult"]


def by_mean(rule: Rule, effects: Collection[float], note: str = "") -> RuleResult:
    """Judge the mean of one effect a replication by its t interval. Effects that are not finite are lost."""
    from ganbench.analysis.statistics import mean_interval

    finite, too_many, note = _without_lost(effects, "finite effect", note)
    result = by_interval(rule, mean_interval(finite), note, _p_value(rule, finite))
    return replace(result, verdict=INCONCLUSIVE) if too_many else result


def by_correlation(rule: Rule, rhos: Collection[float], note: str = "") -> RuleResult:
    """Judge the mean of one correlation a replication after Fisher's z. Those that are not finite are lost."""
    from ganbench.analysis.statistics import correlation_interval

    finite, too_many, note = _without_lost(rhos, "correlation", note)
    if any(abs(rho) >= 1 for rho in finite):  # which has no Fisher z; the interval says so
        p = _p_value(rule, finite)
    else:
        bounds = replace(rule, above=_fisher(rule.above), below=_fisher(rule.below))
        p = _p_value(bounds, [_fisher(rho) for rho in finite])
    result = by_interval(rule, correlation_interval(finite), note, p)
    return replace(result, verdict=INCONCLUSIVE) if too_many else result


def by_median(rule: Rule, effects: Collection[float], note: str = "") -> RuleResult:
    """Judge the median of one effect a replication as it is, without an interval; infinite ones count."""
    from ganbench.analysis.statistics import Interval

    median = float(np.median(list(effects)))
    return by_interval(rule, Interval(median, median, median, len(effects), "median"), note)


def by_proportion(rule: Rule, outcomes: Collection[bool], note: str = "") -> RuleResult:
    """Judge the share of replications that succeed by Wilson's interval, with the p value of a binomial test."""
    from scipy.stats import binomtest

    from ganbench.analysis.statistics import proportion_interval

    successes, n = int(sum(outcomes)), len(outcomes)
    p = float(binomtest(successes, n, rule.above, alternative="greater").pvalue)
    return by_interval(rule, proportion_interval(successes, n), note, p)


def by_value(rule: Rule, effect: float, note: str = "") -> RuleResult:
    """Judge a number that was calculated and has no sampling error."""
    inside = rule.above < effect < rule.below
    verdict = REPRODUCED if inside else INCONCLUSIVE if math.isnan(effect) else NOT_REPRODUCED
    return RuleResult(rule, verdict, effect, effect, effect, 1, math.nan, note)


def by_interval(rule: Rule, interval: Interval, note: str = "", p: float = math.nan) -> RuleResult:
    """Judge a 95 % interval of the effect; ``p`` is that of the null hypothesis that it is at the bound or beyond."""
    result = RuleResult(rule, INCONCLUSIVE, interval.estimate, interval.low, interval.high, interval.n, p, note)
    if interval.n < rule.least_seeds:
        needed = f"n = {interval.n} decides nothing: the rule needs {rule.least_seeds} seeds"
        return replace(result, note=f"{note}. {needed}" if note else needed)
    if rule.above < interval.low and interval.high < rule.below:
        return replace(result, verdict=REPRODUCED)
    outside = interval.high <= rule.above or interval.low >= rule.below
    return replace(result, verdict=NOT_REPRODUCED) if outside else result


def _without_lost(values: Collection[float], what: str, note: str) -> tuple[list[float], bool, str]:
    """The finite values of all replications, whether too many are lost, and a note that counts the lost ones."""
    finite = [float(x) for x in values if math.isfinite(x)]
    lost = len(values) - len(finite)
    counted = f"{lost} of {len(values)} replications gave no {what}" if lost else ""
    return finite, lost > MOST_LOST * len(values), ". ".join(text for text in (note, counted) if text)


def _fisher(rho: float) -> float:
    """Fisher's z of a correlation; infinite where there is no bound, or where it is a perfect correlation."""
    return math.copysign(math.inf, rho) if abs(rho) >= 1 else math.atanh(rho)


def _p_value(rule: Rule, effects: Sequence[float]) -> float:
    """One-sided t test against the nearer bound; the larger of two where both bounds are finite."""
    from scipy.stats import ttest_1samp

    if len(effects) < 2:
        return math.nan
    if max(effects) == min(effects):
        return 0.0 if rule.above < effects[0] < rule.below else 1.0
    tests = [(rule.above, "greater"), (rule.below, "less")]
    return max(float(ttest_1samp(effects, b, alternative=side).pvalue) for b, side in tests if math.isfinite(b))


# -- rules and claims --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """When a claim, or a part of one, counts as reproduced: the whole interval of an effect lies between two bounds.

    Attributes:
        name: unique within the claim.
        measure: what the effect is, in words, with its unit.
        effect: computes it from the measurements: a number a seed, or what else the judge takes.
        judge: turns the effect into a result.
        note: computes what else a reader should know.
        gate: says why the rule cannot be judged, where a condition for it does not hold.
        above: the interval's lower end must exceed this.
        below: the interval's upper end must stay under this.
        least_seeds: fewer replications decide nothing.
    """

    name: str
    measure: str
    effect: Callable[[Measurements], Any]
    judge: Judge = by_mean
    note: Callable[[Measurements], str] = lambda measurements: ""
    gate: Callable[[Measurements], GateFailure | None] = lambda measurements: None
    above: float = -math.inf
    below: float = math.inf
    least_seeds: int = 6

    def __post_init__(self) -> None:
        if not self.above < self.below:
            raise UsageError(f"rule {self.name}: above {self.above} and below {self.below} leave nothing between them")

    @classmethod
    def exact(cls, name: str, measure: str, effect: Callable[[Measurements], float], **fields: Any) -> Rule:
        """A rule on a number that is calculated, which needs no replications."""
        return cls(name, measure, effect, judge=by_value, least_seeds=1, **fields)

    @property
    def threshold(self) -> str:
        """The bounds, in words."""
        if math.isinf(self.below):
            return f"> {self.above:g}"
        return f"< {self.below:g}" if math.isinf(self.above) else f"in ({self.above:g}, {self.below:g})"

    def decide(self, measurements: Measurements) -> RuleResult:
        """The result on the measurements of all experiments of the claim."""
        failure = self.gate(measurements)
        if failure:
            return self.not_judged(*failure)
        return self.judge(self, self.effect(measurements), self.note(measurements))

    def not_judged(self, reason: str, n: int = 0) -> RuleResult:
        """The result where there is nothing to judge."""
        return RuleResult(self, INCONCLUSIVE, math.nan, math.nan, math.nan, n, math.nan, reason)


@dataclass(frozen=True)
class RuleResult:
    """A rule applied to measurements.

    Attributes:
        rule: the rule.
        verdict: ``reproduced``, ``not reproduced`` or ``inconclusive``.
        effect, low, high: the effect and its 95 % interval.
        n: replications that gave a finite effect.
        p: p value against the bound; NaN where there is none.
        note: what else a reader should know.
    """

    rule: Rule
    verdict: str
    effect: float
    low: float
    high: float
    n: int
    p: float
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence from the literature and how it is tested.

    Attributes:
        number: in the catalogue.
        id: what ``--claims`` calls it.
        sentence: what is claimed.
        source: paper with theorem, figure or section.
        protocol: what is done, with every size; where it was changed after a run, it says so.
        rules: what is decided, with the thresholds.
        caveat: what a verdict does not mean.
        experiments: where the measurements come from.
    """

    number: int
    id: str
    sentence: str
    source: str
    protocol: str
    rules: tuple[Rule, ...]
    caveat: str
    experiments: tuple[Experiment, ...]

    def decide(self, measurements: Measurements) -> list[RuleResult]:
        """One result a rule, from the measurements of all experiments."""
        return [rule.decide(measurements) for rule in self.rules]


def overall(verdicts: Sequence[str]) -> str:
    """The verdict of a claim from those of its rules: all must hold; one that does not is enough against it."""
    if NOT_REPRODUCED in verdicts:
        return NOT_REPRODUCED
    return REPRODUCED if set(verdicts) == {REPRODUCED} else INCONCLUSIVE
