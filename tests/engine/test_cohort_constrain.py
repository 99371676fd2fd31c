"""The constraint of an objective: the clock and the state reach it, in every way that the engine runs it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from ganbench_objectives.wgan import WassersteinClip
from refusals import refused
from toys import make_cohort, readings_of

from ganbench import Optimizer
from ganbench.engine import cohort as engine
from ganbench.engine import tracing
from ganbench.engine.loop import train
from ganbench.errors import ObjectiveError
from ganbench.interfaces.objective import Objective, constraint_of
from ganbench.testing.toys import objective_field

STEPS, CLIP = 5, 0.5


@dataclass(frozen=True)
class Decayed(WassersteinClip):
    """The clip falls linearly with the clock, and halves with the state after every generator update."""

    traceable: ClassVar[bool] = True
    optimizer: Optimizer = Optimizer("sgd", lr=100.0)  # so that weights reach the bound at once
    clip: float = CLIP

    def constrain(self, weights, draw):
        clip = self.clip * (1 - draw.progress) * draw.state["share"]
        return {name: torch.maximum(torch.minimum(w, clip), -clip) for name, w in weights.items()}

    def init_state(self, critic, draw):
        return {"share": next(iter(critic.weights.values())).new_ones(())}

    def update_state(self, critic, real, fake, draw):
        return {"share": draw.state["share"] / 2}


@dataclass(frozen=True)
class Untraced(Decayed):
    """It may not be recorded."""

    traceable: ClassVar[bool] = False


@dataclass(frozen=True)
class SeedBySeed(Decayed):
    """It may not be vectorised."""

    vectorised: ClassVar[bool] = False


def bounds_of(objective, seeds):
    """Largest weight of each critic after every step, (steps, seeds), all readings, and what was recorded."""
    cohort, found, readings = make_cohort(objective, seeds, steps=STEPS), [], []
    for chunk in train(cohort, set(range(1, STEPS + 1))):
        found.append(cohort.critic.flat.abs().amax(dim=1)[: len(seeds)].numpy())
        readings.append(chunk.readings)
    return np.array(found), np.concatenate(readings), [n for n, p in cohort.traced.items() if p.made]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["alone", "together"])
@pytest.mark.parametrize("cls", [Decayed, Untraced, SeedBySeed])
def test_a_decayed_clip_has_the_value_of_the_clock_and_the_state(monkeypatch, cls, seeds):
    monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)
    found, _, recorded = bounds_of(cls(), seeds)
    assert ("constrain" in recorded) == (cls is Decayed)
    by_hand = [0.5 * 0.8, 0.5 * 0.6 / 2, 0.5 * 0.4 / 4, 0.5 * 0.2 / 8, 0.0]
    assert found == pytest.approx(np.tile(np.array(by_hand)[:, None], len(seeds)), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["recorded", "seed by seed", "large"])
def test_a_decayed_clip_has_the_same_numbers_however_it_runs(monkeypatch, change):
    expected, readings, _ = bounds_of(Decayed(), (0, 1, 2))
    if change == "recorded":
        monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", 2)
    if change == "large":
        monkeypatch.setattr(engine, "SEQUENTIAL_FLOPS", 1.0)
    found, others, _ = bounds_of(SeedBySeed() if change == "seed by seed" else Decayed(), (0, 1, 2))
    assert np.array_equal(found, expected)
    if change == "recorded":
        assert np.array_equal(others, readings)


@dataclass(frozen=True)
class WeightsAlone(WassersteinClip):
    """With a second argument of its own."""

    def constrain(self, weights, scale=2.0):
        return {name: w.clamp(-scale * self.clip, scale * self.clip) for name, w in weights.items()}


@dataclass(frozen=True)
class OnTop(WassersteinClip):
    """The new form, on top of the old one's."""

    def constrain(self, weights, draw):
        return {name: w * draw.step for name, w in super().constrain(weights).items()}


@pytest.mark.parametrize(("cls", "bound"), [(WassersteinClip, 0.01), (WeightsAlone, 0.02), (OnTop, 0.03)])
def test_the_form_with_the_weights_alone_keeps_working(cls, bound):
    cohort = make_cohort(cls(optimizer=Optimizer("sgd", lr=100.0)), steps=3)
    assert readings_of(cohort).isfinite().all()
    assert cohort.critic.flat.abs().max().item() == pytest.approx(bound)


def test_an_objective_without_a_constraint_has_none():
    assert constraint_of(Objective()) is None


@dataclass(frozen=True)
class Random(WassersteinClip):
    """A constraint that draws."""

    def constrain(self, weights, draw):
        return {name: w + draw.normal_like(w) for name, w in weights.items()}


def test_a_constraint_that_draws_is_refused():
    with refused(ObjectiveError, subject="constrain", code="no-draws"):
        make_cohort(Random())


def test_the_constraint_of_the_dirac_gan_is_that_of_the_first_step():
    @dataclass(frozen=True)
    class First(WassersteinClip):
        def constrain(self, weights, draw):
            return {name: w.clamp(-1, 1) * draw.step * (1 - draw.progress) for name, w in weights.items()}

    assert objective_field(First()).project(np.array([-3.0, 0.5, 3.0])).tolist() == [-1.0, 0.5, 1.0]
