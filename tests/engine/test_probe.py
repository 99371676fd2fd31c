"""The frozen-generator experiment: what moves, what does not, and whether its numbers are the ones defined."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.noisegan import InstanceNoise
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.wgan import WassersteinClip
from tiers import spread
from toys import Gaussian, make_cohort

from ganbench.datasets import Digits
from ganbench.engine.cohort import Cohort
from ganbench.engine.probe import NoiseSampling, gradient_noise, probe
from ganbench.networks.mlp import Mlp
from ganbench.spec import ProbeProtocol

PROTOCOL = ProbeProtocol(generator_steps=(1, 5), critic_steps=60)


def frozen(seeds, ages=(1, 5)):
    """Untrained generators, shifted a little more at the later age."""
    generators = make_cohort(Minimax(), seeds).generator.weights
    return {age: [{n: w[k] + 0.01 * age for n, w in generators.items()} for k in range(len(seeds))] for age in ages}


def readings(objective, seeds=(0, 1, 2), protocol=PROTOCOL, **changes):
    config = replace(make_cohort(objective, seeds).config, **changes)
    return list(probe(config, seeds, protocol, frozen(seeds)))


def test_moments_are_log_spaced_from_zero_to_the_last():
    assert ProbeProtocol((1,), 60).moments() == [0, 1, 2, 5, 10, 20, 50, 60]
    assert ProbeProtocol((1,), 2000).moments()[-3:] == [500, 1000, 2000]
    assert ProbeProtocol((1,), 1).moments() == [0, 1]


@pytest.mark.slow
def test_every_age_and_moment_has_a_reading_of_every_seed():
    found = readings(Minimax())
    assert [(r.generator_step, r.critic_step) for r in found] == [(a, s) for a in (1, 5) for s in PROTOCOL.moments()]
    assert {r.generator_grad_norm.shape for r in found} == {(3,)}


@pytest.mark.parametrize(
    "cls", spread([Minimax, NonSaturating, InstanceNoise, WassersteinClip], slow=("noisegan", "wgan"))
)
def test_a_seed_is_probed_alike_alone_and_among_others(cls):
    alone, among = readings(cls(), (2,)), readings(cls(), (0, 1, 2))
    # seed 2's generator comes third in one call and first in the other, so the weights are those of its own seed
    for a, b in zip(alone, among, strict=True):
        assert a.critic_loss[0] == b.critic_loss[2]
        assert a.generator_grad_norm[0] == b.generator_grad_norm[2]
        assert a.generator_grad_noise[0] == b.generator_grad_noise[2]


@pytest.mark.slow
def test_objectives_are_paired():
    """Before its first update the critic is the same for all, and the two generator losses differ by a known factor."""
    minimax, trick = readings(Minimax())[0], readings(NonSaturating())[0]
    assert np.array_equal(minimax.critic_loss, trick.critic_loss)
    assert np.array_equal(minimax.critic_accuracy, trick.critic_accuracy)


@pytest.mark.slow
def test_a_watcher_reads_the_same_players():
    """The two games have one critic loss: their critics are the same, and so is what either reads at the other's."""
    seeds = (0, 1)
    config = make_cohort(Minimax(), seeds).config
    both = list(probe(config, seeds, PROTOCOL, frozen(seeds), watchers=[NonSaturating()]))
    own, watched = both[::2], both[1::2]
    alone = [readings(cls(), seeds) for cls in (Minimax, NonSaturating)]
    for found, expected in ((own, alone[0]), (watched, alone[1])):
        for a, b in zip(found, expected, strict=True):
            assert all(np.array_equal(value, vars(b)[name]) for name, value in vars(a).items())


def test_the_noise_is_taken_from_the_minibatches_that_were_asked_for():
    seen = []

    @dataclass(frozen=True)
    class Watching(Minimax):
        def generator_loss(self, critic, real, fake, draw):
            seen.append(len(fake))
            return super().generator_loss(critic, real, fake, draw)

    config = make_cohort(Watching(), (0, 1)).config
    list(probe(config, (0, 1), ProbeProtocol((1,), 1), frozen((0, 1)), noise=NoiseSampling(3, 7)))
    rehearsals = 1
    assert seen.count(7) == rehearsals + 2 * 3  # two moments of three minibatches, one vectorised call each


