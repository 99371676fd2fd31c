"""Claim 17: the pairs against known distances, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.critic_distance import (
    ARMS,
    CLAIMS,
    OPTIMIZERS,
    PAIRS,
    RING,
    MovedRing,
    distance,
    mean_radius,
    pair_rows,
)
from ganbench.claims.experiment import row
from ganbench.claims.lab import objective
from ganbench.metrics.transport import exact_distance

(CLAIM,) = CLAIMS


def moved(theta, z):
    network = MovedRing(RING.centres())
    with torch.no_grad():
        network.theta.copy_(torch.tensor(theta))
        return network(z)


def test_nothing_moved_is_the_ring():
    z = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0))
    points = moved((0.0, 1.0, 8.0), z)
    away = torch.cdist(points, RING.centres())
    counts = torch.bincount(away.argmin(1), minlength=8)
    assert counts.min() > 4_700  # of 5,000, whose standard deviation is 66
    assert away.amin(1).square().mean().item() == pytest.approx(2 * RING.sigma**2, rel=0.03)


def test_points_are_scaled_then_shifted_and_dropped_modes_are_gone():
    z = torch.randn(1_000, 3, generator=torch.Generator().manual_seed(0))
    still = moved((0.0, 1.0, 8.0), z)
    torch.testing.assert_close(moved((0.5, 1.5, 8.0), z), 1.5 * still + torch.tensor([0.5, 0.0]))
    found = torch.cdist(moved((0.0, 1.0, 4.0), z), RING.centres()).argmin(1)
    assert set(found.tolist()) == {0, 1, 2, 3}


def test_the_extreme_latents_have_a_mode():
    z = torch.tensor([[-40.0, 0, 0], [40.0, 0, 0]])
    torch.testing.assert_close(moved((0.0, 1.0, 7.0), z), RING.centres()[[0, 6]])


@pytest.mark.parametrize("pair", PAIRS)
def test_the_distances_are_those_of_samples_with_equal_shares_of_all_modes(pair):
    shift, scale, kept = PAIRS[pair]
    n = 840  # which 8, 7, 6 and 4 divide
    blur = RING.sigma * np.random.default_rng(0).standard_normal((2, n, 2))
    centres = RING.centres().double().numpy()
    real = centres[np.arange(n) % 8] + blur[0]
    fake = scale * (centres[np.arange(n) % int(kept)] + blur[1]) + [shift, 0]
    assert exact_distance(fake, real) == pytest.approx(distance(PAIRS[pair]), rel=0.03, abs=0.005)


def test_the_mean_radius_is_that_of_its_expansion():
    assert mean_radius() == pytest.approx(2 + 0.02**2 / 4, abs=1e-7)  # R + sigma^2 / 2R


@pytest.mark.slow
def test_a_penalised_critic_of_few_steps_knows_far_from_near():
    chosen = objective("wgan-gp", optimizer=OPTIMIZERS["wgan-gp"])
    found = pd.DataFrame(pair_rows(chosen, "wgan-gp 10", (100, 101), steps=60))
    assert found["quantity"].value_counts().to_dict() == {"estimate": 20, "distance": 20}
    said = found[found["quantity"] == "estimate"].pivot(index="seed", columns="at", values="value").mean()
    names = list(PAIRS)
    assert said[names.index("shift 0.25")] < said[names.index("shift 1")] < said[names.index("shift 2")]
    assert said[names.index("shift 2")] == pytest.approx(2, abs=0.4)


TRUE = np.arange(1.0, 11.0)


def measured(wgan, penalised, n=6):
    said = {ARMS["wgan"]: wgan, ARMS["wgan-gp"]: penalised}
    rows = []
    for arm, estimates in said.items():
        for seed in range(n):
            for at, true in enumerate(TRUE):
                rows.append(row("estimate", estimates(true, seed), arm=arm, seed=seed, at=at))
                rows.append(row("distance", true, arm=arm, seed=seed, at=at))
    return pd.DataFrame(rows)


def findings(wgan, penalised, n=6):
    return CLAIM.decide(measured(wgan, penalised, n))


def test_a_multiple_is_linear_and_exact_and_an_offset_is_linear_only():
    found = findings(lambda w, seed: 0.01 * w, lambda w, seed: w + 100)
    assert [f.verdict for f in found] == [REPRODUCED, REPRODUCED, REPRODUCED, NOT_REPRODUCED]
    assert [f.effect for f in found[:3]] == pytest.approx([1, 0, 1])
    # scaled by the median of w / (w + 100): the mean of those of 5 and 6
    scale = (5 / 105 + 6 / 106) / 2
    errors = sorted(abs(scale * (w + 100) / w - 1) for w in TRUE)
    assert found[3].effect == pytest.approx((errors[4] + errors[5]) / 2)


def test_what_falls_with_the_distance_is_neither():
    found = findings(lambda w, seed: 11 - w, lambda w, seed: w)
    assert [f.verdict for f in found] == [NOT_REPRODUCED, NOT_REPRODUCED, REPRODUCED, REPRODUCED]
    assert found[0].effect == pytest.approx(-1)


def test_one_scale_serves_all_seeds_and_too_many_opinions_are_inconclusive():
    def divided(w, seed):
        return w * (1, 1.25)[seed % 2]

    found = findings(divided, divided, n=8)
    assert [f.verdict for f in found[:2]] == [REPRODUCED, REPRODUCED]  # one scale of .9: off by .1 and .125
    assert found[1].effect == pytest.approx(0.1125)
    wide = findings(lambda w, seed: w * (1, 1, 1, 2)[seed % 4], lambda w, seed: w, n=8)
    assert wide[1].verdict == INCONCLUSIVE  # six are right, two wrong by all


def test_few_seeds_and_lost_ones_decide_nothing():
    assert {f.verdict for f in findings(lambda w, seed: w, lambda w, seed: w, n=5)} == {INCONCLUSIVE}
    lost = findings(lambda w, seed: math.inf if seed < 2 else w, lambda w, seed: math.nan if seed < 1 else w, n=8)
    assert [f.verdict for f in lost] == [INCONCLUSIVE, INCONCLUSIVE, REPRODUCED, REPRODUCED]
