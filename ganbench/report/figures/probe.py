"""The probe: gradients of the generator as a fresh critic learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ganbench.analysis.export import number_text
from ganbench.report.figures.figure import FigureSet, FigureSpec, Panel, PanelFunction, draw, groups, no_figure, panel
from ganbench.report.figures.gradients import MOST_VECTORS, norm_limits
from ganbench.report.figures.style import (
    INK,
    QUIET,
    Style,
    Styles,
    axes_or_new,
    ellipsize,
    legend_below,
    legend_handle,
    log_axis,
)
from ganbench.report.sections import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


# -- axes --------------------------------------------------------------------------------------------------------------


def draw_probe_norms(probes: pd.DataFrame, looks: Styles, ax: Axes | None = None, legend: bool = True) -> Axes:
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


def draw_probe_accuracy(probes: pd.DataFrame, looks: Styles, ax: Axes | None = None) -> Axes:
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


def draw_gradient_noise(probes: pd.DataFrame, looks: Styles, ax: Axes | None = None) -> Axes:
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


def _draw(probes: pd.DataFrame, column: str, looks: Styles, floor: float, ax: Axes) -> None:
    for objective, rows in probes.groupby("objective", sort=True, observed=True):
        look = looks[str(objective)]
        table = rows.astype({"trial": str}).pivot(index="critic_step", columns="trial", values=column)
        _draw_seeds(table, look, floor, ax)
        middle = table.replace([np.inf, -np.inf], np.nan).median(axis=1).dropna()
        y = np.maximum(middle, floor)
        style = {"lw": 2, "ls": look.dash, "marker": look.marker, "ms": 4, "mec": "none"}
        sns.lineplot(x=middle.index, y=y, color=look.colour, errorbar=None, estimator=None, ax=ax, **style)


def _draw_seeds(table: pd.DataFrame, look: Style, floor: float, ax: Axes) -> None:
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


def _keys(probes: pd.DataFrame, looks: Styles) -> list[Line2D]:
    names = sorted(probes["objective"].unique())
    return [legend_handle(looks[n].colour, ellipsize(n), ls=looks[n].dash, marker=looks[n].marker, ms=4) for n in names]


# -- figures -----------------------------------------------------------------------------------------------------------

CLASSIC = {"gan": "minimax", "nsgan": "−log D", "noisegan": "instance noise", "wgan": "WGAN"}


def probe_story(section: Section) -> FigureSet:
    """The frozen-generator experiment, one panel an age."""
    probes = section.results.probes
    if probes.empty:
        return no_figure("The vanishing-gradient probe is not drawn: no trial was probed (see `ganbench run --probe`).")
    return FigureSet((_vanishing(section, probes), _noise(section, probes)), tuple(_absent(probes)))


def _vanishing(section: Section, probes: pd.DataFrame) -> FigureSpec:
    zeros = int((probes["generator_grad_norm"] == 0).sum())
    caption = (
        "Generators frozen after the steps above the panels, each with a fresh critic that learns. "
        "Above: L2 norm of the generator's gradient on one fixed batch, both axes logarithmic (0: the critic before "
        f"its first step). Beneath: the critic's accuracy on samples it is not trained on; dashed: guessing. "
        f"{_seeds(probes)} {zeros:,} of {len(probes):,} norms are exactly zero. Arjovsky & Bottou (2017), figure 2."
    )
    panels = _panels(section, probes, _norms_and_accuracy, 4.3, (2.0, 1.3))
    alt = "Gradient norm of frozen generators while a fresh critic learns, critic accuracy beneath. " + _change(probes)
    return FigureSpec(f"{section.name}-probe", "Does the gradient vanish as the critic learns?", caption, alt, panels)


def _noise(section: Section, probes: pd.DataFrame) -> FigureSpec:
    missing = "" if _has(probes, "nsgan") else " −log D (nsgan), which that paper is about, is not among them."
    caption = (
        "Trace of the covariance of the generator's minibatch gradients over the squared norm of their mean, in the "
        "same experiment; dashed: as much noise as signal. Rising noise with a rising norm is what is predicted of "
        f"−log D: Arjovsky & Bottou (2017), theorem 2.6 and figure 3.{missing} {_seeds(probes)}"
    )
    panels = _panels(section, probes, lambda rows, looks: (draw(draw_gradient_noise, rows, looks),), 3.1, (1.0,))
    alt = "Noise of the generator's gradient while a fresh critic learns. "
    last = probes[probes["critic_step"] == probes["critic_step"].max()]
    medians = last.groupby("objective", observed=True)["generator_grad_noise"].median()
    alt += (
        "Median at the last critic step: "
        + ", ".join(f"{n} {number_text(v)}" for n, v in list(medians.items())[:12])
        + "."
    )
    return FigureSpec(f"{section.name}-gradient-noise", "How noisy is the generator's gradient?", caption, alt, panels)


Drawn = Callable[[pd.DataFrame, object], Sequence[PanelFunction]]


def _panels(
    section: Section, probes: pd.DataFrame, drawn: Drawn, height: float, heights: tuple[float, ...]
) -> tuple[Panel, ...]:
    found = []
    for part in groups(sorted(probes["objective"].unique())):
        for age, rows in probes[probes["objective"].isin(part)].groupby("generator_step", sort=True):
            title = f"generator after {age:,} steps"
            draws = drawn(rows, section.styles)
            found.append(panel(title, *draws, entries=len(part), height=height, heights=heights))
    return tuple(found)


def _norms_and_accuracy(rows: pd.DataFrame, looks: object) -> Sequence[PanelFunction]:
    return draw(draw_probe_norms, rows, looks, legend=False), draw(draw_probe_accuracy, rows, looks)


def _seeds(probes: pd.DataFrame) -> str:
    counts = probes.groupby("objective", observed=True)["trial"].nunique()
    n = f"{counts.min()}" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"
    return f"Thin: every seed (n = {n} an objective); bold: the median; no interval, since every seed is shown."


def _change(probes: pd.DataFrame) -> str:
    """By what factor the median norm has changed from its peak to the last critic step, worst age first."""
    medians = probes.groupby(["objective", "generator_step", "critic_step"], observed=True)[
        "generator_grad_norm"
    ].median()
    told = []
    for objective, series in medians.groupby(level=0, observed=True):
        drops = [g.iloc[-1] / g.max() for _, g in series.groupby(level=1) if g.max() > 0]
        told += [f"{objective} {min(drops):.2g}"] if drops else []
    return "Last norm over the highest one, at the age where least is left: " + ", ".join(told[:12]) + "."


def _has(probes: pd.DataFrame, name: str) -> bool:
    return any(str(o).partition("[")[0] == name for o in probes["objective"].unique())


def _absent(probes: pd.DataFrame) -> list[str]:
    names = [f"{text} ({name})" for name, text in CLASSIC.items() if not _has(probes, name)]
    if not names:
        return []
    return [f"The probe shows what was run: {', '.join(names)} would complete the comparison of the literature."]
