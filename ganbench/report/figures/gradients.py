"""Gradient norms over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection

from ganbench.report.figures.lines import Array, by_trial, thin
from ganbench.report.figures.style import INK, Style, axes_or_new, legend_below, legend_handle, log_axis, plain_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST_VECTORS = 24  # more curves than that they are stored as pixels inside an SVG or PDF

Limits = tuple[float, float]


def draw_gradient_norms(
    steps: pd.DataFrame,
    trials: pd.DataFrame,
    column: str,
    look: Style,
    limits: Limits | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Gradient norms of one objective: every seed thin, the median over seeds bold, on a logarithmic axis.

    Exact zeros, which such an axis cannot show, are marked at its lower edge and counted. The median at a step is over
    the seeds that have a finite norm there. A seed that diverged ends in a cross.

    Args:
        steps: the objective's rows of the steps table.
        trials: its rows of the trials table.
        column: ``generator_grad_norm`` or ``critic_grad_norm``.
        look: of the objective.
        limits: of the norm's axis, so that several axes compare; see ``norm_limits``.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    floor, top = limits or norm_limits(steps[column])
    named = _curves(steps, column)
    curves = list(named.values())
    zeros = sum(int((y == 0).sum()) for _, y in curves)
    lines = [np.column_stack(thin(x, np.where(y == 0, floor, y))) for x, y in curves]
    many = len(lines) > MOST_VECTORS
    width, alpha = (0.35, 0.12) if many else (0.6, 0.5)
    ax.add_collection(LineCollection(lines, colors=look.colour, linewidths=width, alpha=alpha, rasterized=many))
    _draw_median(curves, floor, look, ax)
    _draw_zeros(curves, floor, look, ax)
    diverged = _draw_divergence(named, trials, floor, look, ax)
    log_axis(ax.yaxis)
    ax.autoscale(axis="x")
    plain_axis(ax.xaxis)
    ax.set(ylim=(floor / 1.6, top * 1.6), xlabel="generator step", ylabel="gradient norm (L2)")
    legend_below(ax, _keys(look, len(trials), zeros, len(steps), diverged))
    return ax


def norm_limits(norms: Sequence[float] | pd.Series[float]) -> Limits:
    """Floor and top of an axis for some norms: the floor lies a fifth of a decade or more below every positive one."""
    values = np.asarray(norms, dtype=float)
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return 1e-8, 1.0
    low, high = np.log10(positive.min()), np.log10(positive.max())
    room = max(0.2, 0.08 * (high - low))
    return 10 ** (low - room), 10**high


def _curves(steps: pd.DataFrame, column: str) -> dict[str, tuple[Array, Array]]:
    """Step and norm of every trial; NaN where the norm is not finite."""
    found = by_trial(steps, "step", column)
    return {trial: (x, np.where(np.isfinite(y), y, np.nan)) for trial, (x, y) in ((t, c.T) for t, c in found.items())}


def median_over_seeds(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The median at every step that some seed has, over the seeds that are finite there."""
    x = np.unique(np.concatenate([x for x, _ in curves])) if curves else np.empty(0)
    values = np.full((len(curves), len(x)), np.nan)
    for row, (places, y) in zip(values, curves, strict=True):
        row[np.searchsorted(x, places)] = y
    some = ~np.isnan(values).all(axis=0)
    return x[some], np.nanmedian(values[:, some], axis=0) if some.any() else np.empty(0)


def _draw_median(curves: Sequence[tuple[Array, Array]], floor: float, look: Style, ax: Axes) -> None:
    x, y = median_over_seeds(curves)
    x, y = thin(x, np.where(y == 0, floor, y))
    if len(x):
        marker = "o" if len(x) == 1 else None  # one step makes no line
        sns.lineplot(
            x=x, y=y, color=look.colour, lw=1.6, marker=marker, errorbar=None, estimator=None, ax=ax, label="_median"
        )


def _draw_zeros(curves: Sequence[tuple[Array, Array]], floor: float, look: Style, ax: Axes) -> None:
    places = np.unique(np.concatenate([x[y == 0] for x, y in curves])) if curves else np.empty(0)
    if len(places):
        places, _ = thin(places, places)
        ax.plot(
            places, np.full(len(places), floor), ls="", marker="v", ms=5, color=look.colour, mec=INK, mew=0.5,
            clip_on=False, label="_zeros",
        )  # fmt: skip


def _draw_divergence(
    curves: Mapping[str, tuple[Array, Array]], trials: pd.DataFrame, floor: float, look: Style, ax: Axes
) -> int:
    """A cross at the step where each diverged seed stopped, at its last finite norm. Returns how many there are."""
    ends = trials.loc[trials["status"] == "diverged", ["trial", "last_step"]]
    heights = []
    for trial in ends["trial"]:
        finite = [y for y in curves[trial][1] if not np.isnan(y)] if trial in curves else []
        heights.append(max(finite[-1], floor) if finite else floor)
    if heights:
        style: dict[str, Any] = {"ls": "", "marker": "X", "ms": 7, "mec": INK, "mew": 0.7, "zorder": 5}
        ax.plot(ends["last_step"].to_numpy(float), heights, color=look.colour, label="_diverged", **style)
    return len(heights)


def _keys(look: Style, n: int, zeros: int, readings: int, diverged: int) -> list[Line2D]:
    mark = {"ls": "", "mec": INK, "mew": 0.5}
    handles = [
        legend_handle(look.colour, "one seed", lw=0.6),
        legend_handle(look.colour, f"median of {n} seed{'s' * (n != 1)}", lw=1.6),
    ]
    if zeros:
        handles.append(legend_handle(look.colour, f"exactly 0: {zeros:,} of {readings:,}", marker="v", ms=5, **mark))
    if diverged:
        handles.append(legend_handle(look.colour, f"diverges: {diverged} of {n}", marker="X", ms=6, **mark))
    return handles
