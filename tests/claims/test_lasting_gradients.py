"""Claims 10 to 13: critics on a line against closed forms, training, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from frozen_courses import gradients, rows, spread, verdicts
from scipy.stats import norm

from ganbench.claims import (
    lasting_gradients,
    vanishing_gradients,
)
from ganbench.claims import (
    lasting_gradients as two_gaussians,
)
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.frozen_generator import ADAM

GROWTH, STRENGTH = find_claims(["ns-grows-and-is-noisy", "ns-stronger-than-mm-early"])
CRITICS, NOISE = lasting_gradients.CLAIMS

# -- two Gaussians ---------------------------------------------------------------------------------------------------


def described(score):
    """The numbers of a critic that is a function of the place."""

    def at(places):
        x = places.double().requires_grad_()
        (slope,) = torch.autograd.grad(score(x).sum(), x)
        return score(x).detach().numpy(), slope.numpy()

    line, fake = torch.linspace(-4, 4, 801), two_gaussians.fake_places()
    return dict(two_gaussians._described(line, *at(line), *at(fake)))


def test_the_best_classifier_saturates_on_all_but_the_inner_tail_of_the_fake_mass():
    """Its score is log p − log q = 16 x, so dD/dx = 16 σ σ' < 1e-3 left of x = −log(16 000)/16 nearly exactly."""
    found = described(lambda x: 16 * x)
    edge = -math.log(16 / 1e-3) / 16
    assert found["saturated"] == pytest.approx(norm.cdf(edge, -2, 0.5), abs=1e-3)
    assert found["saturated_loss"] == pytest.approx(found["saturated"], abs=1e-3)
    assert (found["r2"], found["least_slope"], found["flat"]) == (pytest.approx(1), pytest.approx(1), 0)


def test_a_bent_critic_is_described_as_such():
    """|x|/2 on the left half, x on the right: half of the slope there, nothing flat."""
    found = described(lambda x: torch.where(x > 0, x, x / 2))
    assert found["least_slope"] == pytest.approx(0.5)
    assert found["flat"] == 0
    flat = described(lambda x: x.clamp(min=-2))
    assert flat["least_slope"] == 0
    assert flat["flat"] == pytest.approx(0.5, abs=1e-3)  # half of the fake mass lies left of −2
    x = np.linspace(-4, 4, 801)
    assert flat["r2"] == pytest.approx(np.corrcoef(x, np.maximum(x, -2))[0, 1] ** 2, abs=1e-5)


def test_a_critic_that_never_changes_has_no_fit():
    assert math.isnan(two_gaussians.fit(np.arange(3.0), np.ones(3)))


def test_real_and_fake_lie_where_the_protocol_says():
    samples = two_gaussians.REAL.draw((20000,), torch.Generator().manual_seed(0))
    assert samples.shape == (20000, 1)
    assert (samples.mean().item(), samples.std().item()) == (pytest.approx(2, abs=0.02), pytest.approx(0.5, abs=0.02))
    made = two_gaussians.FAKE.generator((1,))
    assert made(torch.tensor([[2.0]])).item() == 1.0
    fake = two_gaussians.fake_places()
    assert (fake.mean().item(), fake.std().item()) == (pytest.approx(-2), pytest.approx(0.5, abs=0.001))


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan-gp"])
def test_critics_of_all_three_objectives_are_measured(name, monkeypatch):
    monkeypatch.setattr(two_gaussians, "STEPS", 3)
    found = pd.DataFrame(two_gaussians.run(Profile("quick", (100, 101)), name))
    assert set(found["quantity"]) == {"r2", "least_slope", "flat", "saturated", "saturated_loss"}
    assert (found.groupby("quantity")["seed"].nunique() == 2).all()
    assert np.isfinite(found["value"]).all()
    assert two_gaussians.chosen(name).optimizer == ADAM


# -- training --------------------------------------------------------------------------------------------------------


def test_training_measures_every_seed_and_the_floor(monkeypatch):
    monkeypatch.setattr(vanishing_gradients, "EARLY", 1)
    monkeypatch.setattr(vanishing_gradients, "STEPS", 2)
    found = pd.DataFrame(vanishing_gradients.run(Profile("quick", (100, 101)), "ring-nsgan-sgd"))
    assert set(found["arm"]) == {"ring/nsgan/sgd"}
    distances = found[found["quantity"] == "sliced_w1"]
    assert list(zip(distances["at"], distances["seed"], strict=True)) == [(1, 100), (1, 101), (2, 100), (2, 101)]
    assert (distances["value"] > 0.5).all()  # hardly moved: all near the centre of a ring of radius 2
    assert 0 < found[found["quantity"] == "floor"]["value"].item() < 0.1


