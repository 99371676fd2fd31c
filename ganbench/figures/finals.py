"""Where training ended: a metric at the last step of every seed, objective by objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns

from ganbench.figures.canvas import axes_or_new, key, legend_below, log_axis, plain_axis
from ganbench.figures.palette import INK, QUIET, Looks, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from ganbench.statistics import Interval


def draw_finals(
    values: pd.DataFrame,
    intervals: Mapping[str, Interval],
    endings: Mapping[str, str],
    looks: Looks,
    label: str = "value",
    floor: float | None = None,
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Every seed as a point, the interquartile mean as a bar with its interval, how trials ended in words.

    Args:
        values: last-step values with the columns objective and value.
        intervals: by objective, from top to bottom; one that is not finite is said in words.
        endings: by objective what stands below its name, such as ``n = 5, 2 diverged``.
        looks: of the objectives.
        label: of the metric's axis.
        floor: what a perfect sampler scores.
        log: whether the axis is logarithmic.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    order = list(intervals)
    finite = values[np.isfinite(values["value"].astype(float)) & values["objective"].isin(order)]
    palette = {name: looks[name].colour for name in order}
    sns.stripplot(
        data=finite.astype({"objective": object}), x="value", y="objective", order=order, hue="objective",
        hue_order=order, palette=palette, jitter=False, alpha=0.55, size=4.5, legend=False, ax=ax,
    )  # fmt: skip
    if floor is not None:
        ax.axvline(floor, color=QUIET, lw=1.2, ls=(0, (4, 3)))
    ax.set(xlabel=label, ylabel="", ylim=(len(order) - 0.5, -0.5))
    ax.set_yticks(range(len(order)), [f"{short(name, 20)}\n{endings.get(name, '')}".strip() for name in order])
    ends = [x for i in intervals.values() for x in (i.low, i.high, i.estimate) if np.isfinite(x)]
    positive = bool((finite["value"] > 0).all()) and all(x > 0 for x in ends)
    (log_axis if log and positive and len(finite) else plain_axis)(ax.xaxis)
    ax.update_datalim([(x, 0) for x in ends])
    ax.autoscale_view(scaley=False)
    for place, (name, interval) in enumerate(intervals.items()):
        _draw_interval(place, interval, looks[name].colour, ax)
    legend_below(ax, _keys(floor))
    return ax


def _draw_interval(place: int, interval: Interval, colour: str, ax: Axes) -> None:
    """The bar from low to high below the points, and a diamond at the estimate; infinite ends leave the picture."""
    y, ends = place + 0.24, np.array([interval.low, interval.high])
    edges = np.array(ax.get_xlim())
    if not np.isnan(ends).any() and np.isfinite(ends).any():
        ax.plot(np.clip(ends, *edges), [y, y], color=colour, lw=3, solid_capstyle="butt", label="_interval")
        for end, edge, marker in zip(ends, edges, "<>", strict=True):
            if np.isinf(end):
                ax.plot(edge, y, marker=marker, ms=7, color=colour, clip_on=False, ls="", label="_endless")
    if np.isfinite(interval.estimate):
        style: dict[str, Any] = {"marker": "d", "ms": 7, "mec": INK, "mew": 0.8, "ls": ""}
        ax.plot([interval.estimate], [y], color=colour, label="_estimate", **style)
    ax.set_xlim(edges[0], edges[1])


def _keys(floor: float | None) -> list[Line2D]:
    handles = [
        key(QUIET, "one seed", ls="", marker="o", ms=4.5),
        key(QUIET, "interquartile mean, 95 %", lw=3, marker="d", ms=6, mec=INK),
    ]
    if floor is not None:
        handles.append(key(QUIET, "perfect sampler", lw=1.2, ls=(0, (4, 3))))
    return handles
