"""A metric in the course of training: over steps, over samples seen, over seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection

from ganbench.report.figures.gradients import MOST_VECTORS
from ganbench.report.figures.lines import by_trial
from ganbench.report.figures.style import (
    QUIET,
    Styles,
    axes_or_new,
    ellipsize,
    legend_below,
    legend_handle,
    log_axis,
    plain_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CLOCKS = {"step": "generator step", "samples_seen": "real samples seen", "seconds": "seconds of training"}


def draw_course(
    values: pd.DataFrame,
    floors: pd.DataFrame,
    looks: Styles,
    clock: str = "step",
    label: str = "value",
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A metric over one of the clocks: every seed thin, the median over seeds bold, a perfect sampler dashed.

    The median at an evaluation is over the seeds that reached it, and stands at the median of their clocks.

    Args:
        values: one metric's evaluations under one protocol, with the columns objective, trial, step, value and,
            besides the step, the clock.
        floors: the rows of the floors table that belong to them: value and standard_error.
        looks: of the objectives.
        clock: ``step``, ``samples_seen`` or ``seconds``.
        label: of the metric's axis.
        log: whether that axis is logarithmic; values of 0 and below then leave the picture.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    for objective, rows in values.groupby("objective", sort=True, observed=True):
        look = looks[str(objective)]
        lines = list(by_trial(rows, clock, "value").values())
        many = len(lines) > MOST_VECTORS
        width, alpha = (0.4, 0.15) if many else (0.7, 0.45)
        ax.add_collection(LineCollection(lines, colors=look.colour, linewidths=width, alpha=alpha, rasterized=many))
        middle = rows.groupby("step", sort=True)[[*dict.fromkeys((clock, "value"))]].median()
        x = middle.index if clock == "step" else middle[clock]
        style = {"lw": 2, "ls": look.dash, "marker": look.marker, "ms": 3.5, "mec": "none"}
        sns.lineplot(x=x, y=middle["value"], color=look.colour, errorbar=None, estimator=None, ax=ax, **style)
    _draw_floor(floors, ax)
    ax.autoscale()
    (log_axis if log else plain_axis)(ax.yaxis)
    plain_axis(ax.xaxis)
    ax.set(xlabel=CLOCKS[clock], ylabel=label)
    legend_below(ax, _keys(values, floors, looks))
    return ax


def _draw_floor(floors: pd.DataFrame, ax: Axes) -> None:
    for value, error in floors[["value", "standard_error"]].to_numpy(float):
        ax.axhline(value, color=QUIET, lw=1.2, ls=(0, (4, 3)), label="_floor")
        if error > 0:
            ax.axhspan(value - error, value + error, color=QUIET, alpha=0.18, lw=0)


def _keys(values: pd.DataFrame, floors: pd.DataFrame, looks: Styles) -> list[Line2D]:
    handles = []
    for objective in sorted(values["objective"].unique()):
        look = looks[objective]
        handles.append(legend_handle(look.colour, ellipsize(objective), ls=look.dash, marker=look.marker, ms=3.5))
    if len(floors) and np.isfinite(floors["value"]).any():
        handles.append(legend_handle(QUIET, "perfect sampler", lw=1.2, ls=(0, (4, 3))))
    return handles


def with_clocks(evaluations: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Evaluations with the clocks of their steps; at step 0 nothing has been seen and no time has passed."""
    clocks = steps[["trial", "step", "samples_seen", "seconds"]]
    wanted = clocks[clocks["step"].isin(evaluations["step"].unique())]
    merged = evaluations.merge(wanted.astype({"trial": evaluations["trial"].dtype}), on=["trial", "step"], how="left")
    for name in ("samples_seen", "seconds"):
        merged[name] = merged[name].astype(float).mask(merged["step"] == 0, 0.0)
    return merged