def test_the_quick_profile_trains_on_the_ring_alone():
    assert all(vanishing_gradients.run(Profile("quick", (100,)), part) == [] for part in vanishing_gradients.ONLY_FULL)
    assert set(vanishing_gradients.PARTS) - set(vanishing_gradients.ONLY_FULL) == {
        f"ring-{how}" for how in ("gan-sgd", "nsgan-sgd", "gan-adam", "nsgan-adam")
    }


# -- claims 10 and 11 ------------------------------------------------------------------------------------------------


def watched(norms, noises, n=8):
    found = []
    for name in vanishing_gradients.WATCHED:
        found += rows(f"{name}/nsgan", "grad_norm", *spread(norms, n))
        found += rows(f"{name}/nsgan", "grad_noise", *spread(noises, n))
    return pd.DataFrame(found)


@pytest.mark.parametrize(
    ("norm_end", "noise_end", "expected"),
    [
        (2, 1, [REPRODUCED, REPRODUCED]),
        (2, -1, [REPRODUCED, NOT_REPRODUCED]),
        (0.5, 1, [NOT_REPRODUCED, REPRODUCED]),
        (0.85, -0.15, [INCONCLUSIVE, INCONCLUSIVE]),  # at the end .04 k or .05 k on top: means of about 1 and 0
    ],
)
def test_claim_10_judges_growth_and_noise_apart(norm_end, noise_end, expected):
    table = watched((0, 0, 0, 0, norm_end, norm_end), (0, 0, 0, 0, noise_end, noise_end))
    assert verdicts(GROWTH, table) == expected * 6
    assert set(verdicts(GROWTH, watched((0,) * 4 + (9, 9), (0,) * 4 + (9, 9), n=5))) == {INCONCLUSIVE}


def strength(exponent, differences, n=8, also=()):
    found = []
    for name in vanishing_gradients.STRONGER:
        for arm, e in (("gan", 0), ("nsgan", exponent)):
            found += [
                row("grad_norm", 10.0 ** (e + 0.01 * k * (e != 0)), arm=f"{name}/{arm}", seed=k, at=at)
                for k in range(n)
                for at in vanishing_gradients.EARLY_UPDATES
            ]
    for place in ("ring", *also):
        for arm, how in ((o, how) for o in ("gan", "nsgan") for how in ("sgd", "adam")):
            distances = [
                1.0 + (differences[k % len(differences)] if (arm, how) == ("gan", "sgd") else 0) for k in range(n)
            ]
            found += [row("sliced_w1", d, arm=f"{place}/{arm}/{how}", seed=k, at=3000) for k, d in enumerate(distances)]
            found += [row("sliced_w1", 5.0, arm=f"{place}/{arm}/{how}", seed=k, at=150) for k in range(n)]
            found += [row("floor", 0.04, arm=f"{place}/{arm}/{how}")]
    return pd.DataFrame(found)


@pytest.mark.parametrize(
    ("exponent", "differences", "expected"),
    [
        (2, (0.5, 0.6), [REPRODUCED] * 4),
        (0.5, (-0.5, -0.6), [NOT_REPRODUCED] * 4),
        (0.97, (0.5, -0.5), [INCONCLUSIVE] * 4),
    ],
)
def test_claim_11_judges_ratios_and_training(exponent, differences, expected):
    assert verdicts(STRENGTH, strength(exponent, differences)) == expected


def test_training_is_averaged_over_datasets_and_adam_is_only_told():
    found = STRENGTH.decide(strength(2, (0.5, 0.7), also=("ring64",)))[-1]
    assert found.effect == pytest.approx(0.6)
    assert "Medians on ring64 after 150 and 3,000 steps: gan sgd 5 to 1.6, nsgan sgd 5 to 1, gan adam 5" in found.note


