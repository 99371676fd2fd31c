"""The frozen-generator experiment: what a generator's gradient does while a fresh critic learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ganbench.figures.canvas import axes_or_new, key, legend_below, log_axis
from ganbench.figures.gradients import MOST_VECTORS, norm_limits
from ganbench.figures.palette import INK, QUIET, Look, Looks, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def draw_probe_norms(probes: pd.DataFrame, looks: Looks, ax: Axes | None = None, legend: bool = True) -> Axes:
    """The generator's gradient norm over the critic's steps, for generators of one age, on logarithmic axes.

    Every seed thin, the median bold. Exact zeros are marked at the lower edge and counted.

    Args:
        probes: rows of the probes table with one ``generator_step``.
        looks: of the objectives.
        ax: where to draw.
        legend: whether to draw one; where the accuracy stands beneath, that one's serves both.
    """
    ax = axes_or_new(ax)
    floor, top = norm_limits(probes["generator_grad_norm"])
    _draw(probes, "generator_grad_norm", looks, floor, ax)
    zeros = int((probes["generator_grad_norm"] == 0).sum())
    if zeros:
        text = f"▾ exactly 0: {zeros:,} of {len(probes):,}"
        ax.text(0.02, 0.03, text, transform=ax.transAxes, fontsize=8, color=INK)
    log_axis(ax.yaxis)
    ax.set(ylim=(floor / 1.6, top * 1.6), ylabel="‖∇ generator‖")
    _critic_axis(probes, ax)
    if legend:
        legend_below(ax, _keys(probes, looks))
    return ax


def draw_probe_accuracy(probes: pd.DataFrame, looks: Looks, ax: Axes | None = None) -> Axes:
    """The critic's accuracy on samples that it was not trained on, over its steps; .5 is guessing.

    Args:
        probes: rows of the probes table with one ``generator_step``.
        looks: of the objectives.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    ax.axhline(0.5, color=QUIET, lw=0.8, ls=(0, (4, 3)))
    _draw(probes, "critic_accuracy", looks, -np.inf, ax)
    low = min(0.45, probes["critic_accuracy"].min() - 0.03) if len(probes) else 0.45
    ax.set(ylim=(low, 1.03), ylabel="critic accuracy")
    _critic_axis(probes, ax)
    legend_below(ax, _keys(probes, looks))
    return ax


def draw_gradient_noise(probes: pd.DataFrame, looks: Looks, ax: Axes | None = None) -> Axes:
    """Noise of the generator's gradient over the critic's steps: variance over minibatches by squared mean.

    Above 1 (dashed) a minibatch says less about the gradient than chance does.

    Args:
        probes: rows of the probes table with one ``generator_step``.
        looks: of the objectives.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    floor, top = norm_limits([*probes["generator_grad_noise"], 1.0])
    ax.axhline(1, color=QUIET, lw=0.8, ls=(0, (4, 3)))
    _draw(probes, "generator_grad_noise", looks, floor, ax)
    log_axis(ax.yaxis)
    ax.set(ylim=(floor / 1.6, top * 1.6), ylabel="tr Cov(∇) / ‖mean ∇‖²")
    _critic_axis(probes, ax)
    legend_below(ax, _keys(probes, looks))
    return ax


def _draw(probes: pd.DataFrame, column: str, looks: Looks, floor: float, ax: Axes) -> None:
    for objective, rows in probes.groupby("objective", sort=True, observed=True):
        look = looks[str(objective)]
        table = rows.astype({"trial": str}).pivot(index="critic_step", columns="trial", values=column)
        _draw_seeds(table, look, floor, ax)
        middle = table.replace([np.inf, -np.inf], np.nan).median(axis=1).dropna()
        y = np.maximum(middle, floor)
        style = {"lw": 2, "ls": look.dash, "marker": look.marker, "ms": 4, "mec": "none"}
        sns.lineplot(x=middle.index, y=y, color=look.colour, errorbar=None, estimator=None, ax=ax, **style)


def _draw_seeds(table: pd.DataFrame, look: Look, floor: float, ax: Axes) -> None:
    values = table.to_numpy(float).T
    x = np.broadcast_to(table.index.to_numpy(float), values.shape)
    lines = np.stack([x, np.where(values == 0, np.maximum(floor, 0), values)], axis=2)
    many = len(lines) > MOST_VECTORS
    ax.add_collection(LineCollection(list(lines), colors=look.colour, linewidths=0.6, alpha=0.45, rasterized=many))
    if floor > 0 and (values == 0).any():
        at = np.unique(x[values == 0])
        ax.plot(at, np.full(len(at), floor), ls="", marker="v", ms=5, color=look.colour, mec=INK, mew=0.5)


def _critic_axis(probes: pd.DataFrame, ax: Axes) -> None:
    """Logarithmic from 1 on, with room for 0, the critic before its first step."""
    last = max(int(probes["critic_step"].max()), 1) if len(probes) else 1
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.set(xlim=(-0.15, last * 1.15), xlabel="steps of the fresh critic")
    ax.xaxis.set_major_locator(FixedLocator([0, *(10**k for k in range(8) if 10**k <= last)]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _keys(probes: pd.DataFrame, looks: Looks) -> list[Line2D]:
    names = sorted(probes["objective"].unique())
    return [key(looks[n].colour, short(n), ls=looks[n].dash, marker=looks[n].marker, ms=4) for n in names]
