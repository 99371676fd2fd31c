"""Divergences of discrete distributions, and Gauss-Hermite quadrature."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from ganbench.claims.exact.quadrature import Quadrature
from ganbench.errors import DataError

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


def gaussian_quadrature(nodes: int = 100) -> Quadrature:
    """Gauss-Hermite: the sum is the expectation of f under a standard normal, whose density is in the weights."""
    x, weights = hermegauss(nodes)
    return Quadrature(x, weights / np.sqrt(2 * np.pi))
