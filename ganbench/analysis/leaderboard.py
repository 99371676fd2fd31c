"""Which objective ended where: a study's tables in, one table out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ganbench.analysis.scores import last_evaluations, metrics_of, protocol_of, scores
from ganbench.analysis.statistics import bootstrap_interval
from ganbench.plugins.former import current_settings
from ganbench.spec import canonical
from ganbench.store.results import Results, find_floor
from ganbench.store.schema import STATUSES

KEYS = ("dataset", "architecture", "variant", "steps", "objective")
COUNTS = ("seeds", *STATUSES)
OF_A_METRIC = ("", "_low", "_high", "_best", "_best_low", "_best_high", "_n", "_method", "_best_method", "_protocol")
GRADIENT = "generator_grad_norm"
NOTE = "note"
LITTLE = 0.25  # of the way from the start to a perfect sampler: an objective that went less far has hardly learnt


def columns(metrics: Sequence[str]) -> list[str]:
    """The columns of a leaderboard with these metrics.

    ========================= =====================================================================================
    dataset … objective       labels, as in the trials table
    variant                   1, 2, …: trials with other settings (steps, batch size) are tables of their own
    steps                     generator updates asked for
    seeds                     trials; how many completed, diverged and failed follows
    METRIC, _low, _high       interquartile mean of the last-step values over seeds, 95 % interval
    METRIC_best, …            the same of every seed's best value over time
    METRIC_n                  seeds with a value, those that diverged or failed (counted as worst) included
    METRIC_method, …          how interval and mean were computed; of the best values: METRIC_best_method
    METRIC_protocol           the definition of the values
    generator_grad_norm       median over all steps of all trials
    note                      why the row is no sign of learning (see ``learning_note``); empty where it is one
    ========================= =====================================================================================
    """
    return [*KEYS, *COUNTS, *(m + part for m in metrics for part in OF_A_METRIC), GRADIENT, NOTE]


def leaderboard(results: Results, directions: Mapping[str, str], metrics: Sequence[str] = ()) -> pd.DataFrame:
    """One row a dataset, architecture and objective, the best by the leading metric first.

    Args:
        results: a study's tables.
        directions: ``lower`` or ``higher``, whichever is better, by metric; metrics without one are left out.
        metrics: those to show, in this order; all, the leading one first, unless given.
    """
    shown = list(metrics) or metrics_of(results.evaluations, directions)
    rows: list[dict[str, Any]] = []
    for section in sections(results.trials):
        last = last_evaluations(results, list(section.trials["trial"]))
        values = [_metric_values(metric, section.trials, results, last, directions[metric]) for metric in shown]
        leading = metrics_of(last, {m: directions[m] for m in shown})[:1]
        own = []
        for part in _by_objective(results, section.objectives()):
            row = _row(section, part, values)
            row[NOTE] = learning_note(part, part.trials, leading[0], directions[leading[0]]) if leading else ""
            own.append(row)
        rows += sorted(own, key=lambda row: _rank(row, leading, directions))
    return pd.DataFrame(rows, columns=columns(shown))


def _by_objective(results: Results, groups: Sequence[pd.DataFrame]) -> Iterator[Results]:
    """For each group of trials a study of them alone: their evaluations, and of their steps what a row needs."""
    names = pd.Index(np.concatenate([trials["trial"] for trials in groups]))
    group_of = np.repeat(np.arange(len(groups)), [len(trials) for trials in groups])
    tables = {"steps": results.steps[["trial", GRADIENT]], "evaluations": results.evaluations}
    places = {name: names.get_indexer(table["trial"]) for name, table in tables.items()}  # once: tables are long
    owners = {name: np.where(found < 0, -1, group_of[found]) for name, found in places.items()}
    for k, trials in enumerate(groups):
        yield replace(results, trials=trials, **{name: table[owners[name] == k] for name, table in tables.items()})


@dataclass(frozen=True)
class MetricValues:
    """What trials scored by a metric.

    Attributes:
        metric: its name.
        protocol: that most last values have; empty where there is no value.
        ends, bests: by trial, the last value and the best over time; see ``scores``.
    """

    metric: str
    protocol: str
    ends: pd.Series[float]
    bests: pd.Series[float]


def _metric_values(
    metric: str, trials: pd.DataFrame, results: Results, last: pd.DataFrame, direction: str
) -> MetricValues:
    """What all trials of a section scored; ``last`` are its evaluations of last steps."""
    protocol = protocol_of(last, metric)
    found = [scores(table, trials, protocol, direction) for table in (last, results.evaluations)]
    return MetricValues(metric, protocol, *found)


@dataclass(frozen=True)
class TrialGroup:
    """Trials that differ in nothing but the objective and the seed: what can be compared.

    Attributes:
        dataset, architecture: labels.
        variant: 1, or more where a dataset and an architecture come with several settings.
        steps: generator updates; 0 where the settings do not say.
        trials: rows of the trials table.
    """

    dataset: str
    architecture: str
    variant: int
    steps: int
    trials: pd.DataFrame

    def objectives(self) -> list[pd.DataFrame]:
        """The trials of every objective, in alphabetical order."""
        return [rows for _, rows in self.trials.groupby("objective", sort=True)]


def sections(trials: pd.DataFrame) -> list[TrialGroup]:
    """The parts of a study that compare: one a dataset, an architecture and a set of settings."""
    found: list[TrialGroup] = []
    for (dataset, architecture), rows in trials.groupby(["dataset", "architecture"], sort=True):
        groups = [(_steps(str(text)), str(text), own) for text, own in rows.groupby(rows["settings"].map(_shared))]
        for variant, (steps, _, own) in enumerate(sorted(groups, key=lambda group: group[:2]), 1):
            found.append(TrialGroup(str(dataset), str(architecture), variant, steps, own))
    return found


def _steps(settings: str) -> int:
    return int(json.loads(settings).get("steps", 0))


def _shared(settings: str) -> str:
    """All but the objective; the same source has one fingerprint, whichever version stored it."""
    return canonical({name: value for name, value in current_settings(settings).items() if name != "objective"})


def _row(group: TrialGroup, results: Results, values: Sequence[MetricValues]) -> dict[str, Any]:
    """One objective's row; ``results`` has its trials alone, ``values`` those of the whole group."""
    trials = results.trials
    keys = (group.dataset, group.architecture, group.variant, group.steps, str(trials["objective"].iloc[0]))
    row: dict[str, Any] = dict(zip(KEYS, keys, strict=True))
    row |= {"seeds": len(trials), **{s: int((trials["status"] == s).sum()) for s in STATUSES}}
    row[GRADIENT] = float(results.steps[GRADIENT].median())
    for found in values:
        metric = found.metric
        row |= {f"{metric}_protocol": found.protocol, f"{metric}_n": 0}
        row |= {f"{metric}_method": "", f"{metric}_best_method": ""}
        if found.protocol:
            ends, bests = (series[trials["trial"]].dropna() for series in (found.ends, found.bests))
            row |= {**_interval(metric, ends), **_interval(f"{metric}_best", bests), f"{metric}_n": len(ends)}
    return row


