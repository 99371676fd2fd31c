"""Claim 27: games against their closed forms, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest
from oracles import dirac_gan

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.games import CLAIMS, CONVERGING, SCHEDULES, SETTINGS, STARTS, XY, averaging, run
from ganbench.interfaces.objective import Objective
from ganbench.plugins.registry import load_plugins
from ganbench.rng import stream
from ganbench.testing.dynamics import random_starts, simulate

(CLAIM,) = CLAIMS
ONE_SEED = Profile("quick", (100,))


def test_xy_grows_by_its_factor_in_every_step():
    table = pd.DataFrame(run(ONE_SEED, XY))
    assert table[table["quantity"] == "growth"]["value"].max() < 1e-12
    stretch = table[(table["quantity"] == "stretch") & (table["arm"] == XY)]["value"]
    assert list(stretch) == [pytest.approx(1.01**500)] * STARTS


def test_historical_averaging_takes_the_spiral_in_and_without_weight_is_the_bare_game():
    y, x = random_starts(5, np.random.default_rng(0))
    assert list(averaging(y, x, weight=0.0)) == [pytest.approx(1.01**500)] * 5
    assert (averaging(y, x) < 0.5).all()


def test_the_first_step_with_historical_averaging_is_that_of_the_bare_game():
    """The mean of one point is that point, so its penalty pulls nowhere; the second step's is half a step back."""
    from ganbench.claims import games as module

    y, x = np.array([1.0]), np.array([0.0])
    expected = [(1.0, 0.0), (1.0, -0.1)]
    # second: mean (1, -.05); y + .1 (x - 0), x - .1 (y + 2 (x - mean x)) = -.1 - .1 (1 - .1)
    expected.append((1.0 - 0.01, -0.1 - 0.1 * (1 + 2 * -0.05)))
    for steps, (wanted_y, wanted_x) in enumerate(expected):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "XY_STEPS", steps)
            assert averaging(y, x)[0] == pytest.approx(math.hypot(wanted_y, wanted_x), abs=1e-12)


@pytest.mark.slow
def test_an_objective_takes_the_path_of_its_closed_form():
    table = pd.DataFrame(run(ONE_SEED, "wgan"))
    starts = random_starts(STARTS, np.random.default_rng(stream(100, "starts")))
    for name, schedule in SCHEDULES.items():
        found = table[table["arm"] == f"wgan/{name}"].pivot(index="at", columns="quantity", values="value")
        path = simulate(dirac_gan.wasserstein(1.0), *starts, schedule)
        np.testing.assert_allclose(found["radius"], path.tail_radius(), rtol=1e-9)
        np.testing.assert_allclose(found["halfway"], path.radius[:251][-100:].mean(axis=0), rtol=1e-9)


def test_what_is_played_carries_no_state():
    offered = {cls.name: cls for cls in load_plugins().objectives}
    played = [offered[name] for name, _ in SETTINGS.values()]
    assert all(cls.init_state is Objective.init_state for cls in played)


def measured(changed=(), growth=1e-12):
    rows = [row("growth", growth, arm=XY, at=i) for i in range(50)]
    rows += [row("stretch", 100.0, arm=arm) for arm in (XY, "xy with historical averaging")]
    for arm in SETTINGS:
        for schedule in SCHEDULES:
            radius = 0.01 if arm in CONVERGING else 1.0
            rows += [row(q, radius, arm=f"{arm}/{schedule}", at=i) for q in ("radius", "halfway") for i in range(50)]
    table = pd.DataFrame(rows)
    for arm, at, radius in changed:
        table.loc[(table["arm"] == arm) & (table["at"] <= at) & (table["quantity"] == "radius"), "value"] = radius
    return table


def verdicts(table):
    return {finding.rule.name: finding.verdict for finding in CLAIM.decide(table)}


def test_all_as_claimed():
    assert set(verdicts(measured()).values()) == {REPRODUCED}


@pytest.mark.parametrize(
    ("growth", "verdict"), [(9e-10, REPRODUCED), (1.1e-9, NOT_REPRODUCED), (math.nan, INCONCLUSIVE)]
)
def test_growth_to_nine_digits(growth, verdict):
    assert verdicts(measured(growth=growth))["xy spirals out"] == verdict


@pytest.mark.parametrize(("last", "verdict"), [(1, REPRODUCED), (2, NOT_REPRODUCED)])  # 48 and 47 of 50
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("arm", "radius"), [("gan", 0.1), ("wgan", 0.01), ("noisegan", 0.05), ("nsgan-r1", math.nan)])
def test_under_each_schedule_95_percent_of_the_starts_must_do_as_claimed(arm, radius, schedule, last, verdict):
    found = verdicts(measured([(f"{arm}/{schedule}", last, radius)]))
    rule = f"{arm} {'converged' if arm in CONVERGING else 'not converged'}"
    assert found.pop(rule) == verdict
    assert set(found.values()) == {REPRODUCED}


def test_what_overflowed_has_not_converged():
    assert set(verdicts(measured([("wgan-gp/1:5", 49, math.nan)])).values()) == {REPRODUCED}
