"""Claim 30: the search, the ratio of ranges on tables that can be computed by hand, and every verdict of the rule."""

import math

import numpy as np
import pandas as pd
import pytest

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.tuning import CLAIMS, OBJECTIVES, by_seed, candidates, measure, run, shrinkage

(CLAIM,) = CLAIMS
QUICK = ("nsgan", "lsgan", "hinge", "wgan")


def measured(default, tuned, n=10, scatter=0.05):
    """Every objective at its mean, the seeds spread around it, the same for all."""
    return pd.DataFrame(
        row("log_w1", mean + scatter * (seed - (n - 1) / 2), arm=f"{name}/{how}", seed=seed)
        for how, means in (("default", default), ("tuned", tuned))
        for name, mean in zip(QUICK, means, strict=True)
        for seed in range(n)
    )


def decided(*args, **settings):
    (finding,) = CLAIM.decide(measured(*args, **settings))
    return finding


def test_the_ratio_of_ranges_of_a_table_that_can_be_done_by_hand():
    """Means of two seeds: default 1 and 3, tuned 2 and 2.5: .5 over 2."""
    table = np.array([[[0.0, 2.0], [1.0, 2.0]], [[2.0, 4.0], [3.0, 3.0]]])
    assert float(shrinkage(table)) == pytest.approx(0.25)
    assert shrinkage(np.stack([table, table])).tolist() == pytest.approx([0.25, 0.25])


def test_seeds_stay_together():
    table = by_seed(measured((0.0, 1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0)))
    assert table.shape == (10, 2, 4)
    assert np.ptp(table[7], axis=1).tolist() == pytest.approx([3, 1])


def test_every_verdict():
    smaller = decided((0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 0.5, 0.6))
    assert (smaller.verdict, smaller.effect, smaller.n) == (REPRODUCED, pytest.approx(0.2), 10)
    assert "default 3.00, tuned 0.60" in smaller.note
    assert decided((0.0, 1.0, 2.0, 3.0), (0.0, 1.0, 2.0, 2.9)).verdict == NOT_REPRODUCED
    few = decided((0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 0.5, 0.6), n=5)
    assert few.verdict == INCONCLUSIVE
    assert "needs 6 seeds" in few.note


def test_where_seeds_scatter_nothing_is_decided():
    table = measured((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.6))
    rng = np.random.default_rng(0)
    (finding,) = CLAIM.decide(table.assign(value=table["value"] + rng.normal(0, 1, len(table))))
    assert finding.verdict == INCONCLUSIVE


def test_a_seed_that_diverged_leaves_no_range():
    table = measured((0.0, 1.0, 2.0, 3.0), (0.0, 0.5, 0.5, 0.6))
    table.loc[3, "value"] = math.inf
    (finding,) = CLAIM.decide(table)
    assert finding.verdict == INCONCLUSIVE
    assert "1 of 10 seeds diverged" in finding.note


def test_candidates_share_their_learning_rates_and_begin_with_the_default():
    made = {name: candidates(name, 5) for name in OBJECTIVES}
    for name, found in made.items():
        assert found[0] == type(found[0])()
        assert [c.optimizer.lr for c in found[1:]] == [c.optimizer.lr for c in made["nsgan"][1:]]
        assert all(10**-4.5 <= c.optimizer.lr <= 10**-2 for c in found[1:])
        assert {c.optimizer.name for c in found[1:]} == {"rmsprop" if name == "wgan" else "adam"}
    assert all(10**-2.5 <= c.clip <= 10**-0.5 for c in made["wgan"][1:])
    assert len({c.clip for c in made["wgan"]}) == 5


def test_the_best_of_the_search_is_trained_on_other_seeds(monkeypatch):
    from ganbench.claims import tuning

    trained = []

    def distances(chosen, seeds, steps):
        trained.append((chosen, tuple(seeds)))
        return [abs(math.log10(chosen.optimizer.lr) + 3)] * len(seeds)  # a rate of 1e-3 is best

    monkeypatch.setattr(tuning, "distances", distances)
    found = pd.DataFrame(measure("nsgan", (0, 1), (1000, 1001), 4, 7))
    scores = found[found["quantity"] == "searched"]["value"]
    assert [seeds for _, seeds in trained] == [(1000, 1001)] * 4 + [(0, 1)] * 2
    assert trained[4][0] == candidates("nsgan", 4)[0]
    assert trained[5][0] == candidates("nsgan", 4)[int(scores.argmin())]
    tuned = found[found["arm"] == "nsgan/tuned"]["value"]
    assert tuned.tolist() == [scores.min()] * 2


def test_distances_are_finite_and_the_full_profile_alone_has_the_penalty():
    found = pd.DataFrame(measure("lsgan", (0, 1), (1000,), 2, 3))
    assert np.isfinite(found["value"]).all()
    assert len(found) == 2 + 2 * 2
    assert run(Profile("quick"), "wgan-gp") == []
