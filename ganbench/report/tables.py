"""Tables of the report: leaderboard, verdicts, provenance, and downloads."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ganbench.analysis.export import interval_text, number_text, plain_cells
from ganbench.analysis.leaderboard import COUNTS, GRADIENT, NOTE
from ganbench.analysis.ranking import Ranking
from ganbench.report.figures.verdicts import effect_text
from ganbench.report.sections import MetricInfo, ReportData, SectionResult

# -- leaderboard and verdicts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what sorting goes by (a number, or the text), its CSS class, and small print below the text."""

    text: str
    key: float | str
    kind: str = ""
    more: str = ""


@dataclass(frozen=True)
class HtmlTable:
    """A table of the page. ``heading`` stands above it and ``note`` below."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


def text(value: object, kind: str = "", more: str = "") -> Cell:
    """A cell of text."""
    return Cell(str(value), str(value), kind, more)


def number(value: float, shown: str | None = None, kind: str = "number") -> Cell:
    """A cell that sorts as a number; those that are none come last."""
    key = float(value) if np.isfinite(value) else 1e300
    return Cell(number_text(float(value)) if shown is None else shown, key, kind)


def leaderboard_table(result: SectionResult) -> HtmlTable:
    """The leaderboard of a section: how trials ended, and every metric at the last step and at its best."""
    rankings = result.rankings
    metrics = [metric.title + (" ↓" if metric.lower else " ↑") for metric in rankings]
    seconds = result.section.results.trials.groupby("objective")["wall_seconds"].median()
    rows = [[*_row(row, list(rankings)), number(seconds[row["objective"]])] for row in result.board.to_dict("records")]
    rows += [_floors(list(rankings.values()))] if any(np.isfinite(r.floor) for r in rankings.values()) else []
    methods = sorted({s.interval.method for r in rankings.values() for s in r.standings if s.interval.method})
    note = (
        "Metrics: interquartile mean over seeds of the last-step values with its 95 % interval, and in small print the "
        "same for each seed's best value over time; seeds that diverged or failed count as worst (∞ where they are "
        f"too many for a finite number). Methods: {'; '.join(methods) or 'none, there are no values'}. ‖∇G‖: norm of "
        "the generator's gradient over all steps. Seconds: median wall time of a trial, whose cohort trains together."
    )
    return HtmlTable("", ["objective", *COUNTS, *metrics, "median ‖∇G‖", "seconds"], rows, note)


def _row(row: Mapping[Any, Any], metrics: Sequence[MetricInfo]) -> list[Cell]:
    counts = [number(row[name], kind=name) for name in COUNTS]
    values = []
    for metric in metrics:
        last, best = (
            interval_text(*(float(row[f"{metric.name}{kind}{end}"]) for end in ("", "_low", "_high")))
            for kind in ("", "_best")
        )
        values.append(replace(number(float(row[metric.name]), last), more=f"best {best}"))
    return [text(row["objective"], "name", str(row[NOTE])), *counts, *values, number(float(row[GRADIENT]))]


def _floors(rankings: Sequence[Ranking]) -> list[Cell]:
    """A last row: what a perfect sampler scores."""
    blank = Cell("", 1e300)
    cells = [number(r.floor, f"{r.floor:.3g} ± {r.floor_error:.2g}" if np.isfinite(r.floor) else "–") for r in rankings]
    return [Cell("perfect sampler", "\uffff", "quiet"), *[blank] * len(COUNTS), *cells, blank, blank]


def verdict_table(verdicts: pd.DataFrame) -> HtmlTable:
    """One row a rule, in the order of the verdicts table; the first of a claim has its sentence and its source."""
    columns = ["claim", "rule", "verdict", "effect [95 %]", "wanted", "n", "p", "Holm", "source", "note"]
    tuples: Any = verdicts.itertuples()
    first = ~verdicts["claim"].duplicated()
    rows = [
        [
            text(row.claim, "long", str(row.sentence) if leads else ""), text(row.rule),
            text(row.verdict, str(row.verdict).replace(" ", "-")),
            number(row.effect, effect_text(row)), text(row.threshold), number(row.n), number(row.p),
            text("" if pd.isna(row.p) else "holds" if row.holm else "does not hold"),
            Cell(str(row.source) if leads else "", str(row.source), "long"), text(row.note, "long"),
        ]
        for row, leads in zip(tuples, first, strict=True)
    ]  # fmt: skip
    note = (
        "Thresholds were fixed before the run. Reproduced: the whole interval lies inside them; not reproduced: the "
        "whole interval lies outside; inconclusive: neither, or too few seeds. Holm: p below .05 after correction over "
        "all rules."
    )
    return HtmlTable("Verdicts", columns, rows, note)


def incomplete_trials(trials: pd.DataFrame, most: int = 200) -> HtmlTable | None:
    """Trials that diverged or failed; None where all completed."""
    bad = trials[trials["status"] != "completed"]
    if bad.empty:
        return None
    columns = ["dataset", "architecture", "objective", "seed", "status", "last step", "error"]
    tuples: Any = bad.head(most).itertuples()
    rows = [
        [*map(text, (r.dataset, r.architecture, r.objective)), number(r.seed), text(r.status, r.status),
         number(r.last_step, f"{r.last_step:,}"), text(r.error, "long")]
        for r in tuples
    ]  # fmt: skip
    note = f"The first {most} of {len(bad)}." if len(bad) > most else ""
    return HtmlTable("Trials that did not complete", columns, rows, note)


# -- provenance --------------------------------------------------------------------------------------------------------


def provenance(data: ReportData) -> list[HtmlTable]:
    """Where the numbers come from: devices, versions, seeds, settings, protocols."""
    return [_machines(data.results.trials), *_seeds_and_settings(data), _protocols(data)]


def _machines(trials: pd.DataFrame) -> HtmlTable:
    rows = []
    for (device, versions), group in trials.groupby(["device", "versions"], sort=True):
        listed = ", ".join(f"{name} {version}" for name, version in sorted(json.loads(str(versions)).items()))
        rows.append([text(device), text(listed, "long"), number(len(group)), number(int(group["attempts"].max()))])
    return HtmlTable("Devices and versions", ["device", "versions", "trials", "most attempts"], rows)


def _seeds_and_settings(data: ReportData) -> tuple[HtmlTable, HtmlTable]:
    seeds, settings = [], []
    for section in data.sections:
        where = text(section.title)
        settings.append([where, text("all"), text(_fields(section.settings), "code")])
        for objective, group in section.results.trials.groupby("objective", sort=True):
            own = sorted(int(seed) for seed in group["seed"].unique())
            seeds.append([where, text(objective), number(len(own)), Cell(_ranges(own), str(own), "long")])
            fields = dict.fromkeys(_fields(json.loads(s).get("objective", {})) for s in group["settings"])
            settings += [[where, text(objective), text(one, "code")] for one in fields]
    return (
        HtmlTable("Seeds", ["where", "objective", "n", "seeds"], seeds),
        HtmlTable("Settings", ["where", "objective", "settings"], settings),
    )


def _ranges(seeds: Sequence[int]) -> str:
    """Consecutive seeds as ranges: ``0–4, 7``."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and parts[-1][-1] == seed - 1:
            parts[-1][1:] = [seed]
        else:
            parts.append([seed])
    return ", ".join("–".join(map(str, part)) for part in parts)


