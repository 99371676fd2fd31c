"""A metric in the course of training: over steps, over samples seen, over seconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ganbench.analysis.scores import dominant_protocol
from ganbench.report.figures.figure import Figure, Figures, Missing, Panel, groups, named_numbers, seeds_in_words
from ganbench.report.figures.lines import MOST_VECTORS, by_trial, draw_median, draw_seeds
from ganbench.report.figures.style import (
    DASHED,
    QUIET,
    Styles,
    legend_below,
    legend_handle,
    log_axis,
    objective_handles,
    plain_axis,
)
from ganbench.store.results import find_floor

if TYPE_CHECKING:
    from ganbench.report.sections import MetricInfo, Section, SectionResult

METRICS = ("fid", "sliced_w1", "modes")
CLOCKS = {  # the columns, with the title of a panel and the label of its axis
    "step": ("over steps", "generator step"),
    "samples_seen": ("over samples", "real samples seen"),
    "seconds": ("over seconds", "seconds of training"),
}


def draw_course(
    values: pd.DataFrame, floors: pd.DataFrame, styles: Styles, clock: str, label: str, log: bool, ax: Axes
) -> Axes:
    """A metric over one of the clocks: every seed thin, the median over seeds bold, a perfect sampler dashed.

    The median at an evaluation is over the seeds that reached it, and stands at the median of their clocks.

    Args:
        values: one metric's evaluations under one protocol, with the columns objective, trial, step, value and,
            besides the step, the clock.
        floors: the rows of the floors table that belong to them: value and standard_error.
        clock: ``step``, ``samples_seen`` or ``seconds``.
        label: of the metric's axis.
        log: whether that axis is logarithmic; values of 0 and below then leave the picture.
    """
    for objective, rows in values.groupby("objective", sort=True, observed=True):
        style = styles[str(objective)]
        lines = list(by_trial(rows, clock, "value").values())
        draw_seeds(lines, style.colour, *((0.4, 0.15) if len(lines) > MOST_VECTORS else (0.7, 0.45)), ax)
        middle = rows.groupby("step", sort=True)[[*dict.fromkeys((clock, "value"))]].median()
        x = middle.index if clock == "step" else middle[clock]
        draw_median(x, middle["value"], style.colour, ax, lw=2, ls=style.dash, marker=style.marker, ms=3.5, mec="none")
    for value, error in floors[["value", "standard_error"]].to_numpy(float):
        ax.axhline(value, color=QUIET, lw=1.2, ls=DASHED, label="_floor")
        if error > 0:
            ax.axhspan(value - error, value + error, color=QUIET, alpha=0.18, lw=0)
    ax.autoscale()
    (log_axis if log else plain_axis)(ax.yaxis)
    plain_axis(ax.xaxis)
    ax.set(xlabel=CLOCKS[clock][1], ylabel=label)
    handles = objective_handles(values["objective"].unique(), styles, ms=3.5)
    if len(floors) and np.isfinite(floors["value"]).any():
        handles.append(legend_handle(QUIET, "perfect sampler", lw=1.2, ls=DASHED))
    legend_below(ax, handles)
    return ax


def with_clocks(evaluations: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Evaluations with the clocks of their steps; at step 0 nothing has been seen and no time has passed."""
    clocks = steps[["trial", "step", "samples_seen", "seconds"]]
    wanted = clocks[clocks["step"].isin(evaluations["step"].unique())]
    merged = evaluations.merge(wanted.astype({"trial": evaluations["trial"].dtype}), on=["trial", "step"], how="left")
    for name in ("samples_seen", "seconds"):
        merged[name] = merged[name].astype(float).mask(merged["step"] == 0, 0.0)
    return merged


def course_figures(result: SectionResult) -> Figures:
    """Some metrics, each over steps, over samples seen and over seconds."""
    for metric in result.rankings:
        if metric.name in METRICS:
            yield _figure(result.section, metric)


def _figure(section: Section, metric: MetricInfo) -> Figure | Missing:
    rows = dominant_protocol(section.results.evaluations, metric.name)
    if rows["step"].nunique() < 2:
        return Missing(f"{metric.title} over time is not drawn: it was measured at fewer than two steps.")
    table = with_clocks(rows, section.results.steps)
    protocol = str(rows["protocol"].iloc[0])
    floors = find_floor(section.results.floors, str(rows["dataset"].iloc[0]), protocol)
    clocks = [clock for clock in CLOCKS if table[clock].notna().any()]
    parts = groups(section.objectives)
    panels = [_panel(section, metric, table, floors, clock, part) for part in parts for clock in clocks]
    last = rows[rows["step"] == rows["step"].max()].groupby("objective", observed=True)["value"].median()
    caption = (
        f"{metric.axis}; {protocol}. Thin: every seed ({seeds_in_words(section.results.trials)}); bold: the median "
        f"over seeds; no interval, since every seed is shown. {_floor(floors)} Seconds are those of training alone, "
        "shared by the seeds that were trained together."
    )
    alt = f"{metric.title} over steps, samples seen and seconds. Median at the last evaluation: "
    alt += named_numbers(last.items()) + "."
    title = f"{metric.title} over steps, samples and seconds"
    return Figure(f"{section.name}-{metric.name}-course", title, caption, alt, panels)


def _panel(
    section: Section, metric: MetricInfo, table: pd.DataFrame, floors: pd.DataFrame, clock: str, part: Sequence[str]
) -> Panel:
    own = table[table["objective"].isin(list(part))].dropna(subset=[clock])
    log = metric.log and bool((own["value"] > 0).all())
    draw = partial(draw_course, own, floors, section.styles, clock, metric.axis, log)
    return Panel(CLOCKS[clock][0], (draw,), entries=len(part) + 1)


def _floor(floors: pd.DataFrame) -> str:
    if floors.empty:
        return "What a perfect sampler would score has not been measured."
    row = floors.iloc[0]
    return (
        f"Dashed: what a perfect sampler scores at this number of samples, {row['value']:.3g} ± "
        f"{row['standard_error']:.2g} (standard error of one evaluation, {row['repetitions']} repetitions)."
    )
