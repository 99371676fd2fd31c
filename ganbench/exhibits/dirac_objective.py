"""The Dirac-GAN of any objective, by differentiating the objective's own losses through a linear critic."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.draws import Draw, DrawSpec, RecordingDraw, ReplayingDraw, fill
from ganbench.exhibits.dynamics import Gradient, VectorField
from ganbench.objective import Objective, constraint_of

Array = NDArray[np.float64]
Loss = Callable[[Tensor, Tensor, Draw], Tensor]


class DiracCritic:
    """The critic ψx, of one start. Its only weight, a scalar, is called ``psi``."""

    def __init__(self, psi: Tensor) -> None:
        self.weights: Mapping[str, Tensor] = {"psi": psi}

    def __call__(self, x: Tensor) -> Tensor:
        """Scores (batch,) of points (batch, 1)."""
        return self.weights["psi"] * x[:, 0]

    def features(self, x: Tensor) -> Tensor:
        """The points themselves, (batch, 1): there is no hidden layer."""
        return x


def objective_field(objective: Objective, batch: int = 1, seed: int = 0) -> VectorField:
    """An objective's game, in double precision, at the beginning of a run (progress 0) and without carried state.

    Args:
        objective: whose losses and constraint; a schedule of its own must be switched off by its settings.
        batch: points of either kind, all real ones at 0 and all generated ones at θ; more than one averages an
            objective's randomness, which is drawn afresh for each start and each update.
        seed: of that randomness. The field carries it along: build a new one to repeat a trajectory.
    """
    real, rng = torch.zeros(batch, 1, dtype=torch.float64), torch.Generator().manual_seed(seed)

    def critic_loss(psi: Tensor, theta: Tensor, draw: Draw) -> Tensor:
        return objective.critic_loss(DiracCritic(psi), real, theta.expand(batch, 1), draw)

    def generator_loss(theta: Tensor, psi: Tensor, draw: Draw) -> Tensor:
        return objective.generator_loss(DiracCritic(psi), real, theta.expand(batch, 1), draw)

    critic, generator = _gradient(critic_loss, rng), _gradient(generator_loss, rng)
    return VectorField(critic, lambda psi, theta: generator(theta, psi), _constraint(objective))


def _gradient(loss: Loss, rng: torch.Generator) -> Gradient:
    """Derivative of a loss by its first number, for arrays (starts,) of both numbers."""
    drawn = _drawn_by(loss)

    def of_one_start(own: Tensor, other: Tensor, numbers: list[Tensor]) -> Tensor:
        return loss(own, other, ReplayingDraw(*_beginning(), numbers=numbers))

    vectorised = torch.func.vmap(torch.func.grad(of_one_start))

    def gradient(own: Array, other: Array) -> Array:
        numbers = [fill(spec, len(own), rng) for spec in drawn]
        result: Array = vectorised(torch.from_numpy(own), torch.from_numpy(other), numbers).numpy()
        return result

    return gradient


def _drawn_by(loss: Loss) -> list[DrawSpec]:
    """What random numbers a loss asks for."""
    draw, one = RecordingDraw(*_beginning()), torch.ones((), dtype=torch.float64)
    loss(one, one, draw)
    return draw.calls


def _beginning() -> tuple[Tensor, Tensor]:
    """Step and progress of the first update."""
    return torch.ones(()), torch.zeros((), dtype=torch.float64)


def _constraint(objective: Objective) -> Callable[[Array], Array]:
    constraint = constraint_of(objective)
    if constraint is None:
        return lambda psi: psi
    constrain = torch.func.vmap(lambda psi: constraint({"psi": psi}, Draw(*_beginning()))["psi"])

    def project(psi: Array) -> Array:
        projected: Array = constrain(torch.from_numpy(psi)).numpy()
        return projected

    return project
