"""Exact optimal transport: duality, and examples with known distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, linprog

from ganbench.errors import DataError, MetricError

# -- transport ---------------------------------------------------------------------------------------------------------

Array = NDArray[np.float64]
BALANCE = 1e-9  # by how much the two total masses may differ, relative to them


@dataclass(frozen=True, eq=False)
class TransportProblem:
    """Masses on rows, masses on columns, and what it costs to move a unit between them.

    Raises DataError where shapes do not fit, a cost is not finite, a mass is negative or the two totals differ.

    Attributes:
        rows: masses (n,).
        columns: masses (m,), with the same total.
        cost: distance between each row and each column, (n, m).
    """

    rows: Array
    columns: Array
    cost: Array

    def __post_init__(self) -> None:
        if self.cost.shape != (len(self.rows), len(self.columns)) or not np.isfinite(self.cost).all():
            raise DataError(
                f"the cost has shape {self.cost.shape} for {len(self.rows)} rows and {len(self.columns)} columns; "
                "give one finite distance for each pair"
            )
        held, wanted = self.rows.sum(), self.columns.sum()
        balanced = abs(held - wanted) <= BALANCE * held  # False for NaN
        if not (balanced and (self.rows >= 0).all() and (self.columns >= 0).all()):
            raise DataError(f"rows hold {held:g} and columns {wanted:g}; give non-negative masses with equal totals")


def problem(rows: ArrayLike, columns: ArrayLike, cost: ArrayLike) -> TransportProblem:
    """A transport problem from numbers: masses (n,) and (m,), cost (n, m). Raises DataError where they do not fit."""
    return TransportProblem(*(np.asarray(values, dtype=np.float64) for values in (rows, columns, cost)))


def line_problem(positions: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> TransportProblem:
    """Two distributions (n,) of mass on the same positions (n,) of a line; the cost is the distance."""
    x = np.asarray(positions, dtype=np.float64)
    return problem(rows, columns, np.abs(x[:, None] - x[None, :]))


@dataclass(frozen=True, eq=False)
class OptimalPlan:
    """Solution of the primal program: min Σ cost·plan over plans with the given marginals.

    Attributes:
        cost: mass times distance.
        plan: mass moved between each row and each column, (n, m).
    """

    cost: float
    plan: Array


@dataclass(frozen=True, eq=False)
class OptimalPotentials:
    """Solution of the dual program: max Σ rows·u + Σ columns·v subject to u_i + v_j ≤ cost_ij.

    A constant may be added to all u and taken from all v; here the first u is 0.

    Attributes:
        value: mass times distance.
        rows: u, in units of distance, (n,).
        columns: v, in units of distance, (m,).
    """

    value: float
    rows: Array
    columns: Array


def optimal_plan(given: TransportProblem) -> OptimalPlan:
    """Solve the primal program: Villani (2003), eq. 0.4. Raises MetricError where the solver gives up."""
    masses = np.concatenate([given.rows, given.columns])
    solved = _checked(linprog(given.cost.ravel(), A_eq=_marginals(given.cost.shape), b_eq=masses, bounds=(0, None)))
    return OptimalPlan(float(solved.fun), np.asarray(solved.x).reshape(given.cost.shape))


def optimal_potentials(given: TransportProblem) -> OptimalPotentials:
    """Solve the dual program: Villani (2003), Theorem 1.3. Raises MetricError where the solver gives up."""
    masses, n = np.concatenate([given.rows, given.columns]), len(given.rows)
    free = [(0.0, 0.0)] + [(None, None)] * (len(masses) - 1)
    solved = _checked(linprog(-masses, A_ub=_marginals(given.cost.shape).T, b_ub=given.cost.ravel(), bounds=free))
    return OptimalPotentials(-float(solved.fun), np.asarray(solved.x)[:n], np.asarray(solved.x)[n:])


def cost_of(given: TransportProblem, plan: ArrayLike) -> float:
    """Mass times distance of any plan (n, m), optimal or not."""
    return float((given.cost * np.asarray(plan)).sum())


def infeasibility(given: TransportProblem, plan: ArrayLike) -> float:
    """By how much mass a plan (n, m) breaks its worst constraint: 0 for a feasible plan."""
    moved = np.asarray(plan, dtype=np.float64)
    excesses = [moved.sum(1) - given.rows, moved.sum(0) - given.columns, np.minimum(moved, 0)]
    return max(float(np.abs(excess).max()) for excess in excesses)


def line_distance(positions: ArrayLike, p: ArrayLike, q: ArrayLike) -> float:
    """Optimal cost on a line, ∫ |CDF_p − CDF_q| dx, in mass times distance: Vallender (1974).

    Args:
        positions: of the atoms, rising, (n,).
        p, q: masses on them, (n,), with the same total.
    """
    difference = np.cumsum(np.asarray(p, dtype=np.float64) - np.asarray(q, dtype=np.float64))
    return float((np.abs(difference[:-1]) * np.diff(np.asarray(positions, dtype=np.float64))).sum())


def _marginals(shape: tuple[int, ...]) -> Array:
    """The matrix that takes a flattened plan (n·m,) to its row sums and its column sums, (n + m, n·m)."""
    n, m = shape
    return np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])


def _checked(result: OptimizeResult) -> OptimizeResult:
    if result.status != 0:
        raise MetricError(f"the linear program of a transport problem was not solved: {result.message}")
    return result


# -- transport examples ------------------------------------------------------------------------------------------------

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

FOUR_BINS = line_problem([0, 1, 2, 3], rows=[3, 2, 1, 4], columns=[1, 2, 4, 3])
"""Ten shovelfuls of earth in four bins, one apart."""

FOUR_BINS_OPTIMUM = 5.0
"""Shovelfuls times bins: .5 where the ten shovelfuls count as a mass of 1."""

SEVEN_BINS = line_problem(range(7), rows=[0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1], columns=[0.1] * 6 + [0.4])
"""Two distributions on seven bins, one apart."""

SEVEN_BINS_OPTIMUM = 0.9
"""Mass times bins."""


@dataclass(frozen=True)
class SolverAgreement:
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


def agreement(given: TransportProblem, line: float | None = None) -> SolverAgreement:
    """Solve one problem in every way. Raises MetricError where a linear program is not solved."""
    import ot

    network = ot.emd2(given.rows, given.columns, given.cost)
    return SolverAgreement(optimal_plan(given).cost, optimal_potentials(given).value, float(network), line)


def random_agreements(n: int, rng: np.random.Generator) -> list[SolverAgreement]:
    """Agreements on n random problems: in turn between points of a plane and on a line, of 2 to 9 atoms a side."""
    return [_on_a_line(rng) if i % 2 else _in_a_plane(rng) for i in range(n)]


def _in_a_plane(rng: np.random.Generator) -> SolverAgreement:
    n, m = rng.integers(2, 10, size=2)
    x, y = rng.standard_normal((n, 1, 2)), rng.standard_normal((1, m, 2))
    return agreement(problem(rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), np.linalg.norm(x - y, axis=2)))


def _on_a_line(rng: np.random.Generator) -> SolverAgreement:
    n = rng.integers(2, 10)
    x, p, q = np.sort(rng.standard_normal(n)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    return agreement(line_problem(x, p, q), line_distance(x, p, q))
