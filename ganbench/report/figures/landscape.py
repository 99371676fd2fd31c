"""Scores of a critic over the plane, and where the generator's loss would move its samples."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from ganbench.report.figures.figure import Figure, Figures, Panel
from ganbench.report.figures.style import INK, QUIET, ellipsize, legend_below, legend_handle

if TYPE_CHECKING:
    from ganbench.report.sample_sets import Landscape
    from ganbench.report.sections import SectionResult


def draw_landscape(landscape: Landscape, colour: str, ax: Axes) -> Axes:
    """Scores as shades (light means real), real samples grey, generated ones with the direction they are sent in.

    Arrows have one length each, since gradients differ by orders of magnitude; the legend tells the median norm.
    A sample whose gradient is exactly zero has no arrow.

    Args:
        landscape: what to draw.
    """
    low, high = landscape.scores.min(), landscape.scores.max()
    levels = np.linspace(low, high if high > low else low + 1, 13)
    shades = ax.contourf(landscape.x, landscape.y, landscape.scores, levels=levels, cmap="cividis", alpha=0.85)
    label = "critic's score (high: real)"
    ax.figure.colorbar(shades, ax=ax, label=label, shrink=0.85, ticks=levels[::4], format="%.3g")
    real, fakes = landscape.real, landscape.fakes
    ax.scatter(real[:, 0], real[:, 1], s=7, color="#fefefe", edgecolor=QUIET, lw=0.4, alpha=0.8, rasterized=True)
    norms = np.linalg.norm(landscape.arrows, axis=1)
    some = np.isfinite(norms) & (norms > 0)
    unit = landscape.arrows[some] / norms[some, None]
    ax.quiver(*fakes[some].T, *unit.T, color=INK, scale=14, width=0.006, headwidth=4, zorder=3, pivot="tail")
    ax.scatter(fakes[:, 0], fakes[:, 1], s=16, color=colour, edgecolor="#fefefe", lw=0.5, zorder=4)
    ax.set(aspect="equal", xlim=landscape.x[[0, -1]], ylim=landscape.y[[0, -1]])
    dot = {"ls": "", "marker": "o", "ms": 5}
    median = f"median ‖arrow‖ {np.median(norms):.2g}" if len(norms) else "no samples"
    handles = [
        legend_handle("#fefefe", "real", mec=QUIET, **dot),
        legend_handle(colour, "generated", **dot),
        legend_handle(INK, median, marker=">", lw=1),
    ]
    legend_below(ax, handles)
    return ax


def landscape_figures(result: SectionResult) -> Figures:
    """The trained critic over the plane, one panel an objective; nothing where samples are no points in the plane."""
    panels, norms = [], []
    for name, sample in result.samples.by_objective.items():
        if sample.landscape is not None:
            colour, title = result.section.styles[name].colour, f"{ellipsize(name, 20)}, seed {sample.seed}"
            draw = partial(draw_landscape, sample.landscape, colour)
            panels.append(Panel(title, (draw,), colour, width=4.6, height=4.2, entries=4))
            norms.append(f"{name} {np.median(np.linalg.norm(sample.landscape.arrows, axis=1)):.2g}")
    if not panels:
        return
    caption = (
        "The critic as it was after the last step. Shades: its score over the plane, each panel on its own scale. "
        "Arrows: the direction in which the generator's loss moves each sample, all of one length. n = 1 seed an "
        "objective."
    )
    alt = "Scores of critics over the plane, arrows on generated samples. Median gradient norm: "
    alt += ", ".join(norms) + "."
    name, title = f"{result.section.name}-landscapes", "Critic scores and generator gradients over the plane"
    yield Figure(name, title, caption, alt, panels, columns=2)
