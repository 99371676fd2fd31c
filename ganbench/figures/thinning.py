"""Curves with fewer points that look the same: for drawing only, never for counting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    chosen = np.concatenate([[0, n - 1], places[rows, low], places[rows, high]])
    kept = np.unique(chosen)
    return x[kept], y[kept]
