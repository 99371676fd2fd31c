"""Gradient penalties against finite differences and against what can be worked out by hand."""

import math

import pytest
import torch
from ganbench_objectives.dragan import Dragan
from ganbench_objectives.nsgan_r1 import NonSaturatingR1
from ganbench_objectives.penalties import between, distance_from_one, gradient_norms, gradient_squares
from ganbench_objectives.r3gan import RegularisedRelativistic
from ganbench_objectives.wgan_gp import WassersteinPenalty
from torch import nn

from ganbench import CriticNetwork
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.draw import RandomSpec, RecordingDraw, ReplayingDraw
from ganbench.networks import Dcgan

SMOOTH = [(2,), (1, 8, 8)]


def critic_for(shape):
    """A smooth critic with weights of its own, in double precision."""
    torch.manual_seed(0)
    if len(shape) == 1:
        network = CriticNetwork(nn.Sequential(nn.Linear(*shape, 7), nn.Tanh(), nn.Linear(7, 5), nn.Tanh()), 5)
    else:
        network = Dcgan().critic(shape)
        network.body = nn.Sequential(*(nn.Softplus() if isinstance(m, nn.LeakyReLU) else m for m in network.body))
        for p in network.parameters():
            p.data.mul_(5)
    return network.double()


def samples(n, shape, seed):
    return torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def draw(*numbers):
    return ReplayingDraw(torch.tensor(1), torch.tensor(0.0), numbers=list(numbers))


