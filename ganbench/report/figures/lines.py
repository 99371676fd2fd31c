"""Lines: thinned to what a reader can see."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# -- thinning ----------------------------------------------------------------------------------------------------------

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


# -- lines -------------------------------------------------------------------------------------------------------------


def by_trial(table: pd.DataFrame, *columns: str) -> dict[str, NDArray[np.float64]]:
    """Some columns of every trial, (rows, columns), by the trial's name in alphabetical order.

    Rows stay in the table's order. One sort serves thousands of trials, where a selection for each would take minutes.
    """
    codes, names = pd.factorize(table["trial"])
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    parts = np.split(table[list(columns)].to_numpy(float)[order], ends)
    return dict(sorted(zip(map(str, names), parts, strict=True))) if len(names) else {}
