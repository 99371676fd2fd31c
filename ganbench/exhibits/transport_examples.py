"""Three worked transport problems with their answers, and random ones on which three solvers must agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ganbench.exhibits.transport import (
    TransportProblem,
    line_distance,
    line_problem,
    optimal_plan,
    optimal_potentials,
    problem,
)

MOONCAKES = problem(
    rows=[15, 45, 40],
    columns=[10, 5, 65, 20],
    cost=[[5.2, 20.2, 4.7, 6.6], [12.2, 24.8, 9.1, 11.3], [7.3, 20.2, 9.4, 6.1]],
)
"""A hundred mooncakes from four bakeries (columns) to three shops (rows); the cost in kilometres a cake."""

MOONCAKE_PLANS = (
    (872.5, ((10, 5, 0, 0), (0, 0, 45, 0), (0, 0, 20, 20))),
    (940.5, ((5, 5, 5, 0), (5, 0, 30, 10), (0, 0, 30, 10))),
)
"""Two feasible plans with their costs in cake-kilometres. Neither is optimal: 6.0 % and 14.3 % above the optimum."""

MOONCAKE_OPTIMUM = (823.0, ((0, 0, 15, 0), (0, 0, 45, 0), (10, 5, 5, 20)))
"""The optimal cost, in cake-kilometres, and the only plan that reaches it."""

MOONCAKE_POTENTIALS = ((-4.4, 0.0, 0.3), (7.0, 19.9, 9.1, 5.8))
"""Optimal potentials of the rows and of the columns, in kilometres, up to a constant added to one and not the other."""

FOUR_BINS = line_problem([0, 1, 2, 3], rows=[3, 2, 1, 4], columns=[1, 2, 4, 3])
"""Ten shovelfuls of earth in four bins, one apart."""

FOUR_BINS_OPTIMUM = 5.0
"""Shovelfuls times bins: .5 where the ten shovelfuls count as a mass of 1."""

SEVEN_BINS = line_problem(range(7), rows=[0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1], columns=[0.1] * 6 + [0.4])
"""Two distributions on seven bins, one apart."""

SEVEN_BINS_OPTIMUM = 0.9
"""Mass times bins."""

SEVEN_BINS_POTENTIAL = (4.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0)
"""An optimal potential f of the rows, in bins; that of the columns is −f, as always where staying costs nothing."""


@dataclass(frozen=True)
class Agreement:
    """One problem solved in independent ways, each in mass times distance.

    Attributes:
        primal: optimal cost of the primal linear program.
        dual: optimal value of the dual linear program.
        network: optimal cost by POT's network simplex.
        line: the formula of the CDFs, where the problem lies on a line; otherwise None.
    """

    primal: float
    dual: float
    network: float
    line: float | None = None

    @property
    def gap(self) -> float:
        """The largest difference between any two ways."""
        values = [v for v in (self.primal, self.dual, self.network, self.line) if v is not None]
        return max(values) - min(values)


def agreement(given: TransportProblem, line: float | None = None) -> Agreement:
    """Solve one problem in every way. Raises MetricError where a linear program is not solved."""
    import ot

    network = ot.emd2(given.rows, given.columns, given.cost)
    return Agreement(optimal_plan(given).cost, optimal_potentials(given).value, float(network), line)


def random_agreements(n: int, rng: np.random.Generator) -> list[Agreement]:
    """Agreements on n random problems: in turn between points of a plane and on a line, of 2 to 9 atoms a side."""
    return [_on_a_line(rng) if i % 2 else _in_a_plane(rng) for i in range(n)]


def _in_a_plane(rng: np.random.Generator) -> Agreement:
    n, m = rng.integers(2, 10, size=2)
    x, y = rng.standard_normal((n, 1, 2)), rng.standard_normal((1, m, 2))
    return agreement(problem(rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), np.linalg.norm(x - y, axis=2)))


def _on_a_line(rng: np.random.Generator) -> Agreement:
    n = rng.integers(2, 10)
    x, p, q = np.sort(rng.standard_normal(n)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    return agreement(line_problem(x, p, q), line_distance(x, p, q))
