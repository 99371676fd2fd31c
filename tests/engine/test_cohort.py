"""The engine: what makes a comparison paired, a seed independent of its company, and a reading true."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.noisegan import InstanceNoise
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.wgan import WassersteinClip
from refusals import refused, remarked
from toys import Gaussian, Tiny, make_cohort, readings_of

from ganbench import Objective, Optimizer, softplus
from ganbench.engine.batches import send
from ganbench.engine.loop import first_divergence, train
from ganbench.engine.readings import READINGS
from ganbench.errors import ObjectiveError

ALL = [Minimax, NonSaturating, InstanceNoise, WassersteinClip]


@pytest.mark.slow
@pytest.mark.parametrize("cls", ALL)
def test_a_seed_alone_has_the_numbers_it_has_among_ten(cls):
    among = make_cohort(cls(), tuple(range(10)), steps=70)
    alone = make_cohort(cls(), (7,), steps=70)
    assert torch.equal(readings_of(among)[:, 7:8], readings_of(alone))
    for name, weight in alone.generator.weights.items():
        assert torch.equal(among.generator.weights[name][7], weight[0])


@pytest.mark.slow
@pytest.mark.parametrize("cls", ALL)
def test_the_same_run_twice_is_the_same_to_the_bit(cls):
    assert torch.equal(readings_of(make_cohort(cls())), readings_of(make_cohort(cls())))


def test_all_objectives_start_from_the_same_weights_and_see_the_same_data():
    cohorts = [make_cohort(cls()) for cls in ALL]
    for other in cohorts[1:]:
        assert torch.equal(cohorts[0].generator.flat, other.generator.flat)
        assert torch.equal(cohorts[0].critic.flat, other.critic.flat)
        for mine, theirs in zip(cohorts[0].sampler.critic(0, 0), other.sampler.critic(0, 0), strict=True):
            assert torch.equal(mine.real, theirs.real)
            assert torch.equal(mine.latent, theirs.latent)
        assert torch.equal(cohorts[0].sampler.generator(3)[5].latent, other.sampler.generator(3)[5].latent)


def test_different_seeds_differ_in_weights_data_and_latents():
    cohort = make_cohort(Minimax(), (0, 1))
    batch = cohort.sampler.critic(0, 0)[0]
    for pair in (cohort.generator.flat, cohort.critic.flat, batch.real, batch.latent):
        assert not torch.equal(pair[0], pair[1])


@pytest.mark.slow
def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    """Unless the objective has a schedule, the number of steps changes nothing but the end."""
    short, long = (
        readings_of(make_cohort(WassersteinClip(), steps=30)),
        readings_of(make_cohort(WassersteinClip(), steps=100)),
    )
    assert torch.equal(short, long[:30])


def test_stops_change_nothing():
    assert torch.equal(readings_of(make_cohort(Minimax())), readings_of(make_cohort(Minimax()), {3, 7, 20}))


def plain_loop(objective, seed, steps):
    """The same mathematics as a tutorial would write it: one seed, modules, autograd, torch.optim."""
    cohort = make_cohort(objective, (seed,), steps=steps, dtype=torch.float64)
    networks = []
    for player, build in ((cohort.generator, Tiny().generator), (cohort.critic, Tiny().critic)):
        network = build((2,)).double()
        network.load_state_dict({name: w[0].clone() for name, w in player.weights.items()})
        networks.append(network)
    generator, critic = networks
    rate = {"betas": (0.5, 0.999)} if objective.optimizer.name == "adam" else {"alpha": 0.99}
    make = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[objective.optimizer.name]
    optimizers = [make(n.parameters(), objective.optimizer.lr, **rate) for n in networks]
    rows = []
    for step in range(steps):
        for update in range(objective.n_critic):
            batch = cohort.sampler.critic(0, update)[step]
            real, fake = batch.real[0], generator(batch.latent[0]).detach()
            optimizers[1].zero_grad()
            critic_loss = objective.critic_loss(critic, real, fake, None)
            critic_loss.backward()
            critic_norm = torch.cat([p.grad.flatten() for p in critic.parameters()]).norm()
            a, b = critic(real), critic(fake)
            optimizers[1].step()
            if isinstance(objective, WassersteinClip):
                for p in critic.parameters():
                    p.data.clamp_(-objective.clip, objective.clip)
        optimizers[0].zero_grad()
        loss = objective.generator_loss(critic, real, generator(cohort.sampler.generator(0)[step].latent[0]), None)
        loss.backward()
        norm = torch.cat([p.grad.flatten() for p in generator.parameters()]).norm()
        optimizers[0].step()
        rows.append([v.item() for v in (critic_loss, critic_norm, a.mean(), b.mean(), loss, norm)])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [Minimax, NonSaturating, WassersteinClip])
def test_the_engine_equals_a_plain_pytorch_loop(cls):
    columns = [READINGS.index(n) for n in ("critic_loss", "critic_grad_norm", "score_real", "score_fake")]
    columns += [READINGS.index(n) for n in ("generator_loss", "generator_grad_norm")]
    ours = readings_of(make_cohort(cls(), (5,), steps=40, dtype=torch.float64))[:, 0, columns]
    torch.testing.assert_close(ours, plain_loop(cls(), 5, 40), rtol=1e-9, atol=1e-12)


class Poisoned(Gaussian):
    """Gives not-a-number to one seed from its third block on; the tickets of a block are drawn seed by seed."""

    def __init__(self, victim, seeds):
        self.victim, self.seeds, self.calls = victim, seeds, 0

    def draw(self, shape, rng):
        tickets, seed = super().draw(shape, rng), self.seeds[self.calls % len(self.seeds)]
        self.calls += 1
        return tickets * float("nan") if seed == self.victim and self.calls > 7 * len(self.seeds) else tickets


@pytest.mark.slow
def test_a_diverged_seed_leaves_the_others_untouched():
    seeds = (0, 1, 2)
    healthy = readings_of(make_cohort(Minimax(), seeds, steps=200))
    sick = readings_of(make_cohort(Minimax(), seeds, steps=200, population=Poisoned(1, seeds)))
    assert torch.equal(healthy[:, [0, 2]], sick[:, [0, 2]])
    assert first_divergence(healthy.numpy()).tolist() == [-1, -1, -1]
    diverged = first_divergence(sick.numpy())
    assert diverged[1] == 128  # the first step of the third block
    assert diverged[[0, 2]].tolist() == [-1, -1]


@pytest.mark.slow
def test_readings_are_numbers_and_updates_are_counted():
    chunks = list(train(make_cohort(WassersteinClip(), steps=100), {10, 100}))
    assert [(s.first, s.last) for s in chunks] == [(1, 10), (11, 64), (65, 100)]
    assert chunks[-1].critic_updates[-1] == 500
    assert chunks[0].critic_updates.tolist() == list(range(5, 55, 5))
    seconds = [t for s in chunks for t in s.seconds]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


@dataclass(frozen=True)
class Broken(Minimax):
    """A base for objectives with one defect each."""

    name: ClassVar[str] = "broken"


@dataclass(frozen=True)
class RollsItsOwnDice(Broken):
    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake + torch.randn_like(fake))).mean()


@dataclass(frozen=True)
class ForgetsTheMean(Broken):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)) + softplus(critic(fake))


@dataclass(frozen=True)
class WritesToItsInput(Broken):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real.mul_(2), fake, draw)


@pytest.mark.parametrize(
    ("cls", "code", "part"),
    [
        (RollsItsOwnDice, "randomness", "draw.normal_like"),
        (ForgetsTheMean, "scalar", "(16,)"),
        (WritesToItsInput, "in-place", "critic_loss"),
    ],
)
def test_a_broken_contract_is_an_error_that_says_what_to_do(cls, code, part):
    with refused(ObjectiveError, code=code) as caught:
        make_cohort(cls())
    assert part in str(caught.value)


@dataclass(frozen=True)
class AsksForData(Minimax):
    """Looks at a number in Python, which vmap cannot run."""

    def generator_loss(self, critic, real, fake, draw):
        value = super().generator_loss(critic, real, fake, draw)
        return value if value.item() < 1e9 else 0 * value


def test_an_objective_that_vmap_cannot_run_is_looped_over_with_the_same_numbers():
    with remarked(subject="gan", code="no-vmap"):
        cohort = make_cohort(AsksForData(), dtype=torch.float64)
    assert cohort.loops
    torch.testing.assert_close(readings_of(cohort), readings_of(make_cohort(Minimax(), dtype=torch.float64)))


@dataclass(frozen=True)
class DeclaresItsLoop(AsksForData):
    """Says so."""

    vectorised = False


def test_an_objective_that_declares_its_loop_is_run_without_a_warning(recwarn):
    cohort = make_cohort(DeclaresItsLoop(), dtype=torch.float64)
    assert cohort.loops
    assert not recwarn.list
    torch.testing.assert_close(readings_of(cohort), readings_of(make_cohort(Minimax(), dtype=torch.float64)))


@dataclass(frozen=True)
class FailsInALoop(DeclaresItsLoop):
    """Is at fault itself."""

    def critic_loss(self, critic, real, fake, draw):
        raise ZeroDivisionError


def test_a_declared_loop_does_not_hide_an_error():
    with pytest.raises(ZeroDivisionError):
        make_cohort(FailsInALoop())


@dataclass(frozen=True)
class Warmed(Minimax):
    """More critic updates at the start."""

    def critic_steps(self, step):
        return 4 if step <= 2 else 1


def test_the_number_of_critic_updates_may_depend_on_the_step():
    (chunk,) = train(make_cohort(Warmed(), steps=5), set())
    assert chunk.critic_updates.tolist() == [4, 8, 9, 10, 11]


@dataclass(frozen=True)
class Counting(Minimax):
    """Carries a counter, and lets it into the loss's value."""

    def init_state(self, critic, draw):
        return {"n": torch.zeros(()), "first": next(iter(draw.generator_weights.values())).clone()}

    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) * 0 + draw.state["n"]

    def update_state(self, critic, real, fake, draw):
        return {"n": draw.state["n"] + 1, "first": draw.state["first"]}


