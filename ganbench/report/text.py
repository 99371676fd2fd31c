"""Sentences of the report: what the tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ganbench.analysis.export import interval_text
from ganbench.analysis.leaderboard import NOTE
from ganbench.analysis.ranking import ObjectiveRank, PairwiseTest, Ranking, pairwise_tests
from ganbench.analysis.statistics import LEVEL, least_paired_seeds
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, overall
from ganbench.report.sections import MetricInfo, Section

MOST_NAMED = 6
ALPHA = round(1 - LEVEL, 10)


def result_sentences(rankings: Mapping[MetricInfo, Ranking]) -> list[str]:
    """Who leads, a sentence or two for every metric, and what n allows."""
    comparable = [ranking for ranking in rankings.values() if _comparable(ranking)]
    tests = {ranking.metric: pairwise_tests(ranking) for ranking in comparable}
    sentences = [_leaders(comparable)] if comparable else []
    sentences += [_result(metric, ranking, tests.get(metric.name, [])) for metric, ranking in rankings.items()]
    return sentences + _limits_of_n([test for of_metric in tests.values() for test in of_metric])


def _comparable(ranking: Ranking) -> bool:
    return len(ranking.standings) > 1 and bool(np.isfinite(ranking.standings[0].interval.estimate))


def _leaders(rankings: Sequence[Ranking]) -> str:
    """Which objective leads on how many metrics."""
    counts = pd.Series([name for ranking in rankings for name in _first(ranking)]).value_counts()
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{name} {'leads ' if i == 0 else ''}on {n}" for i, (name, n) in enumerate(order)]
    ties = " (ties count for each)" if counts.sum() > len(rankings) else ""
    return f"Of {_count(len(rankings), 'metric')}, {_listed(parts)}{ties}."


def _first(ranking: Ranking) -> list[str]:
    best = ranking.standings[0].interval.estimate
    return [s.objective for s in ranking.standings if s.interval.estimate == best]


def _result(metric: MetricInfo, ranking: Ranking, tests: Sequence[PairwiseTest]) -> str:
    best, *others = ranking.standings
    if not np.isfinite(best.interval.estimate):
        return f"{metric.title}: no objective has a finite mean, because too many seeds diverged or failed."
    floor = f" A perfect sampler scores {ranking.floor:.3g}." if np.isfinite(ranking.floor) else ""
    if not others:
        return f"{metric.title}: {best.objective} reached {_value(best)}. There is nothing to compare it with.{floor}"
    level = _first(ranking)
    if len(level) > 1:
        return f"{metric.title}: {_listed(level)} are level at {_value(best)}.{floor}"
    second = f"{others[0].objective} with {_value(others[0])}"
    lead = f"{metric.title}: {best.objective} is best with {_value(best)}, then {second}"
    return f"{lead}. {_certainty(tests)}{floor}"


def _value(rank: ObjectiveRank) -> str:
    i = rank.interval
    if not np.isfinite(i.estimate):
        return f"no finite mean ({rank.ending})"
    return f"{interval_text(i.estimate, i.low, i.high)} ({rank.ending})"


def _certainty(tests: Sequence[PairwiseTest]) -> str:
    """Better than whom, in how many of the shared seeds, and whether that is decided."""
    least = least_paired_seeds(ALPHA)
    few = [test for test in tests if test.n < least]
    won = [test for test in tests if test.n >= least and test.adjusted < ALPHA]
    open_ = [test for test in tests if test.n >= least and not test.adjusted < ALPHA]
    holm = f" (p by Holm's correction over {len(tests)} comparisons)" if len(tests) > 1 else ""
    sentences = [f"Better than {_against(won)}: this holds at the {100 * ALPHA:g} % level{holm}."] if won else []
    sentences += [f"Not decided against {_against(open_)}{holm}."] if open_ else []
    sentences += [f"Too few seeds to decide against {_against(few)}."] if few else []
    return " ".join(sentences)


def _limits_of_n(tests: Sequence[PairwiseTest]) -> list[str]:
    """Why few seeds decide nothing, and how many would."""
    least = least_paired_seeds(ALPHA)
    few = sorted({test.n for test in tests if test.n < least})
    if not few:
        return []
    return [
        f"With {_listed([str(n) for n in few])} paired seed{'s' * (few[-1] != 1)} no two-sided sign-flip test can "
        f"reach p < {ALPHA:g}, whatever the values: run at least {least} seeds (--seeds {least}) to decide."
    ]


def _against(tests: Sequence[PairwiseTest]) -> str:
    ps = ["–" if np.isnan(test.adjusted) else f"{test.adjusted:.2g}" for test in tests]
    return _listed([f"{t.other} ({t.wins} of {t.n} seeds, p = {p})" for t, p in zip(tests, ps, strict=True)])


def _listed(names: Sequence[str]) -> str:
    """The first names and how many more there are: ``a, b and 3 more``."""
    parts = list(names[:MOST_NAMED]) + [f"{len(names) - MOST_NAMED} more"] * (len(names) > MOST_NAMED)
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def size_sentence(section: Section) -> str:
    """What was run, in one sentence."""
    trials, settings = section.results.trials, section.settings
    counts = {"objective": trials["objective"].nunique(), "seed": trials["seed"].nunique(), "trial": len(trials)}
    parts = [_count(n, noun) for noun, n in counts.items()]
    if settings.get("steps"):
        parts.append(_count(settings["steps"], "generator step"))
    if settings.get("batch_size"):
        parts.append(f"batches of {settings['batch_size']}")
    return ", ".join(parts) + "."


def learning_sentences(board: pd.DataFrame) -> list[str]:
    """Which objectives have learnt little or nothing, by the notes of a leaderboard, and whether any has learnt."""
    noted = board[board[NOTE] != ""]
    if noted.empty:
        return []
    named = _listed([f"{note} ({', '.join(rows['objective'])})" for note, rows in noted.groupby(NOTE, sort=False)])
    if len(noted) == len(board):
        return [f"No objective has learnt much, so the ranks below say little: {named}."]
    return [f"Learnt little or nothing: {named}."]


def failure_sentences(trials: pd.DataFrame, learnt: bool = True) -> list[str]:
    """What diverged and what failed; that nothing failed is said only where everything has learnt."""
    total, bad = len(trials), trials[trials["status"] != "completed"]
    if bad.empty:
        all_of_them = f"all {total} trials completed" if total != 1 else "the trial completed"
        return [f"Nothing failed: {all_of_them}." if learnt else f"{all_of_them.capitalize()}, but see above."]
    sentences = []
    for status, rows in bad.groupby("status", sort=True):
        counts = rows["objective"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        everyone = trials["objective"].value_counts()
        named = [f"{name} {n} of {everyone[str(name)]}" for name, n in list(counts.items())[:MOST_NAMED]]
        more = [f"{len(counts) - MOST_NAMED} more objectives"] * (len(counts) > MOST_NAMED)
        sentences.append(f"{str(status).capitalize()}: {len(rows)} of {total} trials ({', '.join([*named, *more])}).")
    if len(bad) == total:
        sentences.append("No trial completed, so nothing can be said of how good any objective is.")
    return sentences


def verdict_sentence(verdicts: pd.DataFrame) -> str:
    """How the claims fared, in one sentence."""
    counts = ", ".join(f"{n} {name}" for name, n in sorted(verdicts["verdict"].value_counts().items()))
    return f"Claims of the literature: {verdicts['claim'].nunique()} claims tested by {len(verdicts)} rules: {counts}."


def claim_sentences(verdicts: pd.DataFrame) -> list[str]:
    """Which claims fared how: one sentence for each verdict that there is."""
    fared = verdicts.groupby("claim", sort=False)["verdict"].agg(lambda of_rules: overall(list(of_rules)))
    sentences = []
    for verdict in (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE):
        names = [str(name) for name in fared.index[fared == verdict]]
        if names:
            sentences.append(f"{verdict.capitalize()}, {len(names)} of {len(fared)} claims: {', '.join(names)}.")
    return sentences
