"""Integrals by quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quadrature:
    """∫ f(x) dx as the sum of f(nodes)·weights.

    Attributes:
        nodes: (n,).
        weights: (n,).
    """

    nodes: NDArray[np.float64]
    weights: NDArray[np.float64]


def piecewise_quadrature(breaks: Sequence[float], nodes: int = 100) -> Quadrature:
    """Gauss-Legendre between each two neighbouring breaks, which need no order: exact to rounding for smooth pieces.

    Args:
        breaks: the ends, and every point where the integrand jumps or bends.
        nodes: in each piece.
    """
    x, weights = leggauss(nodes)
    ends = np.unique(np.asarray(breaks, dtype=np.float64))
    centres, halves = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
    points, widths = centres[:, None] + halves[:, None] * x, halves[:, None] * weights
    return Quadrature(points.ravel(), widths.ravel())
