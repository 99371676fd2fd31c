"""The f-divergences of the f-GAN table, of discrete distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from oracles.divergences import paired

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FDivergence:
    """D_f(P‖Q) = Σ q f(p/q) for a convex f: Nowozin et al. (2016), eq. 2, with P = data and Q = generator.

    Attributes:
        f: the convex function, on positive ratios p/q.
        at_zero: its limit where the ratio goes to 0: the price of a unit of Q's mass where P has none.
        slope: the limit of f(u)/u where the ratio u goes to infinity: the price of a unit of P's mass where Q has none.
    """

    f: Callable[[Array], Array]
    at_zero: float
    slope: float

    def __call__(self, p: ArrayLike, q: ArrayLike) -> float:
        """The divergence of two distributions (n,), in nats where it has logarithms. Raises DataError as ``kl``."""
        p, q = paired(p, q)
        both = (p > 0) & (q > 0)
        total = float((q[both] * self.f(p[both] / q[both])).sum())
        return total + _priced(q[p == 0].sum(), self.at_zero) + _priced(p[q == 0].sum(), self.slope)


def _priced(mass: float, price: float) -> float:
    """Mass times price, where no mass costs nothing even at an infinite price."""
    return float(mass) * price if mass > 0 else 0.0


def _u_log_u(u: Array) -> Array:
    value: Array = u * np.log(u)
    return value


def _twice_js(u: Array) -> Array:
    value: Array = u * np.log(u) - (u + 1) * np.log((1 + u) / 2)
    return value


def _game(u: Array) -> Array:
    value: Array = u * np.log(u) - (u + 1) * np.log(u + 1)
    return value


F_DIVERGENCES: Mapping[str, FDivergence] = MappingProxyType(
    {
        "kl": FDivergence(_u_log_u, 0.0, math.inf),
        "reverse-kl": FDivergence(lambda u: -np.log(u), math.inf, 0.0),
        "pearson": FDivergence(lambda u: (u - 1) ** 2, 1.0, math.inf),
        "neyman": FDivergence(lambda u: (1 - u) ** 2 / u, math.inf, 1.0),
        "squared-hellinger": FDivergence(lambda u: (np.sqrt(u) - 1) ** 2, 1.0, 1.0),
        "js": FDivergence(_twice_js, math.log(2), math.log(2)),  # its value is twice the Jensen-Shannon divergence
        "gan": FDivergence(_game, 0.0, 0.0),  # its value is 2 JS − 2 log 2
        "tv": FDivergence(lambda u: np.abs(u - 1) / 2, 0.5, 0.5),
    }
)
"""Nowozin et al. (2016), Table 1, by name. KL is that of the data from the generator, KL(P‖Q)."""
