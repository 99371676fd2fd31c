"""What a critic thinks of the plane, and where it would have the generator's samples go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganbench.report.figures.style import INK, QUIET, axes_or_new, legend_below, legend_handle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Landscape:
    """A critic over the plane.

    Attributes:
        x, y: coordinates of the lattice: (columns,) and (rows,).
        scores: the critic's raw scores there: (rows, columns); high means real.
        real: real samples: (m, 2).
        fakes: generated samples: (n, 2).
        arrows: minus the generator loss's gradient by each of them: (n, 2), where they would move.
    """

    x: Array
    y: Array
    scores: Array
    real: Array
    fakes: Array
    arrows: Array


def draw_landscape(landscape: Landscape, colour: str, ax: Axes | None = None) -> Axes:
    """Scores as shades (light means real), real samples grey, generated ones with the direction they are sent in.

    Arrows have one length each, since gradients differ by orders of magnitude; the legend tells the median norm.
    A sample whose gradient is exactly zero has no arrow.

    Args:
        landscape: what to draw.
        colour: of the generated samples.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    low, high = landscape.scores.min(), landscape.scores.max()
    levels = np.linspace(low, high if high > low else low + 1, 13)
    shades = ax.contourf(landscape.x, landscape.y, landscape.scores, levels=levels, cmap="cividis", alpha=0.85)
    ax.figure.colorbar(
        shades, ax=ax, label="critic's score (high: real)", shrink=0.85, ticks=levels[::4], format="%.3g"
    )
    ax.scatter(
        landscape.real[:, 0],
        landscape.real[:, 1],
        s=7,
        color="#fefefe",
        edgecolor=QUIET,
        lw=0.4,
        alpha=0.8,
        rasterized=True,
    )
    norms = np.linalg.norm(landscape.arrows, axis=1)
    some = np.isfinite(norms) & (norms > 0)
    unit = landscape.arrows[some] / norms[some, None]
    ax.quiver(*landscape.fakes[some].T, *unit.T, color=INK, scale=14, width=0.006, headwidth=4, zorder=3, pivot="tail")
    ax.scatter(landscape.fakes[:, 0], landscape.fakes[:, 1], s=16, color=colour, edgecolor="#fefefe", lw=0.5, zorder=4)
    ax.set(aspect="equal", xlim=landscape.x[[0, -1]], ylim=landscape.y[[0, -1]])
    dot = {"ls": "", "marker": "o", "ms": 5}
    median = f"median ‖arrow‖ {np.median(norms):.2g}" if len(norms) else "no samples"
    legend_below(
        ax,
        [
            legend_handle("#fefefe", "real", mec=QUIET, **dot),
            legend_handle(colour, "generated", **dot),
            legend_handle(INK, median, marker=">", lw=1),
        ],
    )
    return ax
