"""Sentences of the report: how each metric is called, and what the tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ganbench.analysis.export import interval_text
from ganbench.analysis.leaderboard import NOTE
from ganbench.analysis.ranking import ObjectiveRank, PairwiseTest, Ranking, pairwise_tests
from ganbench.analysis.scores import directions, metrics_of
from ganbench.analysis.statistics import LEVEL, least_paired_seeds
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, overall
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.sections import ReportData, Section

# -- metrics -----------------------------------------------------------------------------------------------------------

NAMES = {"fid": "FID", "kid": "KID", "sliced_w1": "sliced W1", "w1": "W1", "modes": "modes captured",
         "high_quality": "high-quality share", "mode_kl": "KL of the mode histogram"}  # fmt: skip
ON_LOG = ("fid", "kid", "w1", "sliced_w1", "mode_kl")  # positive, and over orders of magnitude


@dataclass(frozen=True)
class MetricInfo:
    """A metric as figures and sentences need it.

    Attributes:
        metric: its name.
        lower: whether less is better.
    """

    metric: str
    lower: bool

    @property
    def title(self) -> str:
        """What readers call it."""
        return NAMES.get(self.metric, self.metric)

    @property
    def axis(self) -> str:
        """Its axis: the name and which way is better."""
        return f"{self.title} ({'lower' if self.lower else 'higher'} is better)"

    @property
    def log(self) -> bool:
        """Whether its axis is logarithmic."""
        return self.metric in ON_LOG


def measures(section: Section, registry: PluginRegistry) -> list[MetricInfo]:
    """The metrics of a section that can be ranked, the leading one first."""
    known = {cls.name: cls for cls in registry.metrics}
    names = metrics_of(section.results.evaluations, directions(registry.metrics))
    return [MetricInfo(name, known[name].direction == "lower") for name in names]


# -- sentences ---------------------------------------------------------------------------------------------------------

MOST_NAMED = 6


def result_sentences(rankings: Mapping[MetricInfo, Ranking]) -> list[str]:
    """Who leads, a sentence or two for every metric, and what n allows."""
    found = {measure: pairwise_tests(ranking) for measure, ranking in rankings.items() if _comparable(ranking)}
    told = [_leader(rankings)] if found else []
    told += [_result(measure, ranking, found.get(measure, [])) for measure, ranking in rankings.items()]
    return told + _limits_of_n([duel for duels_ in found.values() for duel in duels_])


def _comparable(ranking: Ranking) -> bool:
    return len(ranking.standings) > 1 and bool(np.isfinite(ranking.standings[0].interval.estimate))


def _leader(rankings: Mapping[MetricInfo, Ranking]) -> str:
    """Which objective leads on how many metrics."""
    firsts = [_first(ranking) for ranking in rankings.values() if _comparable(ranking)]
    counts = pd.Series([name for names in firsts for name in names]).value_counts()
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{name} {'leads ' if i == 0 else ''}on {n}" for i, (name, n) in enumerate(order)]
    ties = " (ties count for each)" if counts.sum() > len(firsts) else ""
    return f"Of {len(firsts)} metric{'s' * (len(firsts) != 1)}, {_names(told)}{ties}."


def _first(ranking: Ranking) -> list[str]:
    best = ranking.standings[0].interval.estimate
    return [s.objective for s in ranking.standings if s.interval.estimate == best]


def _result(measure: MetricInfo, ranking: Ranking, found: Sequence[PairwiseTest]) -> str:
    best, *others = ranking.standings
    if not np.isfinite(best.interval.estimate):
        return f"{measure.title}: no objective has a finite mean, because too many seeds diverged or failed."
    floor = f" A perfect sampler scores {ranking.floor:.3g}." if np.isfinite(ranking.floor) else ""
    if not others:
        return f"{measure.title}: {best.objective} reached {_value(best)}. There is nothing to compare it with.{floor}"
    level = _first(ranking)
    if len(level) > 1:
        return f"{measure.title}: {_names(level)} are level at {_value(best)}.{floor}"
    second = f"{others[0].objective} with {_value(others[0])}"
    lead = f"{measure.title}: {best.objective} is best with {_value(best)}, then {second}"
    return f"{lead}. {_how_sure(found)}{floor}"


def _value(standing: ObjectiveRank) -> str:
    i = standing.interval
    if not np.isfinite(i.estimate):
        return f"no finite mean ({standing.ending})"
    return f"{interval_text(i.estimate, i.low, i.high)} ({standing.ending})"


def _how_sure(found: Sequence[PairwiseTest]) -> str:
    """Better than whom, in how many of the shared seeds, and whether that is decided."""
    alpha, least = _alpha(), least_paired_seeds(_alpha())
    won = [d for d in found if d.n >= least and d.adjusted < alpha]
    few = [d for d in found if d.n < least]
    rest = [d for d in found if d not in won and d not in few]
    told = [f"Better than {_against(won)}: this holds at the {100 * alpha:g} % level{_holm(found)}."] if won else []
    told += [f"Not decided against {_against(rest)}{_holm(found)}."] if rest else []
    told += [f"Too few seeds to decide against {_against(few)}."] if few else []
    return " ".join(told)


def _alpha() -> float:
    return round(1 - LEVEL, 10)


def _limits_of_n(found: Sequence[PairwiseTest]) -> list[str]:
    """Why few seeds decide nothing, and how many would."""
    least = least_paired_seeds(_alpha())
    few = sorted({d.n for d in found if d.n < least})
    if not few:
        return []
    return [
        f"With {_names([str(n) for n in few])} paired seed{'s' * (few[-1] != 1)} no two-sided sign-flip test can reach "
        f"p < {_alpha():g}, whatever the values: run at least {least} seeds (--seeds {least}) to decide."
    ]


def _holm(found: Sequence[PairwiseTest]) -> str:
    return f" (p by Holm's correction over {len(found)} comparisons)" if len(found) > 1 else ""


def _against(found: Sequence[PairwiseTest]) -> str:
    told = [f"{d.other} ({d.wins} of {d.n} seeds, p = {_p(d.adjusted)})" for d in found[:MOST_NAMED]]
    return _names([*told, *([f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else [])])


def _p(p: float) -> str:
    return "–" if np.isnan(p) else f"{p:.2g}"


def _names(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED]) + ([f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else [])
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def size_sentence(section: Section) -> str:
    """What was run, in one sentence."""
    trials, settings = section.results.trials, section.settings
    parts = [
        f"{trials['objective'].nunique()} objective{'s' * (trials['objective'].nunique() != 1)}",
        f"{section.n_seeds} seed{'s' * (section.n_seeds != 1)}",
        f"{len(trials)} trial{'s' * (len(trials) != 1)}",
    ]
    if settings.get("steps"):
        parts.append(f"{settings['steps']:,} generator step{'s' * (settings['steps'] != 1)}")
    if settings.get("batch_size"):
        parts.append(f"batches of {settings['batch_size']}")
    return ", ".join(parts) + "."


def learning_sentences(board: pd.DataFrame) -> list[str]:
    """Which objectives have learnt little or nothing, by the notes of a leaderboard, and whether any has learnt."""
    noted = board[board[NOTE] != ""]
    if noted.empty:
        return []
    named = [f"{name} ({', '.join(rows['objective'])})" for name, rows in noted.groupby(NOTE, sort=False)]
    if len(noted) == len(board):
        return [f"No objective has learnt much, so the ranks below say little: {_names(named)}."]
    return [f"Learnt little or nothing: {_names(named)}."]


def failure_sentences(trials: pd.DataFrame, learnt: bool = True) -> list[str]:
    """What diverged and what failed; that nothing failed is said only where everything has learnt."""
    total, bad = len(trials), trials[trials["status"] != "completed"]
    if bad.empty:
        all_of_them = f"all {total} trials completed" if total != 1 else "the trial completed"
        return [f"Nothing failed: {all_of_them}." if learnt else f"{all_of_them.capitalize()}, but see above."]
    told = []
    for status, rows in bad.groupby("status", sort=True):
        counts = rows["objective"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        everyone = trials["objective"].value_counts()
        named = [f"{name} {n} of {everyone[str(name)]}" for name, n in list(counts.items())[:MOST_NAMED]]
        more = [f"{len(counts) - MOST_NAMED} more objectives"] if len(counts) > MOST_NAMED else []
        told.append(f"{str(status).capitalize()}: {len(rows)} of {total} trials ({', '.join([*named, *more])}).")
    if len(bad) == total:
        told.append("No trial completed, so nothing can be said of how good any objective is.")
    return told


def verdict_sentence(material: ReportData) -> str:
    """How the claims fared, in one sentence; empty where there are no verdicts."""
    verdicts = material.verdicts
    if verdicts is None:
        return ""
    counts = verdicts["verdict"].value_counts()
    told = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    return f"Claims of the literature: {verdicts['claim'].nunique()} claims tested by {len(verdicts)} rules: {told}."


def claim_sentences(verdicts: pd.DataFrame) -> list[str]:
    """Which claims fared how: one sentence for each verdict that there is."""
    fared = verdicts.groupby("claim", sort=False)["verdict"].agg(lambda found: overall(list(found)))
    told = []
    for verdict in (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE):
        names = [str(name) for name in fared.index[fared == verdict]]
        if names:
            told.append(f"{verdict.capitalize()}, {len(names)} of {len(fared)} claims: {', '.join(names)}.")
    return told
