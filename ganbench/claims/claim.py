"""A claim: a testable sentence from the literature, with thresholds that stand before any run that judges it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganbench.claims.experiment import Experiment, Measurements
from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.analysis.statistics import Interval

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
MOST_LOST = 0.2  # share of replications that may be without a finite effect before a rule cannot be judged


@dataclass(frozen=True)
class Rule:
    """When a claim, or a part of one, counts as reproduced: the whole interval of an effect lies between two bounds.

    Attributes:
        name: unique within the claim.
        effect: what the number is, in words, with its unit.
        above: the interval's lower end must exceed this.
        below: the interval's upper end must stay under this.
        least_seeds: fewer replications decide nothing.
    """

    name: str
    effect: str
    above: float = -math.inf
    below: float = math.inf
    least_seeds: int = 1

    def __post_init__(self) -> None:
        if not self.above < self.below:
            raise UsageError(f"rule {self.name}: above {self.above} and below {self.below} leave nothing between them")

    @property
    def threshold(self) -> str:
        """The bounds, in words."""
        if math.isinf(self.below):
            return f"> {self.above:g}"
        return f"< {self.below:g}" if math.isinf(self.above) else f"in ({self.above:g}, {self.below:g})"

    def judge(self, effects: Sequence[float], note: str = "") -> RuleResult:
        """The finding on one effect a replication: mean with its t interval.

        Args:
            effects: one number a seed. Numbers that are not finite are counted as lost.
            note: what a reader should know besides.
        """
        from ganbench.analysis.statistics import mean_interval

        finite, too_many, said = _without_lost(effects, "finite effect", note)
        finding = self.judge_interval(mean_interval(finite), _p_value(self, finite), said)
        return replace(finding, verdict=INCONCLUSIVE) if too_many else finding

    def judge_correlations(self, rhos: Sequence[float], note: str = "") -> RuleResult:
        """The finding on one correlation a replication: their mean after Fisher's z, with its interval.

        Args:
            rhos: one correlation a seed. Numbers that are not finite are counted as lost.
            note: what a reader should know besides.
        """
        from ganbench.analysis.statistics import correlation_interval

        finite, too_many, said = _without_lost(rhos, "correlation", note)
        if any(abs(rho) >= 1 for rho in finite):  # which has no Fisher z; the interval says so
            p = _p_value(self, finite)
        else:
            bounds = replace(self, above=_fisher(self.above), below=_fisher(self.below))
            p = _p_value(bounds, [_fisher(rho) for rho in finite])
        finding = self.judge_interval(correlation_interval(finite), p, said)
        return replace(finding, verdict=INCONCLUSIVE) if too_many else finding

    def judge_exact(self, effect: float, note: str = "") -> RuleResult:
        """The finding on a number that was calculated and has no sampling error."""
        inside = self.above < effect < self.below
        verdict = REPRODUCED if inside else INCONCLUSIVE if math.isnan(effect) else NOT_REPRODUCED
        return RuleResult(self, verdict, effect, effect, effect, 1, math.nan, note)

    def judge_interval(self, interval: Interval, p: float = math.nan, note: str = "") -> RuleResult:
        """The finding on an interval that was computed elsewhere, of a proportion or of a correlation, say.

        Args:
            interval: 95 % interval of the effect.
            p: p value of the null hypothesis that the effect is at the bound or beyond it; NaN where there is none.
            note: what a reader should know besides.
        """
        found = RuleResult(self, INCONCLUSIVE, interval.estimate, interval.low, interval.high, interval.n, p, note)
        if interval.n < self.least_seeds:
            needed = f"n = {interval.n} decides nothing: the rule needs {self.least_seeds} seeds"
            return replace(found, note=f"{note}. {needed}" if note else needed)
        if self.above < interval.low and interval.high < self.below:
            return replace(found, verdict=REPRODUCED)
        outside = interval.high <= self.above or interval.low >= self.below
        return replace(found, verdict=NOT_REPRODUCED) if outside else found

    def gate_failed(self, why: str, n: int = 0) -> RuleResult:
        """The finding where a condition that the rule rests on does not hold."""
        return RuleResult(self, INCONCLUSIVE, math.nan, math.nan, math.nan, n, math.nan, why)


def _without_lost(values: Sequence[float], what: str, note: str) -> tuple[list[float], bool, str]:
    """The finite ones of some replications' values, whether too many are lost, and a note that counts these."""
    finite = [x for x in values if math.isfinite(x)]
    lost = len(values) - len(finite)
    said = [note, f"{lost} of {len(values)} replications gave no {what}"] if lost else [note]
    return finite, lost > MOST_LOST * len(values), ". ".join(s for s in said if s)


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


@dataclass(frozen=True)
class RuleResult:
    """What a rule says about the measurements.

    Attributes:
        rule: the rule.
        verdict: ``reproduced``, ``not reproduced`` or ``inconclusive``.
        effect, low, high: the effect and its 95 % interval.
        n: replications that gave a finite effect.
        p: p value against the bound; NaN where there is none.
        note: what a reader should know besides.
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
        decide: one finding a rule, from the measurements of all its experiments.
    """

    number: int
    id: str
    sentence: str
    source: str
    protocol: str
    rules: tuple[Rule, ...]
    caveat: str
    experiments: tuple[Experiment, ...]
    decide: Callable[[Measurements], list[RuleResult]]

    def rule(self, name: str) -> Rule:
        """The rule of that name."""
        return next(rule for rule in self.rules if rule.name == name)


def overall(verdicts: Sequence[str]) -> str:
    """The verdict of a claim from those of its rules: all must hold; one that does not is enough against it."""
    if NOT_REPRODUCED in verdicts:
        return NOT_REPRODUCED
    return REPRODUCED if set(verdicts) == {REPRODUCED} else INCONCLUSIVE