@pytest.mark.slow
@pytest.mark.parametrize("noise", [NoiseSampling(3, 7), NoiseSampling(3, 7, ends_only=True), NoiseSampling(0)])
def test_the_noise_is_read_when_it_was_asked_for(noise):
    seeds = (0, 1)
    found = list(probe(make_cohort(Minimax(), seeds).config, seeds, PROTOCOL, frozen(seeds), noise=noise))
    ends = (0, PROTOCOL.critic_steps)
    for reading in found:
        asked = noise.number and (not noise.ends_only or reading.critic_step in ends)
        assert np.isfinite(reading.generator_grad_noise).all() == bool(asked)
        assert np.isfinite(reading.generator_grad_norm).all()


def test_gradient_noise_is_that_of_the_covariance():
    gradients = torch.randn(5, 3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = [np.trace(np.cov(g.numpy().T)) / g.mean(0).square().sum().item() for g in gradients.transpose(0, 1)]
    np.testing.assert_allclose(gradient_noise(iter(gradients)).numpy(), expected, rtol=1e-12)


@pytest.mark.slow
def test_the_minimax_gradient_vanishes_and_the_trick_s_does_not_where_supports_are_apart():
    class FarAway(Gaussian):
        def draw(self, shape, rng):
            return 3 + super().draw(shape, rng) * 0.01

    optimizer = replace(Minimax().optimizer, lr=1e-2)
    change = {}
    for cls in (Minimax, NonSaturating):
        found = readings(cls(optimizer=optimizer), protocol=ProbeProtocol((1,), 300), population=FarAway())
        assert (found[-1].critic_accuracy == 1).all()
        change[cls] = np.log10(found[-1].generator_grad_norm / found[0].generator_grad_norm)
    assert (change[Minimax] < -1).all()
    assert (change[NonSaturating] > 0.5).all()


def test_gradient_noise_of_a_case_that_can_be_done_by_hand():
    """Gradients (1, 0) and (3, 0): mean (2, 0), covariance trace 2, noise 2/4."""
    gradients = [torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])]
    assert gradient_noise(iter(gradients)).tolist() == [0.5]


@pytest.mark.slow
def test_held_out_samples_are_never_trained_on():
    seen = []

    @dataclass(frozen=True)
    class Watching(Minimax):
        def critic_loss(self, critic, real, fake, draw):
            seen.append(len(real))
            return super().critic_loss(critic, real, fake, draw)

    class Split(Gaussian):
        def hold_out(self, n):
            return self, torch.full((10, 2), 3.0)

    readings(Watching(), population=Split())
    assert {10, 16} <= set(seen)


def test_images_on_a_device_are_probed_on_a_quarter_that_their_critic_never_sees():
    """Accuracies count 449 held-out digits and as many generated ones; training samples would come 512 at a time."""
    digits = Digits().load(Path("nowhere")).to(torch.device("cpu"))
    config = replace(make_cohort(Minimax(), (0, 1)).config, population=digits, architecture=Mlp(width=4))
    weights = Cohort(config, (0, 1)).generator.weights
    generators = {1: [{n: w[k] for n, w in weights.items()} for k in range(2)]}
    found = list(probe(config, (0, 1), ProbeProtocol((1,), 5), generators, noise=NoiseSampling(0)))
    counts = np.concatenate([reading.critic_accuracy * 2 * 449 for reading in found])
    np.testing.assert_allclose(counts, counts.round(), atol=1e-3)


def test_a_failed_probe_leaves_a_trained_trial_as_it_was(tmp_path):
    from stored import spec, stored

    from ganbench.interfaces.executor import EXHAUSTED, Failure, RunContext
    from ganbench.runner.cohort_run import fail

    trial = spec().trials()[0]
    store = stored(tmp_path / "s", trial)
    before = {p.name: p.read_bytes() for p in store.folder(trial).iterdir()}
    alone = replace(spec().with_seeds([trial.seed]), train=False)
    failure = Failure(EXHAUSTED, "no room", "")
    (outcome,) = fail(alone, RunContext(str(store.path), "", "cpu", threads=1), failure)
    assert (outcome.status, outcome.error) == ("failed", str(failure))
    assert {p.name: p.read_bytes() for p in store.folder(trial).iterdir()} == before
