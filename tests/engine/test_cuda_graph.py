"""A captured step gives the numbers of the step itself; what capturing would get wrong is noticed."""

import warnings
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import tape
import torch
from ganbench_objectives import ganbench_objectives
from ganbench_objectives.gan import Minimax
from ganbench_objectives.historical_averaging import HistoricalAveraging
from ganbench_objectives.wgan import WassersteinClip
from ganbench_objectives.wgan_gp import WassersteinPenalty
from refusals import remarked
from tiers import spread
from toys import Gaussian, Tiny, make_cohort, readings_of

from ganbench.datasets.digits import Digits
from ganbench.engine.cohort import Cohort, TrainingConfig, restore, snapshot
from ganbench.engine.cuda_graph import WARM_UPS, capture_for, captured, cuda_graph
from ganbench.engine.loop import train
from ganbench.engine.tracing import TracedFunction
from ganbench.networks import Dcgan

OBJECTIVES = [cls() for cls in ganbench_objectives()]


def captured_cohort(objective, seeds=(0, 1, 2), steps=20, **changes):
    config = {"population": Gaussian(), "architecture": Tiny(), "batch_size": 16}
    return Cohort(
        TrainingConfig(**{**config, "objective": objective, "steps": steps, **changes}), seeds, capture=tape.record
    )


def assert_same(one, other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what cannot be captured is a warning
        assert torch.equal(readings_of(one), readings_of(other))
    assert isinstance(one.step, TracedFunction)
    assert any(one.step.made.values())
    assert torch.equal(one.generator.flat, other.generator.flat)
    assert torch.equal(one.critic.flat, other.critic.flat)
    for name, value in one.state.items():
        assert torch.equal(value, other.state[name])


@pytest.mark.parametrize(
    "objective", spread(OBJECTIVES, quick=("gan",), slow=("noisegan", "wgan-gp", "lecam", "historical-averaging"))
)
def test_every_objective_of_ours_has_the_same_numbers_captured_cohort(objective):
    assert_same(captured_cohort(objective), make_cohort(objective))


@pytest.mark.parametrize("objective", spread([Minimax(), WassersteinClip(), WassersteinPenalty()], slow=("wgan-gp",)))
def test_captured_and_eager_agree_after_100_steps_in_float64(objective):
    assert_same(*(make(objective, steps=100, dtype=torch.float64) for make in (captured_cohort, make_cohort)))


@pytest.mark.slow
def test_images_have_the_same_numbers_captured():
    images = {"population": Digits().load(None), "architecture": Dcgan(), "steps": 6}
    assert_same(captured_cohort(WassersteinClip(), **images), make_cohort(WassersteinClip(), **images))


@pytest.mark.slow
def test_a_captured_seed_alone_has_the_numbers_it_has_in_company():
    among, alone = (readings_of(captured_cohort(WassersteinClip(), seeds, steps=70)) for seeds in ((0, 1, 2, 3), (3,)))
    assert torch.equal(among[:, 3:], alone)


@pytest.mark.slow
def test_another_number_of_critic_updates_is_another_graph():
    @dataclass(frozen=True)
    class Eager(WassersteinClip):
        def critic_steps(self, step):
            return 9 if step <= 6 or step == 12 else 2

    one, other = captured_cohort(Eager(), steps=16), make_cohort(Eager(), steps=16)
    assert_same(one, other)
    assert len(one.step.made) == 2


@pytest.mark.slow
def test_a_captured_run_goes_on_from_a_snapshot():
    whole, first, second = (captured_cohort(HistoricalAveraging(), steps=130) for _ in range(3))
    expected = readings_of(whole)
    running = train(first, set())
    chunk = next(running)
    restore(second, snapshot(first), first.seeds)
    rest = [s.readings for s in train(second, set(), chunk)]
    assert torch.equal(torch.cat([torch.from_numpy(r) for r in rest]), expected[64:])


def test_critic_updates_of_a_probe_are_captured_too():
    one, other = captured_cohort(WassersteinClip()), make_cohort(WassersteinClip())
    rows = [[c.update_critic(batch, c.clock(0)) for batch in c.sampler.critic(0, 0)[:12]] for c in (one, other)]
    assert torch.equal(*(torch.stack(row) for row in rows))
    assert any(one.update_critic.made.values())


@dataclass(frozen=True)
class Frozen(Minimax):
    """A counter in Python, against the promise that ``traceable`` is."""

    calls: list = field(default_factory=list)

    def critic_loss(self, critic, real, fake, draw):
        self.calls.append(1)
        return super().critic_loss(critic, real, fake, draw) * (1 + 0.1 * len(self.calls))


def test_the_stand_in_for_a_graph_shows_what_a_graph_would_get_wrong():
    """Python that a capture freezes gives other numbers: without this, the tests above could not fail."""
    one, other = captured_cohort(Frozen()), make_cohort(Frozen())
    a, b = readings_of(one), readings_of(other)
    assert torch.equal(a[:WARM_UPS], b[:WARM_UPS])
    assert not torch.allclose(a[WARM_UPS + 2 :], b[WARM_UPS + 2 :])


def test_a_tensor_that_is_put_in_anothers_place_is_not_seen():
    class Holder:
        state = torch.zeros(2)

        def step(self, x):
            self.state = self.state + x  # not in place
            return self.state.clone()

    holder = Holder()
    step = captured(holder.step, "a step", tape.record)
    found = [step(torch.ones(2))[0].item() for _ in range(6)]
    assert found == [1.0, 2.0, 3.0, 4.0, 4.0, 4.0]


def test_a_loss_that_waits_for_a_value_is_not_captured_but_said():
    @dataclass(frozen=True)
    class Waiting(Minimax):
        def generator_loss(self, critic, real, fake, draw):
            return super().generator_loss(critic, real, fake, draw) * (2 if draw.step > 10 else 1)

    with remarked(subject="gan: a step", code="not-captured"):
        found = readings_of(captured_cohort(Waiting()))
    assert torch.equal(found, readings_of(make_cohort(Waiting())))


def test_a_loss_that_promises_nothing_is_not_captured():
    @dataclass(frozen=True)
    class Counting(Frozen):
        traceable: ClassVar[bool] = False

    one = captured_cohort(Counting())
    assert not isinstance(one.step, TracedFunction)
    assert torch.equal(readings_of(one), readings_of(make_cohort(Counting())))


def test_graphs_are_of_cuda_alone():
    assert capture_for(torch.device("cpu")) is None
    assert capture_for(torch.device("mps")) is None
    assert capture_for(torch.device("cuda")) is cuda_graph


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_a_graph_has_the_numbers_of_the_eager_step_on_cuda(objective):
    cohorts: list[Cohort] = [make_cohort(objective, device=torch.device("cuda")) for _ in range(2)]
    cohorts[1].step = cohorts[1]._step
    assert_same(*cohorts)
