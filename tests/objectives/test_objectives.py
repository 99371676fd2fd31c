"""Every first-party objective against its closed form on the Dirac-GAN (Mescheder et al. 2018), in double precision.

Real mass at 0, generator at θ, critic ψx; the exact gradients are functions of ψ and θ alone.
"""

import math

import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.noisegan import InstanceNoise
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.wgan import WassersteinClip
from toys import LinearCritic

from ganbench.interfaces.draw import ReplayingDraw

POINTS = [(1.0, 1.0), (-2.0, 0.5), (0.3, -4.0), (1.0, 25.0), (50.0, 1.0), (-50.0, 1.0), (500.0, 1.0), (1.0, -500.0)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x)


def tensor(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def draw_of(*numbers, progress=0.0):
    return ReplayingDraw(torch.tensor(1), torch.tensor(progress, dtype=torch.float64), numbers=list(numbers))


def gradients(objective, psi, theta, draw=lambda: draw_of()):
    """∂ critic loss/∂ψ and ∂ generator loss/∂θ at one point."""
    p, t, real = tensor(psi), tensor(theta), torch.zeros(1, 1, dtype=torch.float64)
    critic_loss = objective.critic_loss(LinearCritic(p), real, t.detach().reshape(1, 1), draw())
    generator_loss = objective.generator_loss(LinearCritic(p.detach()), real, t.reshape(1, 1), draw())
    return torch.autograd.grad(critic_loss, p)[0].item(), torch.autograd.grad(generator_loss, t)[0].item()


EXACT = {
    Minimax: lambda psi, theta: (theta * sigmoid(psi * theta), -psi * sigmoid(psi * theta)),
    NonSaturating: lambda psi, theta: (theta * sigmoid(psi * theta), -psi * sigmoid(-psi * theta)),
    WassersteinClip: lambda psi, theta: (theta, -psi),
}


@pytest.mark.parametrize("cls", EXACT)
@pytest.mark.parametrize(("psi", "theta"), POINTS)
def test_gradients_equal_the_closed_form_of_the_dirac_gan(cls, psi, theta):
    for got, wanted in zip(gradients(cls(), psi, theta), EXACT[cls](psi, theta), strict=True):
        assert got == pytest.approx(wanted, rel=1e-12, abs=0)


@pytest.mark.parametrize(("psi", "theta"), POINTS)
@pytest.mark.parametrize("saturating", [True, False])
def test_instance_noise_is_the_base_game_at_the_noised_points(psi, theta, saturating):
    on_real, on_fake, sigma = 0.7, -1.3, 0.5
    numbers = [torch.full((1, 1), n, dtype=torch.float64) for n in (on_real, on_fake)]
    objective = InstanceNoise(sigma=sigma, anneal_until=0, saturating=saturating)
    fake, real = theta + sigma * on_fake, sigma * on_real
    critic = fake * sigmoid(psi * fake) - real * sigmoid(-psi * real)
    generator = -psi * sigmoid(psi * fake) if saturating else -psi * sigmoid(-psi * fake)
    got_critic, _ = gradients(objective, psi, theta, lambda: draw_of(*numbers))
    _, got_generator = gradients_generator_only(objective, psi, theta, numbers[1:])
    assert got_critic == pytest.approx(critic, rel=1e-12)
    assert got_generator == pytest.approx(generator, rel=1e-12)


def gradients_generator_only(objective, psi, theta, numbers):
    t = tensor(theta)
    loss = objective.generator_loss(LinearCritic(tensor(psi).detach()), None, t.reshape(1, 1), draw_of(*numbers))
    return None, torch.autograd.grad(loss, t)[0].item()


@pytest.mark.parametrize(("progress", "left"), [(0.0, 1.0), (0.4, 0.5), (0.8, 0.0), (1.0, 0.0)])
def test_instance_noise_falls_linearly_to_zero(progress, left):
    x, noise = torch.zeros(3, 2, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64)
    noised = InstanceNoise(sigma=0.5, anneal_until=0.8).noised(x, draw_of(noise, progress=progress))
    torch.testing.assert_close(noised, 0.5 * left * noise)


@pytest.mark.parametrize("score", [-50.0, -80.0])
def test_the_minimax_gradient_of_a_sure_critic_is_tiny_and_true_in_single_precision(score):
    """σ(−50) is 1.9e-22: neither lost (as σ followed by log loses it) nor noise."""
    fake = torch.tensor([[1.0]], requires_grad=True)
    loss = Minimax().generator_loss(LinearCritic(torch.tensor(score)), None, fake, draw_of())
    (gradient,) = torch.autograd.grad(loss, fake)
    assert gradient.item() == pytest.approx(-score * math.exp(score), rel=1e-5)


def test_estimates_are_the_js_bound_for_classifiers_and_the_score_gap_for_wgan():
    critic, real, fake = LinearCritic(torch.tensor(100.0)), torch.ones(4, 1), -torch.ones(4, 1)
    for cls in (Minimax, NonSaturating, InstanceNoise):
        assert cls().estimate(critic, real, fake).item() == pytest.approx(math.log(2))
        assert cls().estimate(LinearCritic(torch.tensor(0.0)), real, fake).item() == pytest.approx(0, abs=1e-7)
    assert WassersteinClip().estimate(critic, real, fake).item() == 200


def test_wgan_clips_every_weight_to_the_box():
    weights = {"a": torch.tensor([-3.0, 0.005, 3.0])}
    assert WassersteinClip(clip=0.01).constrain(weights)["a"].tolist() == pytest.approx([-0.01, 0.005, 0.01])


def test_defaults_are_those_of_the_papers():
    wgan = WassersteinClip()
    assert (wgan.n_critic, wgan.clip, wgan.optimizer.name, wgan.optimizer.lr) == (5, 0.01, "rmsprop", 5e-5)
    for cls in (Minimax, NonSaturating, InstanceNoise):
        assert (cls().n_critic, cls().optimizer.name, cls().optimizer.lr, cls().optimizer.beta1) == (
            1,
            "adam",
            2e-4,
            0.5,
        )
