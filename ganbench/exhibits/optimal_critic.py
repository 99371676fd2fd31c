"""The optimal critic of the minimax game between known densities on a line, and what it is worth.

Goodfellow et al. (2014), Proposition 1 and Theorem 1. Everything in double precision; a score is log D − log(1 − D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.exhibits.quadrature import piecewise_quadrature
from ganbench.losses import softplus

Scores = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Gaussian:
    """A normal density on the line, in the units of x.

    Attributes:
        mean: a number, or a 0-dimensional tensor to differentiate by.
        sd: standard deviation, above 0.
    """

    mean: float | Tensor = 0.0
    sd: float = 1.0

    def log_density(self, x: Tensor) -> Tensor:
        """Logarithm of the density at points of any shape, in nats."""
        return -0.5 * ((x - self.mean) / self.sd) ** 2 - math.log(self.sd * math.sqrt(2 * math.pi))

    def expectation(self, f: Callable[[Tensor], Tensor]) -> Tensor:
        """E f(x) by quadrature, a scalar; differentiable by the mean through the points, which move along with it."""
        rule = piecewise_quadrature(range(-12, 13), nodes=20)  # in standard deviations; beyond lie 1e-32 of the mass
        z, weights = torch.from_numpy(rule.nodes), torch.from_numpy(rule.weights)
        return (weights * Gaussian().log_density(z).exp() * f(self.mean + self.sd * z)).sum()


def optimal_score(real: Gaussian, fake: Gaussian) -> Scores:
    """The score of D* = p/(p + q), which is log p − log q: Goodfellow et al. (2014), Proposition 1."""
    return lambda x: real.log_density(x) - fake.log_density(x)


def optimal_critic(real: Gaussian, fake: Gaussian) -> Scores:
    """D* = p/(p + q): the probability that a point at x is real, from 0 to 1."""
    score = optimal_score(real, fake)
    return lambda x: torch.sigmoid(score(x))


def game_value(score: Scores, real: Gaussian, fake: Gaussian) -> float:
    """What the minimax game pays a critic with these scores, E_r log D + E_g log(1 − D), in nats."""
    paid = real.expectation(lambda x: -softplus(-score(x))) + fake.expectation(lambda x: -softplus(score(x)))
    return paid.item()


def kl(of: Gaussian, against: Gaussian) -> Tensor:
    """KL(of‖against) by quadrature, in nats, a scalar; differentiable by the means."""
    return of.expectation(lambda x: of.log_density(x) - against.log_density(x))


def js(first: Gaussian, second: Gaussian) -> Tensor:
    """Jensen-Shannon divergence by its definition and quadrature, in nats, a scalar; differentiable by the means."""

    def from_mixture(one: Gaussian) -> Tensor:
        return one.expectation(lambda x: one.log_density(x) - _log_mixture(first, second, x))

    return (from_mixture(first) + from_mixture(second)) / 2


def _log_mixture(first: Gaussian, second: Gaussian, x: Tensor) -> Tensor:
    return torch.logaddexp(first.log_density(x), second.log_density(x)) - math.log(2)
