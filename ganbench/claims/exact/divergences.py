"""Divergences of densities by quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from ganbench.errors import DataError

# -- quadrature --------------------------------------------------------------------------------------------------------


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


def gaussian_quadrature(nodes: int = 100) -> Quadrature:
    """Gauss-Hermite: the sum is the expectation of f under a standard normal, whose density is in the weights."""
    x, weights = hermegauss(nodes)
    return Quadrature(x, weights / np.sqrt(2 * np.pi))


# -- divergences -------------------------------------------------------------------------------------------------------

TOLERANCE = 1e-9  # by how much masses may miss 1 in sum


def kl(p: ArrayLike, q: ArrayLike) -> float:
    """KL(p‖q) = Σ p log(p/q), in nats, from 0 to infinity: Kullback & Leibler (1951).

    An atom without mass under p adds nothing; one with mass under p and none under q makes it infinite. Raises
    DataError where p or q is no distribution or their lengths differ.
    """
    p, q = paired(p, q)
    return float(rel_entr(p, q).sum())


def js(p: ArrayLike, q: ArrayLike) -> float:
    """JS(p, q) = ½ KL(p‖m) + ½ KL(q‖m) with m = ½ (p + q), in nats, from 0 to log 2: Lin (1991).

    With the halves, which Arjovsky et al. (2017), Section 2, leave out. Raises DataError as ``kl``.
    """
    p, q = paired(p, q)
    mixture = (p + q) / 2
    return float((rel_entr(p, mixture) + rel_entr(q, mixture)).sum()) / 2


def tv(p: ArrayLike, q: ArrayLike) -> float:
    """TV(p, q) = ½ Σ |p − q|, the largest difference of probability of any event, from 0 to 1.

    Raises DataError as ``kl``.
    """
    p, q = paired(p, q)
    return float(np.abs(p - q).sum()) / 2


def paired(p: ArrayLike, q: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two distributions on the same atoms, each of shape (n,). Raises DataError where they are none."""
    first, second = distribution(p), distribution(q)
    if first.shape != second.shape:
        raise DataError(f"the distributions have {len(first)} and {len(second)} atoms; give both on the same atoms")
    return first, second


def distribution(masses: ArrayLike) -> NDArray[np.float64]:
    """Masses of shape (n,) in double precision. Raises DataError unless they are non-negative and sum to 1."""
    values = np.asarray(masses, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise DataError(f"a distribution has shape {values.shape}; give a vector of masses, (n,)")
    if not ((values >= 0).all() and abs(values.sum() - 1) <= TOLERANCE):  # so that NaN fails
        raise DataError(
            f"masses from {values.min():g} that sum to {values.sum():.12g} are no distribution; "
            "give non-negative masses that sum to 1"
        )
    return values