@pytest.mark.parametrize("shape", SMOOTH, ids=str)
def test_norms_equal_finite_differences(shape):
    critic, x, h = critic_for(shape), samples(3, shape, 1), 1e-6
    steps = torch.eye(x[0].numel(), dtype=torch.float64).view(-1, *shape) * h
    with torch.no_grad():
        slopes = torch.stack([(critic(x + step) - critic(x - step)) / (2 * h) for step in steps], dim=1)
    wanted = slopes.norm(dim=1)
    assert (wanted > 1e-3).all()
    torch.testing.assert_close(gradient_norms(critic, x), wanted, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(gradient_squares(critic, x), wanted**2, rtol=1e-7, atol=1e-9)


PENALISED = [
    WassersteinPenalty(),
    WassersteinPenalty(one_sided=True),
    NonSaturatingR1(gamma=2.0),
    RegularisedRelativistic(gamma=2.0),
    Dragan(),
    Dragan(variant="code"),
]


@pytest.mark.parametrize("objective", PENALISED, ids=lambda o: o.name)
@pytest.mark.parametrize("shape", SMOOTH, ids=str)
def test_gradients_by_the_weights_equal_finite_differences(objective, shape):
    """Of the whole loss, so through the second derivatives of the critic; along a random direction."""
    network, real, fake, h = critic_for(shape), samples(4, shape, 2), samples(4, shape, 3), 1e-6
    weights = {name: p.detach() for name, p in network.named_parameters()}
    rng = torch.Generator().manual_seed(4)
    direction = {n: torch.randn(w.shape, generator=rng, dtype=torch.float64) for n, w in weights.items()}

    def loss(weights):
        return objective.critic_loss(FunctionalCritic(network, weights), real, fake, recording())

    gradients = torch.func.grad(loss)(weights)
    slope = sum((gradients[n] * direction[n]).sum() for n in weights).item()
    ends = [loss({n: w + side * h * direction[n] for n, w in weights.items()}).item() for side in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


def recording():
    """Gives halves."""
    return RecordingDraw(torch.tensor(1), torch.tensor(0.0))


def test_norms_of_a_linear_critic_are_those_of_its_weights_over_all_axes():
    w = torch.arange(1.0, 13.0).view(3, 2, 2)
    x = torch.zeros(5, 3, 2, 2)
    norms = gradient_norms(lambda x: (w * x).flatten(1).sum(1), x)
    assert norms.tolist() == pytest.approx([math.sqrt(650)] * 5)  # 12 * 13 * 25 / 6


def test_a_critic_without_slope_has_a_penalty_and_no_infinite_gradient():
    x, psi = torch.ones(3, 2), torch.zeros(2, requires_grad=True)
    norms = gradient_norms(lambda x: x @ psi, x)
    penalty = distance_from_one(norms)
    (gradient,) = torch.autograd.grad(penalty, psi)
    assert (norms.tolist(), penalty.item(), gradient.tolist()) == ([0, 0, 0], 1, [0, 0])


@pytest.mark.parametrize("size", [1e-15, 1e-6, 1.0, 1e6])
def test_norms_are_exact_however_small(size):
    psi = torch.tensor([3.0, 4.0]) * size
    assert gradient_norms(lambda x: x @ psi, torch.ones(1, 2)).item() == pytest.approx(5 * size, rel=1e-6)


def test_distance_from_one():
    norms = torch.tensor([0.0, 1.0, 3.0])
    assert distance_from_one(norms).item() == pytest.approx(5 / 3)
    assert distance_from_one(norms, one_sided=True).item() == pytest.approx(4 / 3)


def test_points_between_lie_at_one_share_of_the_way_for_all_axes_of_a_pair():
    real, fake = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    shares = torch.tensor([0.25, 0.75]).view(2, 1, 1, 1)
    assert between(real, fake, draw(shares)).flatten(1).tolist() == [[0.25] * 4, [0.75] * 4]
    recorder = recording()
    between(real, fake, recorder)
    assert recorder.calls == [RandomSpec("uniform", (2, 1, 1, 1))]


def test_wgan_gp_penalises_at_those_points():
    """The critic x² has slope 2x: at 1/4 and 3/4 of the way from 0 to 1 that is ½ and 3/2, each ½ from one."""
    real, fake = torch.zeros(2, 1), torch.ones(2, 1)
    loss = WassersteinPenalty(weight=10).critic_loss(
        lambda x: x[:, 0] ** 2, real, fake, draw(torch.tensor([[0.25], [0.75]]))
    )
    assert loss.item() == pytest.approx(1 - 0 + 10 * 0.25)


def test_dragan_looks_around_the_real_samples_in_units_of_their_spread():
    real = torch.tensor([[0.0, 0.0], [2.0, 4.0]])  # mean 3/2, variance 11/4
    deviation, noise = math.sqrt(11 / 4), torch.tensor([[1.0, -1.0], [0.5, 0.0]])
    paper = Dragan(spread=0.5).around(real, draw(noise))
    torch.testing.assert_close(paper, real + 0.5 * deviation * noise)
    corner, shares = torch.tensor([[0.2, 0.4], [0.6, 0.8]]), torch.tensor([[0.5], [0.25]])
    code = Dragan(variant="code", spread=0.5).around(real, draw(corner, shares))
    torch.testing.assert_close(code, real + shares * 0.5 * deviation * corner)


def test_r1_looks_at_real_samples_and_r2_at_generated_ones_too():
    """The critic x² has squared slope 4x²: 4 at the real point 1, 36 at the generated point 3."""
    real, fake = torch.tensor([[1.0]]), torch.tensor([[3.0]])

    def critic(x):
        return x[:, 0] ** 2

    for make, wanted in (
        (lambda gamma: NonSaturatingR1(gamma=gamma), 4 / 2),
        (lambda gamma: NonSaturatingR1(gamma=gamma, variant="code"), 4),
        (lambda gamma: RegularisedRelativistic(gamma=gamma, r2=False), 4 / 2),
        (lambda gamma: RegularisedRelativistic(gamma=gamma), 40 / 2),
    ):
        with_penalty, without = (make(gamma).critic_loss(critic, real, fake, None) for gamma in (1.0, 0.0))
        assert (with_penalty - without).item() == pytest.approx(wanted, rel=1e-5)
