"""Descent in games of two numbers: single steps by hand, and the xy game against its closed forms."""

import math

import numpy as np
import pytest
from refusals import refused

from ganbench.errors import UsageError
from ganbench.testing.dynamics import (
    SCHEDULES,
    XY_GAME,
    Schedule,
    Trajectory,
    VectorField,
    XYGrowth,
    alternating_range,
    random_starts,
    simulate,
)

ONE, THREE = np.ones(1), np.full(1, 3.0)


def one_step(schedule, field=XY_GAME):
    """From x = θ = 3 and y = ψ = 1, with rate .5: (x, y)."""
    found = simulate(field, ONE, THREE, schedule, steps=1, rate=0.5)
    return found.theta[1, 0], found.psi[1, 0]


def test_steps_by_hand():
    assert one_step(Schedule(simultaneous=True)) == (2.5, 2.5)  # x − y/2, y + x/2
    assert one_step(Schedule()) == (1.75, 2.5)  # y first, then x with the new y
    assert one_step(Schedule(generator_first=True)) == (2.5, 2.25)  # x first, then y with the new x
    assert one_step(Schedule(n_critic=5)) == (3 - 8.5 / 2, 8.5)
    assert one_step(Schedule(n_critic=5, generator_first=True)) == (2.5, 1 + 5 * 1.25)


def test_the_constraint_holds_at_the_start_and_after_every_critic_update():
    clipped = VectorField(XY_GAME.critic, XY_GAME.generator, project=lambda y: np.clip(y, -0.8, 0.8))
    found = simulate(clipped, ONE, THREE, Schedule(), steps=3, rate=0.5)
    assert found.psi[:, 0].tolist() == [0.8] * 4
    assert found.theta[:, 0].tolist() == pytest.approx([3, 2.6, 2.2, 1.8])


def test_a_simultaneous_step_stretches_by_the_root_of_one_plus_the_squared_rate():
    starts = random_starts(50, np.random.default_rng(0))
    radius = simulate(XY_GAME, *starts, SCHEDULES["simultaneous"], steps=1000, rate=0.1).radius
    assert radius.shape == (1001, 50)
    np.testing.assert_allclose(radius[1:] / radius[:-1], math.sqrt(1.01), rtol=0, atol=1e-9)


def test_growth_of_the_xy_game_in_numbers():
    growth = XYGrowth(0.1)
    assert growth.factor == pytest.approx(1.004988, abs=5e-7)
    assert [growth.factor**n for n in (100, 500, 1000)] == pytest.approx([1.645, 12.03, 144.8], rel=5e-4)
    assert growth.period == pytest.approx(63.04, abs=0.005)
    assert growth.doubling == pytest.approx(139.3, abs=0.05)


def test_period_and_doubling_are_what_is_seen():
    rate = math.tan(2 * math.pi / 40)  # whose turn takes 40 steps
    found = simulate(XY_GAME, ONE, ONE, SCHEDULES["simultaneous"], steps=40, rate=rate)
    assert XYGrowth(rate).period == pytest.approx(40, rel=1e-12)
    assert found.theta[-1, 0] == pytest.approx(found.psi[-1, 0], rel=1e-9)
    assert math.log2(found.radius[-1, 0] / found.radius[0, 0]) == pytest.approx(40 / XYGrowth(rate).doubling, rel=1e-9)


@pytest.mark.parametrize(("schedule", "y"), [(Schedule(generator_first=True), 1.0), (Schedule(), -1.0)])
def test_alternating_steps_of_the_xy_game_stay_on_an_ellipse(schedule, y):
    least, greatest = alternating_range(1.0, 1.0, rate=0.1)
    assert (least, greatest) == pytest.approx((1.345, 1.414), abs=5e-4)
    radius = simulate(XY_GAME, np.array([y]), ONE, schedule, steps=20_000, rate=0.1).radius
    assert radius.min() == pytest.approx(least, abs=1e-5)
    assert radius.max() == pytest.approx(greatest, abs=1e-5)
    assert radius.min() > least - 1e-9
    assert radius.max() < greatest + 1e-9


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_start_does_not_depend_on_other_starts(schedule):
    psi, theta = random_starts(7, np.random.default_rng(3))
    together = simulate(XY_GAME, psi, theta, schedule, steps=50)
    alone = simulate(XY_GAME, psi[2:3], theta[2:3], schedule, steps=50)
    assert (together.psi[:, 2] == alone.psi[:, 0]).all()
    assert (together.theta[:, 2] == alone.theta[:, 0]).all()


def test_starts_are_uniform_in_the_square_and_keyed():
    psi, theta = random_starts(20_000, np.random.default_rng(0))
    again, _ = random_starts(20_000, np.random.default_rng(0))
    assert (psi == again).all()
    for side in (psi, theta):
        assert np.abs(side).max() < 2
        assert (side.mean(), side.var()) == pytest.approx((0, 4 / 3), abs=0.03)
    assert np.corrcoef(psi, theta)[0, 1] == pytest.approx(0, abs=0.03)


def test_the_tail_radius_is_the_mean_over_the_last_steps_and_leaves_the_start_out():
    theta = np.array([[100.0, 100.0], [1.0, 2.0], [3.0, 6.0]])
    found = Trajectory(np.zeros((3, 2)), theta)
    assert found.tail_radius(1).tolist() == [3, 6]
    assert found.tail_radius(2).tolist() == found.tail_radius(100).tolist() == [2, 4]


def test_a_start_that_overflows_is_not_finite_and_disturbs_no_other():
    cubic = VectorField(critic=lambda psi, theta: -(psi**3), generator=lambda psi, theta: theta**3 - theta**3)
    found = simulate(cubic, np.array([5.0, 0.01]), np.array([1.0, 1.0]), Schedule(), steps=100, rate=0.5)
    assert np.isfinite(found.tail_radius(10)).tolist() == [False, True]


@pytest.mark.parametrize("wrong", [{"n_critic": 0}, {"n_critic": 5, "simultaneous": True}])
def test_an_impossible_schedule_is_refused(wrong):
    with refused(UsageError, subject="n_critic"):
        Schedule(**wrong)
