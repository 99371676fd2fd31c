"""Seeds that take turns, as one seed's passes fill the processor: the same numbers, in any company, and recorded."""

import warnings

import pytest
import torch
from ganbench_objectives import ganbench_objectives
from ganbench_objectives.gan import Minimax
from ganbench_objectives.historical_averaging import HistoricalAveraging
from ganbench_objectives.wgan import WassersteinClip
from ganbench_objectives.wgan_gp import WassersteinPenalty
from tiers import spread
from toys import Gaussian, counting, make_cohort, readings_of

from ganbench.engine import cohort as engine
from ganbench.engine import tracing
from ganbench.engine.functional import flops, select_seed
from ganbench.networks import Dcgan, Mlp, Upconv

OBJECTIVES = [cls() for cls in ganbench_objectives()]


class Noise(Gaussian):
    """Grey images of 28 pixels."""

    sample_shape = (1, 28, 28)
    fingerprint = "noise"

    def draw(self, shape, rng):
        return torch.rand(*shape, *self.sample_shape, generator=rng) * 2 - 1


IMAGES = {"population": Noise(), "architecture": Dcgan(), "batch_size": 64}


@pytest.fixture
def turns(monkeypatch):
    """Everything is large enough."""
    monkeypatch.setattr(engine, "SEQUENTIAL_FLOPS", 1.0)


def vectorised(monkeypatch, objective, *args, **config):
    """The same without turns."""
    with monkeypatch.context() as patch:
        patch.setattr(engine, "SEQUENTIAL_FLOPS", 1e99)
        return make_cohort(objective, *args, **config)


@pytest.mark.parametrize("objective", spread(OBJECTIVES, slow=("gan", "noisegan", "wgan-gp", "lecam")))
def test_seeds_in_turn_have_the_numbers_of_seeds_together(monkeypatch, turns, objective):
    together = vectorised(monkeypatch, objective, steps=40, dtype=torch.float64)
    in_turn = make_cohort(objective, steps=40, dtype=torch.float64)
    assert (in_turn.loops, together.loops) == (True, not objective.vectorised)
    torch.testing.assert_close(readings_of(in_turn), readings_of(together), rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(in_turn.generator.flat, together.generator.flat, rtol=1e-7, atol=1e-10)


LOSSES = [(WassersteinClip(), 1), (WassersteinPenalty(), 1), (HistoricalAveraging(), 1)]
LOSSES += [(objective, 2) for objective, _ in LOSSES]


@pytest.mark.parametrize(
    ("case"),
    spread(LOSSES, slow=("wgan-1", "historical-averaging-2"), name=lambda case: f"{case[0].name}-{case[1]}"),
)
def test_a_seed_in_turn_has_the_same_bits_in_any_company(turns, case):
    (objective, threads), before = case, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runs = [make_cohort(objective, seeds, steps=40) for seeds in ((3,), (0, 3), tuple(range(5)))]
        alone, two, among = (readings_of(cohort) for cohort in runs)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone[:, 0], among[:, 3])
    assert torch.equal(two[:, 1], among[:, 3])
    latents = torch.randn(5, 7, 4)
    samples = [cohort.sample(latents[seeds]) for cohort, seeds in zip(runs, ([3], [0, 3], range(5)), strict=True)]
    assert torch.equal(samples[0][0], samples[2][3])
    assert torch.equal(samples[1][1], samples[2][3])


@pytest.mark.parametrize("architecture", spread([Dcgan(), Upconv()], slow=("dcgan",)))
def test_images_of_28_pixels_take_turns_and_agree_in_any_company(architecture):
    config = {**IMAGES, "architecture": architecture, "steps": 2}
    alone, among = (make_cohort(Minimax(), seeds, **config) for seeds in ((1,), (0, 1)))
    assert alone.loops
    assert torch.equal(readings_of(alone)[:, 0], readings_of(among)[:, 1])
    assert torch.equal(alone.generator.flat[0], among.generator.flat[1])


@pytest.mark.slow
def test_small_passes_do_not_take_turns_and_the_device_and_the_batch_decide_with_the_networks():
    assert not make_cohort(Minimax()).loops
    assert not make_cohort(Minimax(), **{**IMAGES, "architecture": Mlp()}).loops
    assert not make_cohort(Minimax(), **{**IMAGES, "batch_size": 16}).loops
    assert make_cohort(Minimax(), **IMAGES).loops


def test_the_choice_does_not_hang_on_company(monkeypatch):
    one = make_cohort(Minimax(), (0,))
    inputs = select_seed(one.first_inputs()[0], 0)
    work = flops(lambda: one.game.critic_gradients(inputs))
    for least, wanted in ((work, True), (work + 1, False)):
        monkeypatch.setattr(engine, "SEQUENTIAL_FLOPS", least)
        assert {make_cohort(Minimax(), seeds).loops for seeds in ((0,), (4, 5), tuple(range(9)))} == {wanted}


def test_a_seed_alone_is_computed_once(turns):
    calls = []
    for seeds in ((0,), (0, 1, 2)):
        cohort = make_cohort(counting(calls), seeds, steps=20)
        calls.clear()
        readings_of(cohort)
        assert len(calls) == 20 * len(seeds)


@pytest.mark.slow
def test_a_pass_is_recorded_once_for_all_seeds(monkeypatch, turns):
    """With the same numbers to the bit, and no warning."""
    runs = []
    for calls in (2, 10**9):
        monkeypatch.setattr(tracing, "CALLS_BEFORE_TRACING", calls)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cohort = make_cohort(WassersteinPenalty(), tuple(range(4)))
            runs.append(readings_of(cohort))
        made = {name: len(program.made) for name, program in cohort.traced.items()}
        assert made == dict.fromkeys(("critic_gradient", "generator_gradient"), int(calls == 2))
    assert torch.equal(*runs)
