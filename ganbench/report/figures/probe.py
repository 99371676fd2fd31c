"""The probe: gradients of frozen generators as a fresh critic learns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ganbench.report.figures.figure import MOST_IN_WORDS, Figure, Figures, Missing, Panel, groups, named_numbers
from ganbench.report.figures.gradients import norm_limits
from ganbench.report.figures.lines import draw_median, draw_seeds, mark_zeros
from ganbench.report.figures.style import DASHED, INK, QUIET, Styles, legend_below, log_axis, objective_handles

if TYPE_CHECKING:
    from ganbench.report.sections import Section, SectionResult

CLASSIC = {"gan": "minimax", "nsgan": "−log D", "noisegan": "instance noise", "wgan": "WGAN"}

Draws = tuple[Callable[..., Axes], ...]


def draw_probe_norms(probes: pd.DataFrame, styles: Styles, ax: Axes) -> Axes:
    """The generator's gradient norm over the critic's steps, for frozen generators, on logarithmic axes.

    Every seed thin, the median bold. Exact zeros are marked at the lower edge and counted. The legend is that of the
    accuracy beneath. Here and below, ``probes`` are rows of the probes table with one ``generator_step``.
    """
    _draw_on_log_axis(probes, "generator_grad_norm", "‖∇ generator‖", styles, ax)
    zeros = int((probes["generator_grad_norm"] == 0).sum())
    if zeros:
        text = f"▾ exactly 0: {zeros:,} of {len(probes):,}"
        ax.text(0.02, 0.03, text, transform=ax.transAxes, fontsize=8, color=INK)
    return ax


def draw_probe_accuracy(probes: pd.DataFrame, styles: Styles, ax: Axes) -> Axes:
    """The critic's accuracy on samples that it was not trained on, over its steps; .5 (dashed) is guessing."""
    ax.axhline(0.5, color=QUIET, lw=0.8, ls=DASHED)
    _draw(probes, "critic_accuracy", styles, -np.inf, ax)
    low = min(0.45, probes["critic_accuracy"].min() - 0.03) if len(probes) else 0.45
    ax.set(ylim=(low, 1.03), ylabel="critic accuracy")
    legend_below(ax, objective_handles(probes["objective"].unique(), styles, ms=4))
    return ax


def draw_gradient_noise(probes: pd.DataFrame, styles: Styles, ax: Axes) -> Axes:
    """Noise of the generator's gradient over the critic's steps: variance over minibatches by squared mean.

    Above 1 (dashed) a minibatch says less about the gradient than chance does.
    """
    ax.axhline(1, color=QUIET, lw=0.8, ls=DASHED)
    _draw_on_log_axis(probes, "generator_grad_noise", "tr Cov(∇) / ‖mean ∇‖²", styles, ax, also=(1.0,))
    legend_below(ax, objective_handles(probes["objective"].unique(), styles, ms=4))
    return ax


def _draw_on_log_axis(
    probes: pd.DataFrame, column: str, label: str, styles: Styles, ax: Axes, also: tuple[float, ...] = ()
) -> None:
    """A column on an axis that holds all its positive values, and those of ``also``."""
    floor, top = norm_limits([*probes[column], *also])
    _draw(probes, column, styles, floor, ax)
    log_axis(ax.yaxis)
    ax.set(ylim=(floor / 1.6, top * 1.6), ylabel=label)


