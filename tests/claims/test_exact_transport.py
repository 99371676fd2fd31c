"""Discrete optimal transport: three worked examples, uniqueness, and random problems solved in every way."""

import math

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ganbench.claims.exact.transport import (
    FOUR_BINS,
    FOUR_BINS_OPTIMUM,
    MOONCAKE_OPTIMUM,
    MOONCAKE_PLANS,
    MOONCAKES,
    SEVEN_BINS,
    SEVEN_BINS_OPTIMUM,
    OptimalPotentials,
    SolverAgreement,
    agreement,
    cost_of,
    infeasibility,
    line_distance,
    line_problem,
    optimal_plan,
    optimal_potentials,
    problem,
    random_agreements,
)
from ganbench.errors import DataError

ANSWERS = [(MOONCAKES, 823.0), (FOUR_BINS, 5.0), (SEVEN_BINS, 0.9)]

MOONCAKE_POTENTIALS = ((-4.4, 0.0, 0.3), (7.0, 19.9, 9.1, 5.8))
"""Optimal potentials of the rows and of the columns, in kilometres, up to a constant added to one and not the other."""

SEVEN_BINS_POTENTIAL = (4.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0)
"""An optimal potential f of the rows, in bins; that of the columns is −f, as always where staying costs nothing."""


def reduced_costs(given, potentials):
    """What a unit moved between each row and each column would lose against the optimum, in distance: (n, m)."""
    return given.cost - potentials.rows[:, None] - potentials.columns[None, :]


def proves_uniqueness(given, potentials, tolerance=1e-9):
    """Whether these optimal potentials prove that there is only one optimal plan.

    An optimal plan moves mass only where the reduced cost is 0 (complementary slackness); where the columns of the
    marginal constraints of those cells are independent, the marginals leave one plan.
    """
    tight = (reduced_costs(given, potentials) <= tolerance).ravel()
    return bool(np.linalg.matrix_rank(marginals(*given.cost.shape)[:, tight]) == tight.sum())


def marginals(n, m):
    """The matrix that takes a flattened plan (n·m,) to its row sums and its column sums, (n + m, n·m)."""
    return np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])


@pytest.mark.parametrize(("given", "answer"), ANSWERS, ids=["mooncakes", "four bins", "seven bins"])
def test_primal_and_dual_and_network_reach_the_answer(given, answer):
    solved = agreement(given)
    for value in (solved.primal, solved.dual, solved.network):
        assert value == pytest.approx(answer, rel=0, abs=1e-9)
    assert solved.gap < 1e-9


def test_the_named_answers_are_these():
    assert (MOONCAKE_OPTIMUM[0], FOUR_BINS_OPTIMUM, SEVEN_BINS_OPTIMUM) == (823.0, 5.0, 0.9)


@pytest.mark.parametrize(("cost", "plan"), MOONCAKE_PLANS)
def test_the_sources_plans_for_the_mooncakes_are_feasible_and_not_optimal(cost, plan):
    assert cost_of(MOONCAKES, plan) == pytest.approx(cost, abs=1e-9)
    assert infeasibility(MOONCAKES, plan) == 0
    assert cost > MOONCAKE_OPTIMUM[0] + 49


def test_the_mooncakes_have_one_optimal_plan():
    cost, plan = MOONCAKE_OPTIMUM
    assert infeasibility(MOONCAKES, plan) == 0
    assert cost_of(MOONCAKES, plan) == pytest.approx(cost, abs=1e-9)
    np.testing.assert_allclose(optimal_plan(MOONCAKES).plan, plan, atol=1e-9)
    assert proves_uniqueness(MOONCAKES, optimal_potentials(MOONCAKES))


def test_the_mooncakes_potentials_are_the_known_ones_up_to_a_constant():
    solved = optimal_potentials(MOONCAKES)
    rows, columns = (np.array(side) for side in MOONCAKE_POTENTIALS)
    assert solved.rows[0] == 0
    np.testing.assert_allclose(solved.rows, rows - rows[0], atol=1e-9)
    np.testing.assert_allclose(solved.columns, columns + rows[0], atol=1e-9)
    assert MOONCAKES.rows @ rows + MOONCAKES.columns @ columns == pytest.approx(823.0, abs=1e-9)
    unused = reduced_costs(MOONCAKES, solved)[np.array(MOONCAKE_OPTIMUM[1]) == 0]
    assert len(unused) == 6
    assert unused.min() > 0.1


def test_the_four_bins_are_half_a_bin_apart_as_distributions():
    shares = line_problem(range(4), FOUR_BINS.rows / 10, FOUR_BINS.columns / 10)
    assert optimal_plan(shares).cost == pytest.approx(0.5, abs=1e-9)
    assert line_distance(range(4), FOUR_BINS.rows, FOUR_BINS.columns) == 5


def test_the_seven_bins_potential_is_feasible_and_optimal_with_its_negative():
    f = np.array(SEVEN_BINS_POTENTIAL)
    known = OptimalPotentials(float(SEVEN_BINS.rows @ f - SEVEN_BINS.columns @ f), f, -f)
    assert known.value == pytest.approx(0.9, abs=1e-12)
    assert reduced_costs(SEVEN_BINS, known).min() == 0


def test_moves_that_may_be_combined_differently_leave_no_unique_plan():
    """From 0 and 1 to 1 and 2: both one step each, or one of two steps, at the same cost."""
    given = line_problem(range(3), [1, 1, 0], [0, 1, 1])
    assert optimal_plan(given).cost == pytest.approx(2, abs=1e-12)
    assert not proves_uniqueness(given, optimal_potentials(given))


def test_fifty_random_problems_are_solved_alike_in_every_way():
    solved = random_agreements(50, np.random.default_rng(0))
    assert len(solved) == 50
    assert sum(s.line is not None for s in solved) == 25
    assert max(s.gap for s in solved) < 1e-9
    assert min(s.primal for s in solved) > 0.01


def test_the_gap_is_the_largest_difference():
    assert SolverAgreement(1.0, 1.5, 1.25).gap == 0.5
    assert SolverAgreement(1.0, 1.0, 1.0, line=3.0).gap == 2.0


@pytest.mark.parametrize("seed", range(5))
def test_the_formula_of_the_cdfs_is_scipys(seed):
    rng = np.random.default_rng(seed)
    x, p, q = np.sort(rng.normal(size=8)), rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(8))
    assert line_distance(x, p, q) == pytest.approx(wasserstein_distance(x, x, p, q), rel=1e-12)


@pytest.mark.parametrize(
    ("plan", "broken_by"),
    [([[1, 0], [0, 1]], 0), ([[1, 1], [0, 0]], 1), ([[2, -1], [-1, 2]], 1), ([[0, 0], [0, 0]], 1)],
)
def test_infeasibility_is_the_mass_of_the_worst_broken_constraint(plan, broken_by):
    assert infeasibility(problem([1, 1], [1, 1], [[0, 1], [1, 0]]), plan) == broken_by


@pytest.mark.parametrize(
    ("rows", "columns", "cost", "says"),
    [
        ([1, 2], [3], [[1]], r"shape \(1, 1\) for 2 rows and 1 columns"),
        ([1, 2], [4], [[1], [1]], "rows hold 3 and columns 4"),
        ([4, -1], [3], [[1], [1]], "non-negative"),
        ([math.nan, 1], [1], [[1], [1]], "equal totals"),
        ([1, 2], [3], [[1], [math.inf]], "finite"),
    ],
)
def test_what_is_no_transport_problem_is_refused(rows, columns, cost, says):
    with pytest.raises(DataError, match=says):
        problem(rows, columns, cost)
