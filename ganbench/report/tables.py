"""Tables of the page: cells with what is shown and what is sorted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ganbench.figures.verdicts import effect_text
from ganbench.formats import interval_text, number_text
from ganbench.leaderboard import COUNTS, GRADIENT, NOTE
from ganbench.report.material import Material, Section
from ganbench.report.measures import Measure
from ganbench.report.ranking import Ranking


@dataclass(frozen=True)
class Cell:
    """What is shown, what sorting goes by (a number, or the text itself), a style, and what stands small beneath."""

    text: str
    key: float | str
    kind: str = ""
    more: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of the page. ``heading`` stands above it and ``note`` below."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


def text(value: object) -> Cell:
    """A cell of text."""
    return Cell(str(value), str(value))


def number(value: float, shown: str | None = None, kind: str = "number") -> Cell:
    """A cell that sorts as a number; those that are none come last."""
    key = float(value) if np.isfinite(value) else 1e300
    return Cell(number_text(float(value)) if shown is None else shown, key, kind)


def leaderboard_grid(section: Section, board: pd.DataFrame, rankings: Mapping[Measure, Ranking]) -> Grid:
    """The leaderboard of a section: how trials ended, and every metric at the last step and at its best."""
    metrics = [m.title + (" ↓" if m.lower else " ↑") for m in rankings]
    columns = ["objective", *COUNTS, *metrics, "median ‖∇G‖", "seconds"]
    trials = section.results.trials
    seconds = trials.groupby("objective")["wall_seconds"].median()
    rows = [[*_standing(row, rankings), number(seconds[row["objective"]])] for row in board.to_dict("records")]
    rows += [_floors(rankings)] if any(np.isfinite(r.floor) for r in rankings.values()) else []
    methods = sorted({s.interval.method for r in rankings.values() for s in r.standings if s.interval.method})
    note = (
        "Metrics: interquartile mean over seeds of the last-step values with its 95 % interval, and small beneath the "
        "same of each seed's best over time; seeds that diverged or failed count as worst (∞ where they are too many "
        f"for a finite number). Methods: {'; '.join(methods) or 'none, there are no values'}. ‖∇G‖: norm of the "
        "generator's gradient over all steps. Seconds: median wall time of a trial, whose cohort trains together."
    )
    return Grid("", columns, rows, note)


def _standing(row: Mapping[Any, Any], rankings: Mapping[Measure, Ranking]) -> list[Cell]:
    counts = [number(row[name], kind=name) for name in COUNTS]
    metrics = []
    for measure in rankings:
        last, best = (
            interval_text(*(float(row[f"{measure.metric}{kind}{end}"]) for end in ("", "_low", "_high")))
            for kind in ("", "_best")
        )
        metrics.append(replace(number(float(row[measure.metric]), last), more=f"best {best}"))
    gradient = number(float(row[GRADIENT]), number_text(float(row[GRADIENT])))
    name = Cell(str(row["objective"]), str(row["objective"]), "name", more=str(row[NOTE]))
    return [name, *counts, *metrics, gradient]


def _floors(rankings: Mapping[Measure, Ranking]) -> list[Cell]:
    """A last row: what a perfect sampler scores."""
    blank = Cell("", 1e300)
    ranked = rankings.values()
    cells = [number(r.floor, f"{r.floor:.3g} ± {r.floor_error:.2g}" if np.isfinite(r.floor) else "–") for r in ranked]
    return [Cell("perfect sampler", "\uffff", "quiet"), *[blank] * len(COUNTS), *cells, blank, blank]


def verdict_grid(verdicts: pd.DataFrame) -> Grid:
    """One row a rule, in the order of the verdicts table; the first of a claim has its sentence and its source."""
    columns = ["claim", "rule", "verdict", "effect [95 %]", "wanted", "n", "p", "Holm", "source", "note"]
    found: Any = verdicts.itertuples()
    first = ~verdicts["claim"].duplicated()
    rows = [
        [
            Cell(str(row.claim), str(row.claim), "long", more=str(row.sentence) if leads else ""), text(row.rule),
            Cell(row.verdict, row.verdict, str(row.verdict).replace(" ", "-")),
            number(row.effect, effect_text(row)), text(row.threshold), number(row.n), number(row.p),
            text("" if pd.isna(row.p) else "holds" if row.holm else "does not hold"),
            Cell(str(row.source) if leads else "", str(row.source), "long"), Cell(str(row.note), str(row.note), "long"),
        ]
        for row, leads in zip(found, first, strict=True)
    ]  # fmt: skip
    note = (
        "Thresholds were fixed before the run. Reproduced: the whole interval lies inside them; not reproduced: the "
        "whole interval lies outside; inconclusive: neither, or too few seeds. Holm: p below .05 after correction over "
        "all rules."
    )
    return Grid("Verdicts", columns, rows, note)


def losses(material: Material, most: int = 200) -> Grid | None:
    """Trials that did not complete; None where all did."""
    trials = material.results.trials
    bad = trials[trials["status"] != "completed"]
    if bad.empty:
        return None
    columns = ["dataset", "architecture", "objective", "seed", "status", "last step", "error"]
    shown: Any = bad.head(most).itertuples()
    rows = [
        [*map(text, (r.dataset, r.architecture, r.objective)), number(r.seed), Cell(r.status, r.status, r.status),
         number(r.last_step, f"{r.last_step:,}"), Cell(str(r.error), str(r.error), "long")]
        for r in shown
    ]  # fmt: skip
    note = f"The first {most} of {len(bad)}." if len(bad) > most else ""
    return Grid("Trials that did not complete", columns, rows, note)
