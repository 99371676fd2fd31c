"""Discrete-time dynamics of two-player games: eigenvalues and courses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ganbench.errors import UsageError

# -- dynamics ----------------------------------------------------------------------------------------------------------

Array = NDArray[np.float64]
Gradient = Callable[[Array, Array], Array]


def _unchanged(psi: Array) -> Array:
    return psi


@dataclass(frozen=True)
class VectorField:
    """A game, by the gradients of its players' losses. All arrays have shape (starts,).

    Attributes:
        critic: (ψ, θ) to ∂ critic loss / ∂ψ.
        generator: (ψ, θ) to ∂ generator loss / ∂θ.
        project: what the critic's constraint makes of ψ after each of its updates.
    """

    critic: Gradient
    generator: Gradient
    project: Callable[[Array], Array] = _unchanged


@dataclass(frozen=True)
class Schedule:
    """Who moves when, within one step. Raises UsageError for fewer than one critic update.

    Attributes:
        n_critic: critic updates a step; 1 where the players move at once.
        simultaneous: both players move from where they stood before the step.
        generator_first: whether the generator opens an alternating step, as in the notebook of Mescheder et al. (2018).
            Otherwise the critic does, as in this package's training loop.
    """

    n_critic: int = 1
    simultaneous: bool = False
    generator_first: bool = False

    def __post_init__(self) -> None:
        if self.n_critic < 1 or (self.simultaneous and self.n_critic > 1):
            raise UsageError(
                f"n_critic is {self.n_critic}; it must be at least 1, and 1 where the players move simultaneously",
                subject="n_critic",
            )


SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "simultaneous": Schedule(simultaneous=True),
        "alternating-1": Schedule(),
        "alternating-5": Schedule(n_critic=5),
    }
)
"""The three ways of training by name; the number is that of critic updates a step."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where the players were: after no step, after one, and so on.

    Attributes:
        psi: (steps + 1, starts).
        theta: (steps + 1, starts).
    """

    psi: Array
    theta: Array

    @property
    def radius(self) -> Array:
        """Distance from the equilibrium at the origin, (steps + 1, starts)."""
        radius: Array = np.hypot(self.psi, self.theta)
        return radius

    def tail_radius(self, last: int = 100) -> Array:
        """Mean distance from the origin after each of the last steps, (starts,); not finite where a start diverged."""
        mean: Array = self.radius[1:][-last:].mean(axis=0)
        return mean


def random_starts(n: int, rng: np.random.Generator, half_width: float = 2.0) -> tuple[Array, Array]:
    """ψ and θ, (n,) each, uniform in a square around the origin."""
    psi, theta = rng.uniform(-half_width, half_width, size=(2, n))
    return psi, theta


def simulate(
    field: VectorField, psi: Array, theta: Array, schedule: Schedule, steps: int = 500, rate: float = 0.2
) -> Trajectory:
    """Follow a game from given starts.

    A start that overflows goes on as infinite or NaN: divergence is a result.

    Args:
        field: the game.
        psi: the critic's starts, (starts,), projected before the first step.
        theta: the generator's starts, (starts,).
        schedule: who moves when.
        steps: generator updates.
        rate: learning rate of both players.
    """
    step = _simultaneous if schedule.simultaneous else _alternating
    positions = [(field.project(psi), theta)]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            positions.append(step(field, *positions[-1], schedule, rate))
    psis, thetas = zip(*positions, strict=True)
    return Trajectory(np.stack(psis), np.stack(thetas))


def _simultaneous(field: VectorField, psi: Array, theta: Array, _: Schedule, rate: float) -> tuple[Array, Array]:
    return field.project(psi - rate * field.critic(psi, theta)), theta - rate * field.generator(psi, theta)


def _alternating(field: VectorField, psi: Array, theta: Array, schedule: Schedule, rate: float) -> tuple[Array, Array]:
    if schedule.generator_first:
        theta = theta - rate * field.generator(psi, theta)
    for _ in range(schedule.n_critic):
        psi = field.project(psi - rate * field.critic(psi, theta))
    if not schedule.generator_first:
        theta = theta - rate * field.generator(psi, theta)
    return psi, theta


# -- xy game -----------------------------------------------------------------------------------------------------------

XY_GAME = VectorField(critic=lambda y, x: -x, generator=lambda y, x: y)


@dataclass(frozen=True)
class XYGrowth:
    """What simultaneous steps do to the distance from the equilibrium, exactly.

    Each step x ← x − r y, y ← y + r x is a turn by atan r and a stretch by √(1 + r²), wherever it starts from.

    Attributes:
        rate: r, the learning rate.
    """

    rate: float

    @property
    def factor(self) -> float:
        """Growth of the distance in each step."""
        return math.sqrt(1 + self.rate**2)

    @property
    def period(self) -> float:
        """Steps for one turn around the equilibrium."""
        return 2 * math.pi / math.atan(self.rate)

    @property
    def doubling(self) -> float:
        """Steps in which the distance doubles."""
        return math.log(2) / math.log(self.factor)


def alternating_range(x: float, y: float, rate: float) -> tuple[float, float]:
    """The least and the greatest distance from the equilibrium that alternating steps can reach, for a rate below 2.

    x ← x − r y, then y ← y + r x with the new x, keeps x² + y² − r x y: each orbit stays on one ellipse, whose half
    axes these are. Where y moves first, the orbits are those of the opposite sign of y.
    """
    kept = x * x + y * y - rate * x * y
    return math.sqrt(kept / (1 + rate / 2)), math.sqrt(kept / (1 - rate / 2))
