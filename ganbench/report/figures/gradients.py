"""Gradient norms of both players over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ganbench.report.figures.figure import Figure, Figures, Missing, Panel, named_numbers, seeds_in_words
from ganbench.report.figures.lines import MOST_VECTORS, Array, by_trial, draw_median, draw_seeds, mark_zeros, thin
from ganbench.report.figures.style import INK, Style, ellipsize, legend_below, legend_handle, log_axis, plain_axis

if TYPE_CHECKING:
    from ganbench.report.sections import Section, SectionResult

PLAYERS = {"generator": "generator_grad_norm", "critic": "critic_grad_norm"}

Limits = tuple[float, float]
Curves = Mapping[str, tuple[Array, Array]]  # by trial: steps and norms, NaN where a norm is not finite


def draw_gradient_norms(
    steps: pd.DataFrame, trials: pd.DataFrame, column: str, style: Style, limits: Limits, ax: Axes
) -> Axes:
    """Gradient norms of one objective: every seed thin, the median over seeds bold, on a logarithmic axis.

    Exact zeros, which such an axis cannot show, are marked at its lower edge and counted. The median at a step is over
    the seeds that have a finite norm there. A seed that diverged ends in a cross.

    Args:
        steps: the objective's rows of the steps table.
        trials: its rows of the trials table.
        column: ``generator_grad_norm`` or ``critic_grad_norm``.
        limits: of the norm's axis, so that several axes compare; see ``norm_limits``.
    """
    floor, top = limits
    by_name = _curves(steps, column)
    curves = list(by_name.values())
    lines = [np.column_stack(thin(x, np.where(y == 0, floor, y))) for x, y in curves]
    draw_seeds(lines, style.colour, *((0.35, 0.12) if len(lines) > MOST_VECTORS else (0.6, 0.5)), ax)
    x, y = median_over_seeds(curves)
    x, y = thin(x, np.where(y == 0, floor, y))
    if len(x):
        marker = "o" if len(x) == 1 else None  # one step makes no line
        draw_median(x, y, style.colour, ax, lw=1.6, marker=marker, label="_median")
    mark_zeros(np.concatenate([[], *(x[y == 0] for x, y in curves)]), floor, style.colour, ax, clip_on=False)
    diverged = _mark_diverged(by_name, trials, floor, style, ax)
    log_axis(ax.yaxis)
    ax.autoscale(axis="x")
    plain_axis(ax.xaxis)
    ax.set(ylim=(floor / 1.6, top * 1.6), xlabel="generator step", ylabel="gradient norm (L2)")
    zeros = sum(int((y == 0).sum()) for _, y in curves)
    legend_below(ax, _legend(style, len(trials), zeros, len(steps), diverged))
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


def _curves(steps: pd.DataFrame, column: str) -> Curves:
    rows = {trial: table.T for trial, table in by_trial(steps, "step", column).items()}
    return {trial: (x, np.where(np.isfinite(y), y, np.nan)) for trial, (x, y) in rows.items()}


def median_over_seeds(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The median at every step that some seed has, over the seeds that are finite there."""
    x = np.unique(np.concatenate([x for x, _ in curves])) if curves else np.empty(0)
    values = np.full((len(curves), len(x)), np.nan)
    for row, (places, y) in zip(values, curves, strict=True):
        row[np.searchsorted(x, places)] = y
    some = ~np.isnan(values).all(axis=0)
    return x[some], np.nanmedian(values[:, some], axis=0) if some.any() else np.empty(0)


def _mark_diverged(curves: Curves, trials: pd.DataFrame, floor: float, style: Style, ax: Axes) -> int:
    """A cross at the step where each diverged seed stopped, at its last finite norm. Returns how many there are."""
    ends = trials.loc[trials["status"] == "diverged", ["trial", "last_step"]]
    heights = []
    for trial in ends["trial"]:
        finite = [y for y in curves[trial][1] if not np.isnan(y)] if trial in curves else []
        heights.append(max(finite[-1], floor) if finite else floor)
    if heights:
        x = ends["last_step"].to_numpy(float)
        ax.plot(x, heights, ls="", marker="X", ms=7, mec=INK, mew=0.7, zorder=5, color=style.colour, label="_diverged")
    return len(heights)


def _legend(style: Style, n: int, zeros: int, readings: int, diverged: int) -> list[Line2D]:
    mark = {"ls": "", "mec": INK, "mew": 0.5}
    handles = [
        legend_handle(style.colour, "one seed", lw=0.6),
        legend_handle(style.colour, f"median of {n} seed{'s' * (n != 1)}", lw=1.6),
    ]
    if zeros:
        handles.append(legend_handle(style.colour, f"exactly 0: {zeros:,} of {readings:,}", marker="v", ms=5, **mark))
    if diverged:
        handles.append(legend_handle(style.colour, f"diverges: {diverged} of {n}", marker="X", ms=6, **mark))
    return handles


def gradient_figures(result: SectionResult) -> Figures:
    """Gradient norms of the generator and of the critic, one panel an objective."""
    if result.section.results.steps.empty:
        yield Missing("Gradient norms are not drawn: no trial has readings of any step.")
    else:
        yield from (_figure(result.section, player, column) for player, column in PLAYERS.items())


def _figure(section: Section, player: str, column: str) -> Figure:
    steps, trials = section.results.steps, section.results.trials
    limits = norm_limits(steps[column])
    panels = []
    for objective in section.objectives:
        style = section.styles[objective]
        own = steps.loc[(steps["objective"] == objective).to_numpy(), ["trial", "step", column]]
        draw = partial(draw_gradient_norms, own, trials[trials["objective"] == objective], column, style, limits)
        panels.append(Panel(ellipsize(objective), (draw,), style.colour, entries=4))
    zeros, diverged = int((steps[column] == 0).sum()), int((trials["status"] == "diverged").sum())
    caption = (
        f"L2 norm of the gradient of the loss with respect to all weights of the {player}, before the optimizer's "
        f"step, on a logarithmic axis. Thin: every seed ({seeds_in_words(trials)}); bold: the median over the seeds "
        f"that are finite at that step; no interval, since every seed is shown. {_zeros(zeros, len(steps))} "
        f"{_diverged(diverged, len(trials))} "
        "Losses have different units, so compare the curves of one objective, not the levels of several."
    )
    names = section.objectives
    listed = ", ".join(names) if len(names) <= 8 else f"{len(names)} objectives"
    alt = f"Lines of the {player}'s gradient norm over training, one panel for each of {listed}. "
    alt += _last_medians(steps, column, names)
    return Figure(f"{section.name}-{player}-gradients", f"Gradient norm of the {player}", caption, alt, panels)


def _zeros(zeros: int, readings: int) -> str:
    if not zeros:
        return "No norm is exactly zero."
    return f"{zeros:,} of {readings:,} norms are exactly zero: triangles at the lower edge."


def _diverged(diverged: int, trials: int) -> str:
    return f"{diverged} of {trials} trials diverged: crosses at their last step." if diverged else "No trial diverged."


def _last_medians(steps: pd.DataFrame, column: str, objectives: Sequence[str]) -> str:
    last = steps[steps["step"] > 0.9 * steps["step"].max()]
    medians = last.groupby("objective", observed=True)[column].median()
    numbers = [(name, medians[name]) for name in objectives if name in medians.index]
    return f"Median over the last tenth of the steps: {named_numbers(numbers)}." if numbers else ""
