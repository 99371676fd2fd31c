"""The generator's gradients under an optimal critic, and the gradients of the divergences that they are.

Arjovsky & Bottou (2017), Theorem 2.5 for −log D, and the counterpart for the minimax game that it is derived from, with
real data from N(0, 1) and the generator g_θ(z) = θ + z, z from N(0, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.exhibits.optimal_critic import Gaussian, js, kl, optimal_score
from ganbench.losses import softplus

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
