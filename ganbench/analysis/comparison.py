"""Whether one study's results are better or worse than another's: the same trials, metric by metric, paired by seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ganbench.analysis.scores import last_evaluations, metrics_of, protocol_of, scores
from ganbench.analysis.statistics import (
    Interval,
    Values,
    hodges_lehmann,
    hodges_lehmann_paired,
    iqm,
    min_seeds_to_decide,
)
from ganbench.plugins.former import current_settings
from ganbench.spec import canonical
from ganbench.store.results import Results
from ganbench.store.schema import STATUSES

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
MOST_SHOWN = 6  # settings that differ

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Comparison:
    """One metric of one objective on one dataset and architecture, in B against A.

    Attributes:
        dataset, architecture, objective, metric: labels.
        lower: whether less is better.
        first, second: interquartile means of the last-step values in A and in B, of the seeds compared.
        shift: B minus A, with its 95 % interval.
        verdict: ``better``, ``worse`` or ``undecided``: whether the whole interval lies on one side of 0.
        note: how many seeds, paired or not, and why nothing is decided.
    """

    dataset: str
    architecture: str
    objective: str
    metric: str
    lower: bool
    first: float
    second: float
    shift: Interval
    verdict: str
    note: str


@dataclass(frozen=True)
class Side:
    """The trials of one folder that are compared: all of one settings, so that a seed comes once.

    Attributes:
        trials: rows of the trials table.
        last: their evaluations at the last step.
    """

    trials: pd.DataFrame
    last: pd.DataFrame


def compare(first: Results, second: Results, directions: Mapping[str, str]) -> tuple[list[Comparison], list[str]]:
    """Compare B, the second, with A, the first, wherever both have the dataset, the architecture and the objective.

    Args:
        first, second: the tables of A and B.
        directions: ``lower`` or ``higher``, whichever is better, by metric; metrics without one are left out.

    Returns:
        The comparisons, and a sentence about everything that could not be compared or was not the same.
    """
    made: list[Comparison] = []
    remarks: list[str] = []
    for key, a, b in _matched(first, second, remarks):
        metrics = metrics_of(pd.concat([a.last, b.last]), directions)
        if not metrics:
            remarks.append(f"{_name(key)}: no metric has a value on either side")
        for metric in metrics:
            obstacle = _obstacle(a, b, metric)
            if obstacle:
                remarks.append(f"{_name(key)}: {metric} is not compared, {obstacle}")
            else:
                made.append(_compared(key, metric, directions[metric], a, b))
    return made, remarks


def _matched(first: Results, second: Results, remarks: list[str]) -> Iterator[tuple[Key, Side, Side]]:
    """Trials of both folders that belong together: of equal settings, or of the only ones that a label has in both."""
    ours, theirs = _groups(first.trials), _groups(second.trials)
    for key in sorted({*ours, *theirs}):
        a, b = ours.get(key, {}), theirs.get(key, {})
        pairs = [(text, text) for text in a if text in b]
        left = [text for text in a if text not in b], [text for text in b if text not in a]
        if len(left[0]) == len(left[1]) == 1:
            pairs.append((left[0][0], left[1][0]))
            remarks.append(f"{_name(key)}: settings differ: {_difference(left[0][0], left[1][0])}")
        else:
            remarks += _unmatched(key, len(left[0]), len(left[1]), known=bool(a) and bool(b))
        for mine, yours in pairs:
            yield key, _side(first, a[mine]), _side(second, b[yours])


def _groups(trials: pd.DataFrame) -> dict[Key, dict[str, pd.DataFrame]]:
    """The trials of every dataset, architecture and objective, by their settings."""
    groups: dict[Key, dict[str, pd.DataFrame]] = {}
    trials = trials.assign(settings=trials["settings"].map(_current))
    for (dataset, architecture, objective, text), rows in trials.groupby(
        ["dataset", "architecture", "objective", "settings"], sort=True
    ):
        groups.setdefault((str(dataset), str(architecture), str(objective)), {})[str(text)] = rows
    return groups


def _current(settings: str) -> str:
    """Settings with today's fingerprints, so that those of earlier versions are equal where their source is."""
    return canonical(current_settings(settings))


def _side(results: Results, trials: pd.DataFrame) -> Side:
    return Side(trials, last_evaluations(results, list(trials["trial"])))


def _unmatched(key: Key, only_a: int, only_b: int, known: bool) -> list[str]:
    notes = [f"{n} in {name}" for n, name in ((only_a, "A"), (only_b, "B")) if n]
    if not known:
        return [f"{_name(key)} is only in {'A' if only_a else 'B'}"]
    return [f"{_name(key)}: settings without a counterpart are not compared: {', '.join(notes)}"] if notes else []


