"""The optimal discriminator in closed form, and the generator's gradients against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.claims.exact.quadrature import piecewise_quadrature
from ganbench.interfaces.objective import softplus

# -- optimal critic ----------------------------------------------------------------------------------------------------

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


# -- generator gradients -----------------------------------------------------------------------------------------------

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GeneratorGradients:
    """Derivatives by θ at one θ, in nats a unit of θ; the critic is optimal for it and held still.

    Attributes:
        theta: mean of the generated samples; that of the real ones is 0.
        non_saturating: of E −log D*(g_θ(z)).
        minimax: of E log(1 − D*(g_θ(z))).
        kl: of KL(P_g‖P_r).
        js: of JS(P_r, P_g).
    """

    theta: float
    non_saturating: float
    minimax: float
    kl: float
    js: float

    @property
    def non_saturating_error(self) -> float:
        """How far E −∇log D* is from ∇[KL(P_g‖P_r) − 2 JS]."""
        return abs(self.non_saturating - (self.kl - 2 * self.js))

    @property
    def minimax_error(self) -> float:
        """How far E ∇log(1 − D*) is from 2 ∇JS."""
        return abs(self.minimax - 2 * self.js)


def generator_gradients(theta: float) -> GeneratorGradients:
    """Both sides of both identities at θ: the losses through the samples, the divergences through the densities."""
    real, still = Gaussian(0.0), Gaussian(theta)
    score = optimal_score(real, still)

    def loss(of_score: Loss) -> float:
        return _slope(lambda t: Gaussian(t).expectation(lambda x: of_score(score(x))), theta)

    return GeneratorGradients(
        theta,
        non_saturating=loss(lambda s: softplus(-s)),
        minimax=loss(lambda s: -softplus(s)),
        kl=_slope(lambda t: kl(Gaussian(t), real), theta),
        js=_slope(lambda t: js(real, Gaussian(t)), theta),
    )


def _slope(of: Loss, theta: float) -> float:
    """Derivative of a scalar function at θ."""
    at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(of(at), at)
    return slope.item()