def test_state_is_carried_from_step_to_step_for_every_seed():
    cohort = make_cohort(Counting(), steps=6)
    first = next(iter(cohort.generator.weights.values())).clone()
    readings = readings_of(cohort)
    assert readings[:, 1, READINGS.index("generator_loss")].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(cohort.state["first"], first)


@dataclass(frozen=True)
class Peeking(Objective):
    """Uses all that a critic and a draw offer."""

    name: ClassVar[str] = "peeking"
    optimizer: Optimizer = Optimizer("sgd", lr=0.1)

    def critic_loss(self, critic, real, fake, draw):
        weights = sum(w.square().sum() for w in critic.weights.values())
        return critic(fake).mean() - critic(real).mean() + 1e-3 * weights * draw.progress + 0 * draw.uniform(3).sum()

    def generator_loss(self, critic, real, fake, draw):
        return (critic.features(real).mean(0) - critic.features(fake).mean(0)).square().sum()


def test_features_weights_progress_and_uniform_numbers_are_there_for_every_seed():
    readings = readings_of(make_cohort(Peeking()))
    assert torch.isfinite(readings).all()
    assert torch.equal(readings[:, 2:3], readings_of(make_cohort(Peeking(), (2,))))


def test_a_loss_that_changes_what_it_draws_is_an_error():
    @dataclass(frozen=True)
    class Moody(Minimax):
        def critic_loss(self, critic, real, fake, draw):
            extra = draw.uniform(int(draw.step) + 1).mean() * 0
            return super().critic_loss(critic, real, fake, draw) + extra

    with refused(ObjectiveError, code="draws"):
        readings_of(make_cohort(Moody()))


