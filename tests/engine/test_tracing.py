"""Replaying a recorded pass: the same numbers to the bit, and nothing is recorded that Python must see."""

import warnings
from dataclasses import dataclass

import pytest
import torch
from ganbench_objectives import ganbench_objectives
from ganbench_objectives.gan import Minimax
from ganbench_objectives.wgan import WassersteinClip
from ganbench_objectives.wgan_gp import WassersteinPenalty
from refusals import remarked
from tiers import spread
from toys import counting, make_cohort, readings_of

from ganbench.datasets.digits import Digits
from ganbench.datasets.synthetic import Ring
from ganbench.engine import tracing
from ganbench.engine.tracing import TracedFunction, traced
from ganbench.networks import Dcgan, DcganPlain, Mlp

OBJECTIVES = [cls() for cls in ganbench_objectives()]


def both_ways(monkeypatch, objective, **config):
    """The same run twice: recorded from the third call on, and never."""
    runs = []
    for calls in (2, 10**9):
        monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", calls)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what cannot be traced is a warning
            cohort = make_cohort(objective, **config)
            runs.append((readings_of(cohort), cohort))
    return runs


def assert_same(recorded, plain):
    (readings, cohort), (expected, other) = recorded, plain
    assert all(isinstance(p, TracedFunction) for p in cohort.traced.values())
    assert all(p.made for p in cohort.traced.values())
    assert not any(p.made for p in other.traced.values())
    assert torch.equal(readings, expected)
    assert torch.equal(cohort.generator.flat, other.generator.flat)
    assert torch.equal(cohort.critic.flat, other.critic.flat)
    for name, value in cohort.state.items():
        assert torch.equal(value, other.state[name])


@pytest.mark.parametrize(
    "objective", spread(OBJECTIVES, quick=("gan",), slow=("noisegan", "wgan-gp", "lecam", "historical-averaging"))
)
def test_every_objective_of_ours_has_the_same_numbers_recorded(monkeypatch, objective):
    assert objective.traceable
    assert_same(*both_ways(monkeypatch, objective, population=Ring().load(None), architecture=Mlp(), steps=8))


PAIRS = [(o, a) for a in (Dcgan(), DcganPlain()) for o in (Minimax(), WassersteinClip(), WassersteinPenalty())]


@pytest.mark.parametrize(
    "pair", spread(PAIRS, slow=("gan-dcgan", "wgan-gp-dcgan-plain"), name=lambda pair: f"{pair[0].name}-{pair[1].name}")
)
def test_images_have_the_same_numbers_recorded(monkeypatch, pair):
    objective, architecture = pair
    assert_same(*both_ways(monkeypatch, objective, population=Digits().load(None), architecture=architecture, steps=5))


@pytest.mark.slow
def test_a_seed_alone_has_the_numbers_it_has_in_company_recorded(monkeypatch):
    monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)
    alone, among = (readings_of(make_cohort(WassersteinClip(), seeds)) for seeds in ((3,), tuple(range(5))))
    assert torch.equal(alone[:, 0], among[:, 3])


def test_schedules_and_draws_go_on_in_a_recording(monkeypatch):
    """The clock and the random numbers are what a recording is given, not what it holds."""

    @dataclass(frozen=True)
    class Scheduled(Minimax):
        def critic_loss(self, critic, real, fake, draw):
            return (
                super().critic_loss(critic, real, fake, draw) * draw.step + draw.progress * draw.normal_like(fake).sum()
            )

    assert_same(*both_ways(monkeypatch, Scheduled(), steps=12))


def test_a_loss_that_promises_nothing_is_never_recorded(monkeypatch):
    monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)
    calls = []
    cohort = make_cohort(counting(calls), steps=20)
    before = len(calls)
    readings_of(cohort)
    assert len(calls) - before == 20
    assert cohort.traced == {}


@pytest.mark.slow
def test_a_branch_on_a_value_is_not_recorded_but_said(monkeypatch):
    monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)

    @dataclass(frozen=True)
    class Branching(Minimax):
        def critic_loss(self, critic, real, fake, draw):
            return super().critic_loss(critic, real, fake, draw) * (2 if draw.step > 10 else 1)

    cohort = make_cohort(Branching(), steps=20)
    with remarked(subject="gan: critic_gradient", code="not-traced"):
        recorded = readings_of(cohort)
    plain = readings_of(make_cohort(Minimax(), steps=20))
    assert torch.equal(recorded[:10], plain[:10])
    torch.testing.assert_close(recorded[10, :, 0], 2 * plain[10, :, 0])


def test_every_set_of_shapes_has_a_recording_of_its_own(monkeypatch):
    monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)
    double = traced(lambda x: x.reshape(-1) * 2, "double")
    for n in (3, 5, 3, 5, 3, 5, 3, 5):
        assert double(torch.ones(n, 2)).tolist() == [2.0] * (2 * n)
    assert len(double.made) == 2