def _name(key: Key) -> str:
    return " · ".join(key)


def _obstacle(a: Side, b: Side, metric: str) -> str:
    """Why a metric cannot be compared; empty where it can. A side on which nothing completed counts as worst."""
    for name, side in (("A", a), ("B", b)):
        if not protocol_of(side.last, metric) and (side.trials["status"] == "completed").any():
            return f"the completed trials of {name} have no value of it"
    if _common_protocol(a, b, metric):
        return ""
    return "its protocols differ: " + " and ".join(protocol_of(side.last, metric) for side in (a, b))


def _common_protocol(a: Side, b: Side, metric: str) -> str:
    """The commonest protocol with values on both sides; where one has no value at all, the commonest of the other."""
    rows = [side.last[(side.last["metric"] == metric) & side.last["value"].notna()] for side in (a, b)]
    if all(len(side) for side in rows):
        shared = set(rows[0]["protocol"]) & set(rows[1]["protocol"])
        rows = [side[side["protocol"].isin(shared)] for side in rows]
    return protocol_of(pd.concat(rows), metric)


def _compared(key: Key, metric: str, direction: str, a: Side, b: Side) -> Comparison:
    protocol = _common_protocol(a, b, metric)
    sample = _sample(_by_seed(a, protocol, direction), _by_seed(b, protocol, direction))
    shift = (hodges_lehmann_paired if sample.paired else hodges_lehmann)(sample.first, sample.second)
    verdict = _verdict(shift, direction)
    why = _why_undecided(shift, sample) if verdict == UNDECIDED else ""
    note = "; ".join([*sample.notes, *([why] if why else [])])
    means = iqm(sample.first), iqm(sample.second)
    return Comparison(*key, metric, direction == "lower", *means, shift, verdict, note)


@dataclass(frozen=True)
class Sample:
    """The values that are compared: of the same seeds in the same order where ``paired``; ``notes`` says how many."""

    first: Values
    second: Values
    paired: bool
    notes: tuple[str, ...]


def _sample(a: pd.Series[float], b: pd.Series[float]) -> Sample:
    """From the values of A and B by seed: those of the seeds that both have, or all where they share none."""
    both = a.index.intersection(b.index)
    lost = int(a.isna().sum() + b.isna().sum())
    notes = [f"{_count(lost, 'completed trial')} without a value left out"] if lost else []
    if both.empty:
        x, y = a.dropna().to_numpy(), b.dropna().to_numpy()
        return Sample(x, y, False, (f"{len(x)} and {len(y)} seeds, none in both", *notes))
    table = pd.DataFrame({"a": a.loc[both], "b": b.loc[both]}).dropna()
    left = len(a) + len(b) - 2 * len(both)
    notes += [f"{_count(left, 'seed')} in one of them only left out"] if left else []
    return Sample(table["a"].to_numpy(), table["b"].to_numpy(), True, (_count(len(table), "paired seed"), *notes))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _by_seed(side: Side, protocol: str, direction: str) -> pd.Series[float]:
    values = scores(side.last, side.trials, protocol, direction)
    return pd.Series(values.to_numpy(), index=side.trials["seed"].to_numpy(), dtype=float)


def _verdict(shift: Interval, direction: str) -> str:
    if shift.low > 0:
        return WORSE if direction == "lower" else BETTER
    if shift.high < 0:
        return BETTER if direction == "lower" else WORSE
    return UNDECIDED


def _why_undecided(shift: Interval, sample: Sample) -> str:
    """What stands in the way of a decision, where it is known."""
    n, least = min(len(sample.first), len(sample.second)), min_seeds_to_decide(sample.paired)
    if n < least and not math.isfinite(shift.low) and not math.isfinite(shift.high):
        wanted = "paired seeds" if sample.paired else "seeds on each side"
        return f"too few to decide, {least} {wanted} are the fewest that could"
    return "no difference at all" if shift.low == shift.high == 0 else ""


def _difference(first: str, second: str) -> str:
    """The settings that are not the same, as ``name: old → new``."""
    a, b = (_flat(json.loads(text or "{}")) for text in (first, second))
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    notes = [f"{name}: {a.get(name, 'none')} → {b.get(name, 'none')}" for name in changed[:MOST_SHOWN]]
    return ", ".join([*notes, *([f"{len(changed) - MOST_SHOWN} more"] if len(changed) > MOST_SHOWN else [])])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def endings(results: Results) -> dict[str, int]:
    """How many trials completed, diverged and failed."""
    return {status: int((results.trials["status"] == status).sum()) for status in STATUSES}
