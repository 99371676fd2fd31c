"""The Dirac-GAN: closed forms against automatic differentiation of the losses, and where training ends.

The pilot's numbers are those of Mescheder's notebook: rate .2, 500 steps, from (1, 1), the generator moves first. Its
critic is high on generated samples, so its (1, 1) is ψ = −1, θ = 1 here.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.noisegan import InstanceNoise
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.wgan import WassersteinClip
from oracles import dirac_gan

from ganbench import Objective, softplus
from ganbench.testing.dynamics import SCHEDULES, Schedule, random_starts, simulate
from ganbench.testing.toys import objective_field

ONE = np.ones(1)
NOTEBOOK = [Schedule(simultaneous=True), Schedule(generator_first=True), Schedule(n_critic=5, generator_first=True)]


@dataclass(frozen=True)
class LeastSquares(Objective):
    def critic_loss(self, critic, real, fake, draw):
        return ((critic(real) - 1) ** 2).mean() / 2 + (critic(fake) ** 2).mean() / 2

    def generator_loss(self, critic, real, fake, draw):
        return ((critic(fake) - 1) ** 2).mean() / 2


@dataclass(frozen=True)
class Hinge(Objective):
    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(1 - critic(real)).mean() + torch.relu(1 + critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()


@dataclass(frozen=True)
class Pairing(Objective):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake) - critic(real)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return softplus(critic(real) - critic(fake)).mean()


def squared_norm_of_gradient(critic, x):
    return torch.func.grad(lambda points: critic(points).sum())(x).square().sum(1)


@dataclass(frozen=True)
class Penalty(WassersteinClip):
    weight: float = 10.0

    def critic_loss(self, critic, real, fake, draw):
        between = real + draw.uniform(len(real), 1) * (fake - real)
        slope = squared_norm_of_gradient(critic, between).sqrt()
        return super().critic_loss(critic, real, fake, draw) + self.weight * ((slope - 1) ** 2).mean()

    def constrain(self, weights):
        return weights


@dataclass(frozen=True)
class R1(Minimax):
    gamma: float = 0.3

    def critic_loss(self, critic, real, fake, draw):
        penalty = self.gamma / 2 * squared_norm_of_gradient(critic, real).mean()
        return super().critic_loss(critic, real, fake, draw) + penalty


FIRST_PARTY = [
    (Minimax(), dirac_gan.minimax()),
    (NonSaturating(), dirac_gan.non_saturating()),
    (WassersteinClip(clip=1.0), dirac_gan.wasserstein(clip=1.0)),
]
WRITTEN_HERE = [
    (LeastSquares(), dirac_gan.least_squares()),
    (Hinge(), dirac_gan.hinge()),
    (Pairing(), dirac_gan.relativistic_pairing()),
    (Penalty(), dirac_gan.wasserstein_penalty(10.0)),
    (Penalty(weight=0.35), dirac_gan.wasserstein_penalty(0.35)),
    (R1(), dirac_gan.with_r1(dirac_gan.minimax(), 0.3)),
]
GAMES = FIRST_PARTY + WRITTEN_HERE


def points():
    """ψ and θ, (208,) each: around the optimum, and where the critic is sure."""
    psi, theta = random_starts(200, np.random.default_rng(0), half_width=3)
    far = np.array([(50, 1), (-50, 1), (500, 1), (1, -500), (0.3, -4), (-2, 0.5), (1, 25), (1, 1)])
    return np.concatenate([psi, far[:, 0]]), np.concatenate([theta, far[:, 1]])


@pytest.mark.parametrize(("objective", "closed"), GAMES, ids=lambda v: type(v).__name__)
def test_closed_forms_are_the_derivatives_of_the_losses(objective, closed):
    psi, theta = points()
    field = objective_field(objective)
    np.testing.assert_allclose(field.critic(psi, theta), closed.critic(psi, theta), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(field.generator(psi, theta), closed.generator(psi, theta), rtol=1e-12, atol=0)
    assert (field.project(psi) == closed.project(psi)).all()


@pytest.mark.parametrize(("objective", "closed"), FIRST_PARTY, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_objectives_take_the_path_of_their_closed_forms(objective, closed, schedule):
    starts = random_starts(50, np.random.default_rng(1))
    got, wanted = (simulate(f, *starts, schedule, steps=60) for f in (objective_field(objective), closed))
    np.testing.assert_allclose(got.psi, wanted.psi, rtol=0, atol=1e-10)
    np.testing.assert_allclose(got.theta, wanted.theta, rtol=0, atol=1e-10)


@pytest.mark.parametrize("saturating", [True, False])
def test_instance_noise_is_the_mean_of_its_noisy_losses(saturating):
    psi, theta = random_starts(20, np.random.default_rng(0))
    objective = InstanceNoise(sigma=0.7, anneal_until=0, saturating=saturating)
    noisy, mean = objective_field(objective, batch=100_000), dirac_gan.instance_noise(0.7, saturating)
    np.testing.assert_allclose(noisy.critic(psi, theta), mean.critic(psi, theta), atol=0.015)
    np.testing.assert_allclose(noisy.generator(psi, theta), mean.generator(psi, theta), atol=0.01)


def test_instance_noise_without_noise_is_the_bare_game():
    psi, theta = points()
    bare, noiseless = dirac_gan.minimax(), dirac_gan.instance_noise(0.0)
    np.testing.assert_allclose(noiseless.critic(psi, theta), bare.critic(psi, theta), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(noiseless.generator(psi, theta), bare.generator(psi, theta), rtol=1e-12)


def test_an_objectives_randomness_is_drawn_afresh_and_keyed_by_the_seed():
    noisy = [objective_field(InstanceNoise(anneal_until=0), seed=seed).critic for seed in (0, 0, 1)]
    two = np.ones(2)
    first, again, other = (critic(two, two) for critic in noisy)
    assert (first == again).all()
    assert len({*first, *other, *noisy[0](two, two)}) == 6


PILOT = {
    "minimax": (dirac_gan.minimax(), (3.10, 1.39, 1.78)),
    "non-saturating": (dirac_gan.non_saturating(), (0.635, 0.292, 0.22)),
    "wgan, clip 1": (dirac_gan.wasserstein(clip=1.0), (1.12, 1.00, 0.754)),
    "wgan-gp, weight .35": (dirac_gan.wasserstein_penalty(0.35), (1.79, 1.28, 0.926)),
    "r1, gamma .3": (dirac_gan.with_r1(dirac_gan.minimax(), 0.3), (1.38e-5, 1.47e-6, 2.25e-28)),
}


@pytest.mark.parametrize(("field", "radii"), PILOT.values(), ids=PILOT)
def test_the_notebooks_runs_end_where_the_pilot_saw_them_end(field, radii):
    found = [simulate(field, -ONE, ONE, schedule).tail_radius()[0] for schedule in NOTEBOOK]
    assert found == pytest.approx(radii, rel=5e-3)


def test_sampled_instance_noise_reaches_the_pilots_noise_floor():
    objective = InstanceNoise(sigma=0.7, anneal_until=0)
    starts = random_starts(5, np.random.default_rng(0), half_width=0.05)  # in the floor already: 150 steps tell it
    tail = simulate(
        objective_field(objective, batch=1000), *starts, SCHEDULES["alternating-1"], steps=150
    ).tail_radius()
    assert 0.003 < tail.mean() < 0.03


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_from_fifty_random_starts_only_regularised_games_converge(schedule):
    """Claim: above .1 without, below .05 with instance noise or a zero-centred penalty (Mescheder et al. 2018)."""
    starts = random_starts(50, np.random.default_rng(0))
    bare = [
        dirac_gan.minimax(),
        dirac_gan.non_saturating(),
        dirac_gan.wasserstein(1.0),
        dirac_gan.wasserstein_penalty(0.35),
    ]
    regular = [dirac_gan.instance_noise(0.7), dirac_gan.with_r1(dirac_gan.minimax(), 0.3)]
    assert all((simulate(field, *starts, schedule).tail_radius() > 0.1).all() for field in bare)
    assert all((simulate(field, *starts, schedule).tail_radius() < 0.05).all() for field in regular)


def test_the_bare_non_saturating_game_comes_closer_ever_more_slowly():
    """Neither diverging nor converging in 500 steps: the radius falls about as the square root of the steps."""
    found = simulate(dirac_gan.non_saturating(), ONE, ONE, Schedule(), steps=8000).radius[[500, 2000, 8000], 0]
    assert found[0] > found[1] > found[2]
    assert found[:2] / found[1:] == pytest.approx([2, 2], rel=0.15)
