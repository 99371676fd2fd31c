"""Claim 22: the sweep on cases with a known end, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.clipping import CONSTANTS, ONLY_FULL, correlation, first_step, measure, run
from ganbench.claims.experiment import Profile, row

(CLAIM,) = find_claims(["clip-constant-trade-off"])
GRID = (0.001, 0.01, 0.03, 0.1, 1.0)


def test_the_first_step_counts_from_one_and_may_never_come():
    assert first_step(np.array([False, True, False])) == 2
    assert first_step(np.array([False, False, False])) == math.inf


def test_a_bound_below_every_weight_is_reached_at_once_and_a_far_one_never():
    for c, boundary, share in ((1e-6, 1, 1), (100.0, math.inf, 0)):
        found = pd.DataFrame(measure(c, (100, 101), steps=3, depth=3)).set_index(["quantity", "seed"])["value"]
        assert list(found["boundary"]) == [boundary] * 2
        assert list(found["share"]) == [pytest.approx(share, abs=0.01)] * 2


def test_the_gradient_is_the_reading_of_the_run():
    from ganbench.claims.clipping import OPTIMIZER
    from ganbench.claims.lab import cohort, objective, training
    from ganbench.datasets.synthetic import Ring
    from ganbench.engine.readings import READINGS
    from ganbench.networks.mlp import Mlp

    found = pd.DataFrame(measure(0.1, (100, 101), steps=4, depth=1))
    trained = cohort(Ring(), Mlp(depth=1), objective("wgan", clip=0.1, optimizer=OPTIMIZER), (100, 101), 4)
    norms = np.concatenate([s.readings[:, :, READINGS.index("generator_grad_norm")] for s in training(trained)])
    expected = [sum(math.log10(norm) for norm in norms[:, k]) / 4 for k in range(2)]
    assert list(found[found["quantity"] == "log_gradient"]["value"]) == pytest.approx(expected)


def test_the_quick_profile_leaves_out_what_it_says():
    assert all(run(Profile("quick", (100,)), part) == [] for part in ONLY_FULL)
    assert set(GRID) == {c for part, c in CONSTANTS.items() if part not in ONLY_FULL}


def measured(times, gradients=(-8, -4, -3, -1, 0), distances=(2, 1, 0.5, 0.3, 1), n=8):
    rows = []
    for seed in range(n):
        for quantity, lists in (("boundary", times), ("log_gradient", [gradients]), ("sliced_w1", [distances])):
            numbers = lists[seed % len(lists)]
            rows += [row(quantity, x + 0.01 * seed, seed=seed, at=c) for c, x in zip(GRID, numbers, strict=True)]
        rows += [row("share", 0.5, seed=seed, at=c) for c in GRID]
    return pd.DataFrame(rows)


NEVER = math.inf
SLOWER, TIED, FASTER = (1, 2, 30, 400, 601), (1, 1, 30, 500, 500), (601, 400, 30, 2, 1)


@pytest.mark.parametrize(
    ("times", "verdict", "effect"),
    [
        ([SLOWER], REPRODUCED, 1.0),
        ([TIED], REPRODUCED, 9 / math.sqrt(90)),  # ranks 1.5 1.5 3 4.5 4.5: covariance 9 over sqrt(9 * 10)
        ([FASTER], NOT_REPRODUCED, -1.0),
        ([SLOWER, FASTER], INCONCLUSIVE, 0.0),
        ([(601,) * 5], NOT_REPRODUCED, 0.0),
        ([(1, 2, 30, 400, NEVER)], REPRODUCED, 1.0),  # no order among one
        ([(1, 2, NEVER, NEVER, NEVER)], INCONCLUSIVE, 8 / math.sqrt(80)),  # ranks 1 2 4 4 4; from .6 to 1
        ([(400, 30, 2, 1, NEVER)], NOT_REPRODUCED, 0.0),  # ranks 4 3 2 1 5
        ([(NEVER, NEVER, 30, 2, 1)], NOT_REPRODUCED, -9.5 / math.sqrt(95)),  # ranks 4.5 4.5 3 2 1: below 0 in any order
    ],
)
def test_slow_weights(times, verdict, effect):
    finding = CLAIM.decide(measured(times))[0]
    assert (finding.verdict, finding.effect) == (verdict, pytest.approx(effect))


@pytest.mark.parametrize(("late", "rho"), [(1, 1.0), (0, 8 / math.sqrt(80)), (-1, 0.6)])
def test_runs_that_never_get_there_tie_or_are_put_in_either_order(late, rho):
    times = pd.Series((1.0, 2, NEVER, NEVER, NEVER), index=GRID)
    assert correlation(times, late) == pytest.approx(rho)


@pytest.mark.parametrize(
    ("gradients", "verdict"), [((-8, -4, -3, -1, 0), REPRODUCED), ((-2, -2, -2, -1, 0), NOT_REPRODUCED)]
)
def test_vanishing_gradients(gradients, verdict):
    assert CLAIM.decide(measured([SLOWER], gradients))[1].verdict == verdict


def test_vanishing_gradients_can_be_left_open():
    table = measured([SLOWER])
    chosen = (table["quantity"] == "log_gradient") & (table["at"] == 0.001) & (table["seed"] % 2 == 0)
    table.loc[chosen, "value"] = -2.0
    assert CLAIM.decide(table)[1].verdict == INCONCLUSIVE


def test_the_best_constant_is_counted_by_seed():
    table = measured([SLOWER])
    assert (CLAIM.decide(table)[2].verdict, CLAIM.decide(table)[2].effect) == (REPRODUCED, 1.0)
    for seed, verdict in ((0, REPRODUCED), (1, NOT_REPRODUCED)):  # 7 of 8 are enough, 6 are not
        chosen = (table["quantity"] == "sliced_w1") & (table["at"] == 1.0) & (table["seed"] == seed)
        table.loc[chosen, "value"] = 0.0
        assert CLAIM.decide(table)[2].verdict == verdict
    assert CLAIM.decide(measured([SLOWER], n=5))[2].verdict == INCONCLUSIVE


def test_a_diverged_run_is_never_the_best():
    table = measured([SLOWER])
    table.loc[(table["quantity"] == "sliced_w1") & (table["at"] == 0.001), "value"] = math.nan
    assert CLAIM.decide(table)[2].effect == 1.0