def test_a_run_that_is_lost_is_counted():
    table = strength(2, (0.5, 0.6), n=10)
    lost = (
        (table["arm"] == "ring/gan/sgd")
        & (table["quantity"] == "sliced_w1")
        & (table["seed"] < 3)
        & (table["at"] == 3000)
    )
    found = STRENGTH.decide(table.assign(value=table["value"].mask(lost)))[-1]
    assert found.verdict == INCONCLUSIVE
    assert "3 of 10 replications" in found.note


# -- claims 12 and 13 ------------------------------------------------------------------------------------------------

STEADY = [
    f"{case}/{name}" for case in ("ring-0", "ring64-0", "ring64-300", "ring64-900") for name in ("wgan", "wgan-gp")
]


def critics(r2, saturated, end, n=8):
    found = []
    for arm in ("gan", "wgan", "wgan-gp"):
        numbers = {"r2": r2, "saturated": saturated, "saturated_loss": 0.5, "least_slope": 0.5, "flat": 0.1}
        found += [row(q, v + 1e-3 * (k % 2), arm=arm, seed=k, at=3000) for q, v in numbers.items() for k in range(n)]
    for arm in STEADY:
        found += [
            row("grad_norm", 10.0 ** (e + 0.02 * k * (at == 400)), arm=arm, seed=k, at=at)
            for at, e in ((100, 1), (400, 1 + end))
            for k in range(n)
        ]
    minimax = {f"{arm.partition('/')[0]}/gan" for arm in STEADY}
    return pd.concat([pd.DataFrame(found), gradients(minimax, (0, 0, 0, -3, -4))])


@pytest.mark.parametrize(
    ("r2", "saturated", "end", "expected"),
    [
        (0.99, 0.99, 0, [REPRODUCED] * 10),
        (0.9, 0.5, -1.5, [NOT_REPRODUCED] * 10),
        (0.99, 0.99, 1, [REPRODUCED] * 2 + [NOT_REPRODUCED] * 8),
        (0.9495, 0.8995, 0.63, [INCONCLUSIVE] * 10),
    ],
)
def test_claim_12_says_each_verdict(r2, saturated, end, expected):
    found = CRITICS.decide(critics(r2, saturated, end))
    assert [finding.verdict for finding in found] == expected
    assert "Minimax from 100 to 500 updates: mean -2.93" in found[2].note  # −3 + .02 k, k from 0 to 7


def noised(kept, scatter, n=8):
    """Drops of 3 without noise and of 3 - kept with it; of every other seed without noise more or less by scatter."""
    found = []
    for age in (0, 300, 900):
        plain = [(1.0,) * 5 + (10.0 ** (-3 - scatter * (-1) ** k),) for k in range(n)]
        quiet = [(1.0,) * 5 + (10.0 ** (-3 + kept),)] * n
        found += rows(f"ring64-{age}/gan", "grad_norm", *plain)
        found += rows(f"ring64-{age}/noisegan[sigma=0.5]", "grad_norm", *quiet)
    return pd.DataFrame(found)


@pytest.mark.parametrize(
    ("kept", "scatter", "expected"), [(2, 0.1, REPRODUCED), (0, 0.1, NOT_REPRODUCED), (1.1, 0.5, INCONCLUSIVE)]
)
def test_claim_13_judges_the_trained_generators(kept, scatter, expected):
    found = NOISE.decide(noised(kept, scatter))
    assert [finding.verdict for finding in found] == [expected] * 2
    assert [finding.effect for finding in found] == [pytest.approx(kept)] * 2
    assert f"Mean drops on ring64-0: none 3.0, sigma 0.5 {3 - kept:.1f}" in found[0].note
    assert {finding.verdict for finding in NOISE.decide(noised(2, 0.1, n=5))} == {INCONCLUSIVE}


def test_thresholds_of_the_four_claims_are_those_of_the_catalogue():
    assert [(r.above, r.below) for r in GROWTH.rules] == [(1, math.inf), (0, math.inf)] * 6
    assert [r.above for r in STRENGTH.rules] == [1, 1, 1, 0]
    assert [(r.above, r.below) for r in CRITICS.rules] == [(0.95, math.inf), (0.9, math.inf)] + [(-0.7, 0.7)] * 8
    assert [r.above for r in NOISE.rules] == [1, 1]
    assert {r.least_seeds for c in (GROWTH, STRENGTH, CRITICS, NOISE) for r in c.rules} == {6}
