"""Claim 20 on tables that can be counted by hand."""

import pandas as pd
import pytest

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import row
from ganbench.claims.mode_coverage import CLAIMS

(CLAIM,) = CLAIMS
QUANTITIES = ("modes_fair", "high_quality", "mode_kl")


def runs(arm, modes, near=None):
    for seed, found in enumerate(modes):
        yield row("modes", found, arm=arm, seed=seed, at=2000)
        yield row("modes_near", found if near is None else near, arm=arm, seed=seed, at=2000)
        yield from (row(quantity, 0.5, arm=arm, seed=seed, at=2000) for quantity in QUANTITIES)


def decide(wgan, nsgan, grid=None, near=None):
    rows = [*runs("ring/wgan", wgan, near), *runs("ring/nsgan", nsgan)]
    rows += [r for objective, modes in (grid or {}).items() for r in runs(f"grid/{objective}", modes)]
    never, more = CLAIM.decide(pd.DataFrame(rows))
    return never, more


def test_twenty_runs_without_a_loss_bound_the_rate():
    never, _ = decide([8] * 20, [8] * 20)
    assert (never.verdict, never.effect, never.n) == (REPRODUCED, 0, 20)
    assert "below 14 %" in never.note.replace("14%", "14 %")


def test_one_run_that_collapses_is_enough_whatever_their_number():
    for n in (5, 20):
        never, _ = decide([7] + [8] * (n - 1), [8] * n)
        assert (never.verdict, never.effect, never.n) == (NOT_REPRODUCED, 1, n)


def test_a_mode_that_is_lost_without_collapse_decides_nothing():
    never, _ = decide([5] * 20, [8] * 20, near=8)
    assert (never.verdict, never.effect, never.n) == (INCONCLUSIVE, 20, 20)
    assert "20 of 20 runs lose a mode, 0 collapse" in never.note


def test_fewer_runs_without_a_loss_decide_nothing():
    never, _ = decide([8] * 19, [8] * 19)
    assert never.verdict == INCONCLUSIVE
    assert "20 seeds" in never.note


@pytest.mark.parametrize(
    ("nsgan", "verdict"),
    [([4, 5] * 5, REPRODUCED), ([8] * 10, NOT_REPRODUCED), ([8, 8, 8, 8, 8, 8, 8, 8, 1, 8], INCONCLUSIVE)],
)
def test_coverage_is_compared_by_seed(nsgan, verdict):
    _, more = decide([8] * 10, nsgan)
    assert more.verdict == verdict
    assert more.effect == pytest.approx(100 * (8 - sum(nsgan) / 10) / 8)


def test_where_the_grid_was_run_it_counts_too():
    never, more = decide([8] * 20, [8] * 20, {"wgan": [24] + [25] * 19, "nsgan": [20] * 20})
    assert (never.verdict, never.effect, never.n) == (NOT_REPRODUCED, 1, 40)
    assert more.effect == pytest.approx((19 * 10 + 8) / 20)  # half of 20 percentage points, and of 16 in one run


def test_a_grid_without_its_baseline_does_not_count():
    never, _ = decide([8] * 20, [8] * 20, {"wgan": [24] * 8})
    assert (never.verdict, never.n) == (REPRODUCED, 20)
