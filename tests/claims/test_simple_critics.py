"""Claim 24: the frozen generator, what is measured on critics that are known, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import row
from ganbench.claims.lab import population
from ganbench.claims.simple_critics import (
    ARMS,
    CLAIMS,
    DATA,
    PARTS,
    Noised,
    about_scores,
    about_weights,
    critics,
    distance,
    noised,
)

(CLAIM,) = CLAIMS


@pytest.mark.parametrize("data", DATA)
def test_the_generator_adds_a_unit_normal_to_the_data(data):
    """Second moments add: E|fake|² = E|real|² + 2, within four standard errors; and so do those about the centres."""
    n, rng = 40_000, torch.Generator().manual_seed(7)
    fake = noised(data)(torch.randn(n, 3, generator=rng)).detach()
    real = population(DATA[data]).draw((n,), rng)
    squares = [x.square().sum(1) for x in (fake, real)]
    error = math.sqrt(sum(float(s.var()) / n for s in squares))
    assert float(squares[0].mean() - squares[1].mean()) == pytest.approx(2, abs=4 * error)
    assert fake.mean(0).abs().max() < 4 * float(fake.std()) / math.sqrt(n)


def test_all_modes_are_equally_likely():
    centres = 100 * torch.arange(8.0)[:, None].expand(8, 2)
    points = Noised(centres, 0.02)(torch.randn(8000, 3, generator=torch.Generator().manual_seed(3))).detach()
    counts = np.bincount((points[:, 0] / 100).round().long().numpy(), minlength=8)
    assert np.abs(counts - 1000).max() < 4 * math.sqrt(1000)


def test_weights_at_the_bound_are_counted_and_two_values_have_the_least_kurtosis():
    """Half at ±c, half at 0 in the biases; entries of ±c in equal numbers have excess kurtosis 1 − 3."""
    c = 0.01
    weights = {"a.weight": torch.tensor([[c, -c], [c, -c]]), "a.bias": torch.zeros(4)}
    assert about_weights(weights, c) == {"at_bound": 0.5, "kurtosis": pytest.approx(-2)}
    assert about_weights(weights, math.inf)["at_bound"] == 0


def test_a_linear_score_has_its_slope_everywhere_and_sees_the_shift_of_means():
    """f(x) = k x: the gap is k times the difference of the sample means, the largest slope is k."""
    from ganbench.claims.simple_critics import _points

    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.k = torch.nn.Parameter(torch.tensor(1.0))

        def forward(self, x):
            return self.k * x[:, 0]

    class Stub:
        critic = type("Player", (), {"network": Linear()})

    real, fake, _ = _points("ring", 100)
    found = about_scores(Stub, {"k": torch.tensor(5.0)}, "ring", 100, w1=0.5)
    assert found["ratio"] == pytest.approx(float(real[:, 0].mean() - fake[:, 0].mean()) / 0.5, rel=1e-3)
    assert found["slope_spread"] == pytest.approx(0, abs=1e-6)


def test_w1_is_between_the_difference_of_norms_and_the_size_of_the_noise():
    """W1 ≤ E|ε| = √(π/2) = 1.25 plus the error of samples, and ≥ any 1-Lipschitz gap, as that of |x|."""
    assert 0.5 < distance("ring") < math.sqrt(math.pi / 2) + 0.1
    assert distance("ring") == distance("ring")


def test_a_short_run_keeps_the_bound_and_leaves_the_generator_alone():
    trained = critics("ring", "wgan", (100, 101), updates=2)
    clip = ARMS["wgan"]["clip"]
    assert all(w.abs().max() <= clip for w in trained.critic.weights.values())
    assert (trained.generator.weights["still"] == 0).all()
    assert set(PARTS) == {f"{data}-{arm}" for data in DATA for arm in ARMS}


def measured(at_bound=0.9, kurtosis=(-1.9, 5.0), ratio=(0.2, 0.7), n=8):
    rows = []
    for data in DATA:
        for k, arm in enumerate(("wgan", "wgan-gp")):
            numbers = {"at_bound": (at_bound, 0)[k], "kurtosis": kurtosis[k], "ratio": ratio[k], "slope_spread": 0.1}
            sign = (1, -1)[k]
            rows += [
                row(q, x + sign * 0.01 * s, arm=f"{arm}, {data}", seed=s) for q, x in numbers.items() for s in range(n)
            ]
    return pd.DataFrame(rows)


def test_the_papers_picture_is_reproduced():
    found = CLAIM.decide(measured())
    assert [f.rule for f in found] == list(CLAIM.rules)
    assert [f.verdict for f in found] == [REPRODUCED] * 6
    assert found[0].effect == pytest.approx(0.9 + 0.035)
    assert found[1].effect == pytest.approx(6.9 - 0.07)
    assert found[2].effect == pytest.approx(0.5 - 0.07)


def test_the_opposite_picture_is_not_and_what_is_near_is_undecided():
    assert [f.verdict for f in CLAIM.decide(measured(0.1, (5, -2), (0.7, 0.6)))] == [NOT_REPRODUCED] * 6
    assert [f.verdict for f in CLAIM.decide(measured(0.465, (0, 0.07), (0.2, 0.47)))] == [INCONCLUSIVE] * 6
    assert [f.verdict for f in CLAIM.decide(measured(n=5))] == [INCONCLUSIVE] * 6