def test_gradient_norms_below_the_square_root_of_float32_are_not_lost():
    """A norm of 1e-30 has a square that single precision cannot hold."""

    @dataclass(frozen=True)
    class Faint(Minimax):
        def generator_loss(self, critic, real, fake, draw):
            return 1e-30 * critic(fake).mean()

    norms = readings_of(make_cohort(Faint()))[:, :, READINGS.index("generator_grad_norm")]
    assert (norms > 1e-34).all()
    assert (norms < 1e-28).all()


def test_seeds_are_drawn_on_the_cpu_for_every_device():
    sampler = make_cohort(Minimax()).sampler
    assert torch.equal(sampler.critic(1, 0)[2].latent, replace(sampler, length=sampler.length).critic(1, 0)[2].latent)


def test_what_is_sent_keeps_its_numbers_and_takes_the_type_that_is_wanted():
    x = torch.tensor([1 / 3, 2.0], dtype=torch.float64)
    assert torch.equal(send(x, torch.device("cpu")), x)
    assert torch.equal(send(x, torch.device("cpu"), torch.float32), x.float())
    assert send(torch.tensor([1, 2]), torch.device("cpu")).dtype == torch.int64


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cls", ALL)
def test_a_gpu_agrees_with_the_cpu(cls):
    on_cpu = readings_of(make_cohort(cls(), dtype=torch.float64))
    on_gpu = readings_of(make_cohort(cls(), dtype=torch.float64, device=torch.device("cuda")))
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-6, atol=1e-9)
