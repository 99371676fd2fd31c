"""The Dirac-GAN of Mescheder et al. (2018), Section 2, by its closed forms: real mass at 0, generator at θ, critic ψx.

High means real. Each function is the game of one objective; the optimum of all is ψ = θ = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from oracles.divergences import gaussian_quadrature
from scipy.special import expit

from ganbench.testing.dynamics import VectorField

Array = NDArray[np.float64]


def minimax() -> VectorField:
    """Goodfellow et al. (2014), eq. 1."""
    return VectorField(_logistic_critic, lambda psi, theta: -psi * expit(psi * theta))


def non_saturating() -> VectorField:
    """The −log D trick: Goodfellow et al. (2014), Section 3."""
    return VectorField(_logistic_critic, lambda psi, theta: -psi * expit(-psi * theta))


def relativistic_pairing() -> VectorField:
    """Jolicoeur-Martineau (2018): with the real score 0, the non-saturating game."""
    return non_saturating()


def least_squares() -> VectorField:
    """Mao et al. (2017) with halves and targets 1 and 0."""
    return VectorField(lambda psi, theta: psi * theta**2, lambda psi, theta: psi * (psi * theta - 1))


def hinge() -> VectorField:
    """Lim & Ye (2017)."""
    return VectorField(lambda psi, theta: theta * (1 + psi * theta > 0), lambda psi, theta: -psi)


def wasserstein(clip: float = np.inf) -> VectorField:
    """Arjovsky et al. (2017), Algorithm 1, with ψ clipped to [−clip, clip]."""
    return VectorField(lambda psi, theta: theta, lambda psi, theta: -psi, project=lambda psi: np.clip(psi, -clip, clip))


def wasserstein_penalty(weight: float, target: float = 1.0) -> VectorField:
    """Gulrajani et al. (2017), eq. 3: weight·(|ψ| − target)² is added to the critic's loss; the paper's target is 1."""
    return VectorField(
        lambda psi, theta: theta + 2 * weight * (np.abs(psi) - target) * np.sign(psi), lambda psi, theta: -psi
    )


def instance_noise(sigma: float, saturating: bool = True) -> VectorField:
    """Noise N(0, σ²) on real and generated points: Sønderby et al. (2016), A&B (2017), Corollary 3.2. Its exact mean.

    Args:
        sigma: standard deviation of the noise.
        saturating: the minimax game's generator; False gives −log D.
    """
    rule, side = gaussian_quadrature(), 1 if saturating else -1
    noise, weights = sigma * rule.nodes, rule.weights

    def critic(psi: Array, theta: Array) -> Array:
        fake, score = theta[:, None] + noise, psi[:, None] * noise
        pulled: Array = (fake * expit(psi[:, None] * fake) - noise * expit(-score)) @ weights
        return pulled

    def generator(psi: Array, theta: Array) -> Array:
        pulled: Array = -psi * (expit(side * psi[:, None] * (theta[:, None] + noise)) @ weights)
        return pulled

    return VectorField(critic, generator)


def with_r1(field: VectorField, gamma: float) -> VectorField:
    """A game with γ/2 ‖∇D‖² on real points, here γ/2 ψ², in the critic's loss: Mescheder et al. (2018), eq. 9."""
    return VectorField(lambda psi, theta: field.critic(psi, theta) + gamma * psi, field.generator, field.project)


def _logistic_critic(psi: Array, theta: Array) -> Array:
    pulled: Array = theta * expit(psi * theta)
    return pulled
