"""Claim 14: training against its closed forms, and every verdict of both rules."""

import math

import pandas as pd
import pytest
import torch

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.fixed_generators import standard_normal
from ganbench.claims.lab import cohort, objective, weight_course
from ganbench.claims.noise import ARMS, OPTIMIZER, SCALED_NORMAL, START, Noised, measure
from ganbench.interfaces.draw import ReplayingDraw

(CLAIM,) = find_claims(["noise-on-reals-only-is-biased"])
INNER = objective("nsgan")


class Line:
    """A critic that scores a sample by its sum."""

    weights = {}  # noqa: RUF012

    def __call__(self, x):
        return x.sum(1)


@pytest.mark.parametrize("fakes", [True, False])
def test_noise_goes_where_it_is_wanted(fakes):
    real, fake, noise, more = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    draw = ReplayingDraw(torch.ones(()), torch.zeros(()), numbers=[noise, more])
    noised = Noised(inner=INNER, sigma=0.5, fakes=fakes)
    expected = INNER.critic_loss(Line(), real + noise / 2, fake + more / 2 if fakes else fake, None)
    assert noised.critic_loss(Line(), real, fake, draw) == expected
    assert draw.used == (2 if fakes else 1)


def test_the_generators_gradient_flows_through_its_noised_samples():
    fake = torch.zeros(3, 2, requires_grad=True)
    draw = ReplayingDraw(torch.ones(()), torch.zeros(()), numbers=[torch.ones(3, 2), torch.ones(3, 2)])
    Noised(inner=INNER, sigma=0.5).generator_loss(Line(), fake.detach(), fake, draw).backward()
    assert fake.grad == pytest.approx(torch.full((3, 2), -1 / (1 + math.e) / 3), rel=1e-5)  # -sigma(-(.5 + .5)) / 3


def test_the_scale_is_that_of_the_samples():
    chosen = Noised(inner=objective("nsgan-r1", gamma=0.1), optimizer=OPTIMIZER)
    trained = cohort(standard_normal(2), SCALED_NORMAL, chosen, (100, 101), 3, 16)
    course = weight_course(trained, "scale")
    assert course.shape == (3, 2)
    assert course[0] == pytest.approx([START, START], abs=2e-3)  # Adam's first step is its rate
    z = torch.eye(2).expand(2, -1, -1)
    across = trained.sample(z)[:, 0, 0] - trained.sample(z)[:, 1, 0]
    assert across.abs().double().numpy() == pytest.approx(abs(course[-1]), rel=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_the_measurements_are_means_of_thirds(arm, monkeypatch):
    import numpy as np

    from ganbench.claims import noise as module

    course = np.array([[9.0], [2.0], [-4.0], [1.0], [3.0], [-2.0], [4.0]])  # a scale has no sign
    monkeypatch.setattr(module, "weight_course", lambda trained, name: course)
    trained = type("Trained", (), {"seeds": (100,)})()
    found = {r["quantity"]: r["value"] for r in measure(trained, arm)}
    assert found == {"scale": 3.0, "earlier": 2.0}


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        pytest.param("both", 1.0, marks=pytest.mark.soak),
        pytest.param("reals", math.sqrt(1.25), marks=pytest.mark.slow),
    ],
)
def test_each_arm_learns_the_scale_of_its_equilibrium(arm, wanted):
    from ganbench.claims.noise import run_noised_training

    table = pd.DataFrame(run_noised_training(Profile("quick", (100, 101)), arm))
    assert table[table["quantity"] == "scale"]["value"].mean() == pytest.approx(wanted, abs=0.04)


def measured(both, reals):
    scales = {"both": both, "reals": reals}
    rows = [
        row(q, x, arm=a, seed=k) for a, xs in scales.items() for k, x in enumerate(xs) for q in ("scale", "earlier")
    ]
    return pd.DataFrame(rows)


def verdicts(both, reals):
    return [finding.verdict for finding in CLAIM.decide(measured(both, reals))]


def test_every_verdict():
    assert verdicts([0.99, 1.01] * 3, [1.11, 1.13] * 3) == [REPRODUCED, REPRODUCED]
    assert verdicts([1.11, 1.13] * 3, [0.99, 1.01] * 3) == [NOT_REPRODUCED, NOT_REPRODUCED]
    assert verdicts([0.9, 1.1] * 3, [1.0, 1.2] * 3) == [INCONCLUSIVE, INCONCLUSIVE]
    assert verdicts([0.99, 1.01] * 2, [1.11, 1.13] * 2) == [INCONCLUSIVE, INCONCLUSIVE]


def test_the_effect_is_the_mean_scale():
    both, reals = CLAIM.decide(measured([0.9, 1.0, 1.1] * 2, [1.1, 1.2] * 3))
    assert (both.effect, reals.effect) == (pytest.approx(1.0), pytest.approx(1.15))
