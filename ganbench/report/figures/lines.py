"""Curves of single seeds and their medians, thinned to what a reader can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from ganbench.report.figures.style import INK

MOST_VECTORS = 24  # more curves than that are stored as pixels inside an SVG or PDF

Array = NDArray[np.float64]


def thin(x: Array, y: Array, most: int = 400) -> tuple[Array, Array]:
    """At most about ``most`` points of a curve: the lowest and the highest of each stretch, in their order.

    Peaks and dips stay; a curve with no more points is given back as it is. First and last point always stay.

    Args:
        x, y: (n,); y may hold NaN.
        most: points to keep.
    """
    n = len(x)
    if n <= most:
        return x, y
    edges = np.linspace(0, n, max(most // 2, 1) + 1).astype(int)[:-1]
    width = np.diff(np.append(edges, n)).max()
    places = np.minimum(edges[:, None] + np.arange(width), np.append(edges[1:], n)[:, None] - 1)
    values = y[places]
    low = np.where(np.isnan(values), np.inf, values).argmin(axis=1)
    high = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
    rows = np.arange(len(edges))
    kept = np.unique(np.concatenate([[0, n - 1], places[rows, low], places[rows, high]]))
    return x[kept], y[kept]


def by_trial(table: pd.DataFrame, *columns: str) -> dict[str, Array]:
    """Some columns of every trial, (rows, columns), by the trial's name in alphabetical order.

    Rows stay in the table's order. One sort serves thousands of trials, where a selection for each would take minutes.
    """
    codes, names = pd.factorize(table["trial"])
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    parts = np.split(table[list(columns)].to_numpy(float)[order], ends)
    return dict(sorted(zip(map(str, names), parts, strict=True))) if len(names) else {}


def draw_seeds(lines: Sequence[Array], colour: str, width: float, alpha: float, ax: Axes) -> None:
    """One thin line a seed, (points, 2) each."""
    many = len(lines) > MOST_VECTORS
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=width, alpha=alpha, rasterized=many))


def draw_median(x: Any, y: Any, colour: str, ax: Axes, **line: Any) -> None:
    """The bold line over those of the seeds."""
    sns.lineplot(x=x, y=y, color=colour, errorbar=None, estimator=None, ax=ax, **line)


def mark_zeros(x: Array, floor: float, colour: str, ax: Axes, **marker: Any) -> None:
    """Triangles at the lower edge of a logarithmic axis, where some curve is exactly zero."""
    places = np.unique(x)
    if len(places):
        places, _ = thin(places, places)
        marker = {"ls": "", "marker": "v", "ms": 5, "color": colour, "mec": INK, "mew": 0.5, **marker}
        ax.plot(places, np.full(len(places), floor), label="_zeros", **marker)
