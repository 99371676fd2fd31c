"""The game in which one player minimises xy and the other maximises it: Salimans et al. (2016), Section 3.

Here x is θ and y is ψ. The continuous flow circles the equilibrium; steps taken at once spiral out of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganbench.exhibits.dynamics import VectorField

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