def _fields(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Nested settings as ``name=value`` with dotted names, in alphabetical order."""
    parts = []
    for name, value in sorted(settings.items()):
        parts.append(_fields(value, f"{prefix}{name}.") if isinstance(value, Mapping) else f"{prefix}{name}={value}")
    return " ".join(part for part in parts if part)


def _protocols(data: ReportData) -> HtmlTable:
    names = ["dataset", "protocol", "reason"]
    counts = data.results.evaluations[names].astype({"protocol": "category", "reason": "category"})
    rows = []
    for (dataset, protocol, reason), own in counts.groupby(names, observed=True):
        rows.append([text(dataset), text(protocol, "code"), number(len(own), f"{len(own):,}"), text(reason, "long")])
    floors: Any = data.results.floors.itertuples()
    for row in floors:
        remark = row.reason or f"perfect sampler: {row.value:.4g} ± {row.standard_error:.2g}"
        rows.append([text(row.dataset), text(row.protocol, "code"), number(row.repetitions), text(remark, "long")])
    note = "A value is defined by its protocol; values of two protocols do not compare."
    return HtmlTable("Protocols", ["dataset", "protocol", "values", "remark"], rows, note)


# -- downloads ---------------------------------------------------------------------------------------------------------

MOST_ROWS = 40_000  # of an embedded table; a larger one is thinned to every k-th step, and says so
PLAIN = 300_000  # bytes; a longer text is compressed

CLOCKS = ("step", "critic_step")  # the columns by which a table may be thinned


@dataclass(frozen=True)
class Download:
    """A table as a link.

    Attributes:
        name: of the file.
        rows: in the file.
        total: in the whole table.
        note: what was left out; empty where nothing was.
        href: the file itself, as a data address.
    """

    name: str
    rows: int
    total: int
    note: str
    href: str


def downloads(tables: Mapping[str, pd.DataFrame]) -> list[Download]:
    """A link for each table that has rows."""
    return [_download(name, table) for name, table in tables.items() if len(table)]


def _download(name: str, table: pd.DataFrame) -> Download:
    every, rows = thinned(table)
    note = f"one step in {every} and the last; the parquet files hold all {len(table):,} rows" if every > 1 else ""
    text = plain_cells(rows).to_csv(index=False, float_format="%.7g", lineterminator="\n").encode()
    stem = f"{name}-every-{every}" if every > 1 else name
    if len(text) <= PLAIN:
        return Download(f"{stem}.csv", len(rows), len(table), note, _href("text/csv", text))
    packed = gzip.compress(text, 9, mtime=0)
    return Download(f"{stem}.csv.gz", len(rows), len(table), note, _href("application/gzip", packed))


def thinned(table: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """The least k such that every k-th step (and the last one) leaves few enough rows, and these rows."""
    clock = next((c for c in CLOCKS if c in table), None)
    if clock is None or len(table) <= MOST_ROWS:
        return 1, table
    places, steps = pd.factorize(table[clock], sort=True)
    per_step = pd.Series(places).value_counts().reindex(range(len(steps))).to_numpy()
    for k in range(2, len(steps) + 1):
        if per_step[::k].sum() + per_step[-1] * ((len(steps) - 1) % k > 0) <= MOST_ROWS:
            break
    else:
        k = len(steps)
    return k, table[(places % k == 0) | (places == len(steps) - 1)]


def _href(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