def _draw(probes: pd.DataFrame, column: str, styles: Styles, floor: float, ax: Axes) -> None:
    """Every seed and the median of each objective over the critic's steps; zeros are marked at a floor above 0."""
    for objective, rows in probes.groupby("objective", sort=True, observed=True):
        style = styles[str(objective)]
        table = rows.astype({"trial": str}).pivot(index="critic_step", columns="trial", values=column)
        values = table.to_numpy(float).T
        x = np.broadcast_to(table.index.to_numpy(float), values.shape)
        lines = np.stack([x, np.where(values == 0, np.maximum(floor, 0), values)], axis=2)
        draw_seeds(list(lines), style.colour, 0.6, 0.45, ax)
        if floor > 0:
            mark_zeros(x[values == 0], floor, style.colour, ax)
        middle = table.replace([np.inf, -np.inf], np.nan).median(axis=1).dropna()
        line = {"lw": 2, "ls": style.dash, "marker": style.marker, "ms": 4, "mec": "none"}
        draw_median(middle.index, np.maximum(middle, floor), style.colour, ax, **line)
    # The critic's steps: logarithmic from 1 on, with room for 0, the critic before its first step.
    last = max(int(probes["critic_step"].max()), 1) if len(probes) else 1
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.set(xlim=(-0.15, last * 1.15), xlabel="steps of the fresh critic")
    ax.xaxis.set_major_locator(FixedLocator([0, *(10**k for k in range(8) if 10**k <= last)]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.xaxis.set_minor_locator(NullLocator())


def probe_figures(result: SectionResult) -> Figures:
    """The frozen-generator experiment, one panel for each step at which generators were frozen."""
    section, probes = result.section, result.section.results.probes
    if probes.empty:
        yield Missing("The vanishing-gradient probe is not drawn: no trial was probed (see `ganbench run --probe`).")
        return
    yield _norm_figure(section, probes)
    yield _noise_figure(section, probes)
    absent = [f"{text} ({name})" for name, text in CLASSIC.items() if not _has(probes, name)]
    if absent:
        names = ", ".join(absent)
        yield Missing(f"The probe shows what was run: {names} would complete the comparison of the literature.")


def _norm_figure(section: Section, probes: pd.DataFrame) -> Figure:
    zeros = int((probes["generator_grad_norm"] == 0).sum())
    caption = (
        "Generators frozen after the steps that each panel names, each with a fresh critic that learns. "
        "Above: L2 norm of the generator's gradient on one fixed batch, both axes logarithmic (0: the critic before "
        f"its first step). Beneath: the critic's accuracy on samples it is not trained on; dashed: guessing. "
        f"{_seeds(probes)} {zeros:,} of {len(probes):,} norms are exactly zero. Arjovsky & Bottou (2017), figure 2."
    )
    panels = _panels(section, probes, (draw_probe_norms, draw_probe_accuracy), 4.3, (2.0, 1.3))
    alt = "Gradient norm of frozen generators while a fresh critic learns, critic accuracy beneath. " + _change(probes)
    return Figure(f"{section.name}-probe", "Does the gradient vanish as the critic learns?", caption, alt, panels)


def _noise_figure(section: Section, probes: pd.DataFrame) -> Figure:
    missing = "" if _has(probes, "nsgan") else " −log D (nsgan), which that paper is about, is not among them."
    caption = (
        "Trace of the covariance of the generator's minibatch gradients over the squared norm of their mean, in the "
        "same experiment; dashed: as much noise as signal. Noise that rises with the norm is the prediction for "
        f"−log D: Arjovsky & Bottou (2017), theorem 2.6 and figure 3.{missing} {_seeds(probes)}"
    )
    last = probes[probes["critic_step"] == probes["critic_step"].max()]
    medians = last.groupby("objective", observed=True)["generator_grad_noise"].median()
    alt = "Noise of the generator's gradient while a fresh critic learns. Median at the last critic step: "
    alt += named_numbers(medians.items()) + "."
    panels = _panels(section, probes, (draw_gradient_noise,), 3.1, (1.0,))
    return Figure(f"{section.name}-gradient-noise", "How noisy is the generator's gradient?", caption, alt, panels)


def _panels(
    section: Section, probes: pd.DataFrame, draws: Draws, height: float, heights: tuple[float, ...]
) -> list[Panel]:
    panels = []
    for part in groups(sorted(probes["objective"].unique())):
        for step, rows in probes[probes["objective"].isin(part)].groupby("generator_step", sort=True):
            title, drawn = f"generator after {step:,} steps", tuple(partial(d, rows, section.styles) for d in draws)
            panels.append(Panel(title, drawn, height=height, heights=heights, entries=len(part)))
    return panels


def _seeds(probes: pd.DataFrame) -> str:
    counts = probes.groupby("objective", observed=True)["trial"].nunique()
    n = f"{counts.min()}" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"
    return f"Thin: every seed (n = {n} an objective); bold: the median; no interval, since every seed is shown."


def _change(probes: pd.DataFrame) -> str:
    """By what factor the median norm has changed from its peak to the last critic step, the worst generator first."""
    keys = ["objective", "generator_step", "critic_step"]
    medians = probes.groupby(keys, observed=True)["generator_grad_norm"].median()
    parts = []
    for objective, series in medians.groupby(level=0, observed=True):
        drops = [g.iloc[-1] / g.max() for _, g in series.groupby(level=1) if g.max() > 0]
        parts += [f"{objective} {min(drops):.2g}"] if drops else []
    listed = ", ".join(parts[:MOST_IN_WORDS])
    return f"Last norm divided by the highest one, for the generator where it is smallest: {listed}."


def _has(probes: pd.DataFrame, name: str) -> bool:
    return any(str(o).partition("[")[0] == name for o in probes["objective"].unique())