def _interval(name: str, values: pd.Series[float]) -> dict[str, Any]:
    found = bootstrap_interval(values.to_numpy(), "iqm")
    numbers = {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
    return {**numbers, f"{name}_method": found.method}


def learning_note(results: Results, trials: pd.DataFrame, metric: str, direction: str) -> str:
    """Why an objective cannot be said to have learnt, in a few words; empty where it has, or where nothing is known.

    The completed seeds are compared with themselves at step 0, before any update. Where the floor is known, the way
    from there to what a perfect sampler scores is the measure: half of the seeds went less than ``LITTLE`` of it.

    Args:
        results: a study's tables.
        trials: those of the objective.
        metric: its name.
        direction: ``lower`` or ``higher``, whichever is better.
    """
    completed = trials.loc[trials["status"] == "completed", "trial"]
    ends = last_evaluations(results, list(completed))
    protocol, sign = protocol_of(ends, metric), 1 if direction == "lower" else -1
    rows = results.evaluations[results.evaluations["protocol"] == protocol].set_index("trial")
    starts = rows.loc[rows["step"] == 0, "value"]
    steps = ends[(ends["protocol"] == protocol) & (ends["step"] > 0)].set_index("trial")["value"]
    gains = (sign * (starts - steps)).dropna()
    if gains.empty:
        return ""
    if (gains < 0).mean() > 0.5:
        return f"{metric} is worse than at the start"
    if (gains > 0).mean() <= 0.5:
        return f"{metric} is no better than at the start"
    floor = find_floor(results.floors, str(trials["dataset"].iloc[0]), protocol)["value"]
    way = sign * (starts.loc[gains.index] - float(floor.iloc[0] if len(floor) else "nan"))
    share = float((gains / way)[way > 0].median())
    return f"{metric} went {share:.0%} of the way from the start to a perfect sampler" if share < LITTLE else ""


def _rank(row: Mapping[str, Any], leading: Sequence[str], directions: Mapping[str, str]) -> tuple[float, str]:
    """By the leading metric; what has no number of it comes last, equals by name."""
    if not leading:
        return 0.0, row["objective"]
    value = row.get(leading[0], float("nan"))
    signed = value if directions[leading[0]] == "lower" else -value
    return (float("inf") if pd.isna(signed) else signed), row["objective"]
