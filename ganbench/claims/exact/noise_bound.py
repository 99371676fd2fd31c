"""The bound on W by the noise and the divergence of the noised distributions: Arjovsky & Bottou (2017), Theorem 3.3.

W(P_r, P_g) ≤ 2 √V + 2 C √JS(P_{r+ε}, P_{g+ε}), where V = E ‖ε‖² and a ball of diameter C holds both noised
distributions. Gaussian noise has no such ball, so it is cut off here. The distances are in the units of θ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import norm

from ganbench.claims.exact.quadrature import piecewise_quadrature

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TruncatedGaussian:
    """A normal variable, given that it lies within ``cut`` standard deviations of 0.

    Attributes:
        sigma: standard deviation before the cut.
        cut: in standard deviations.
    """

    sigma: float
    cut: float = 4.0

    @property
    def reach(self) -> float:
        """The largest absolute value."""
        return self.cut * self.sigma

    @property
    def variance(self) -> float:
        """E ε², in squared units of sigma."""
        return self.sigma**2 * (1 - 2 * self.cut * float(norm.pdf(self.cut)) / self._kept)

    @property
    def mean_absolute(self) -> float:
        """E |ε|: the distance W(P_x, P_{x+ε}) of a point from itself with noise, at most √V (A&B 2017, Lemma 4)."""
        return 2 * self.sigma * float(norm.pdf(0) - norm.pdf(self.cut)) / self._kept

    def density(self, x: Array) -> Array:
        """At points of any shape; 0 beyond the reach."""
        inside: Array = np.where(np.abs(x) <= self.reach, norm.pdf(x, scale=self.sigma) / self._kept, 0.0)
        return inside

    @property
    def _kept(self) -> float:
        return 1 - 2 * float(norm.sf(self.cut))


@dataclass(frozen=True)
class NoiseBound:
    """The theorem at one distance and one noise.

    Attributes:
        theta: distance between what is real and what is generated.
        sigma: standard deviation of the noise on each coordinate, before the cut.
        w1: W(P_r, P_g).
        variance: V = E ‖ε‖².
        diameter: C, of a ball that holds both noised distributions.
        js: JS(P_{r+ε}, P_{g+ε}), in nats.
    """

    theta: float
    sigma: float
    w1: float
    variance: float
    diameter: float
    js: float

    @property
    def bound(self) -> float:
        """The right-hand side."""
        return 2 * math.sqrt(self.variance) + 2 * self.diameter * math.sqrt(self.js)

    @property
    def violated(self) -> bool:
        """Whether W is above its bound."""
        return self.w1 > self.bound

    @property
    def tightness(self) -> float:
        """W over its bound: 1 where the bound is reached, near 0 where it says nothing."""
        return self.w1 / self.bound


def points_bound(theta: float, sigma: float, cut: float = 4.0) -> NoiseBound:
    """The theorem for a real point at 0 and a generated one at θ on a line."""
    noise = TruncatedGaussian(sigma, cut)
    return NoiseBound(theta, sigma, abs(theta), noise.variance, abs(theta) + 2 * noise.reach, noised_js(theta, noise))


def lines_bound(theta: float, sigma: float, cut: float = 4.0) -> NoiseBound:
    """The theorem for two parallel lines of length 1 in the plane, with independent noise on both coordinates.

    Along the lines both are the same with noise as without, so the divergence is that of the points.
    """
    noise = TruncatedGaussian(sigma, cut)
    diameter = math.hypot(abs(theta) + 2 * noise.reach, 1 + 2 * noise.reach)
    return NoiseBound(theta, sigma, abs(theta), 2 * noise.variance, diameter, noised_js(theta, noise))


def noised_js(theta: float, noise: TruncatedGaussian) -> float:
    """Jensen-Shannon divergence of the noise around 0 and the noise around θ, in nats: log 2 where they do not meet."""
    rule = piecewise_quadrature([centre + side for centre in (0.0, theta) for side in (-noise.reach, 0.0, noise.reach)])
    p, q = noise.density(rule.nodes), noise.density(rule.nodes - theta)
    mixture = (p + q) / 2
    return float((rule.weights * (rel_entr(p, mixture) + rel_entr(q, mixture))).sum()) / 2
