"""Plain PyTorch, as tutorials write it: torch's own modules, one seed after the other, one step after the other.

What ganbench's engine is compared with. The networks are those of ganbench's ``mlp`` and ``dcgan``, weight for weight.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganbench.engine.cohort import CPU
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.objective import Objective, Optimizer

LATENT = 64
LEVELS = {8: 2, 28: 2, 32: 3}  # by an image's side: how often it is halved

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def networks(shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Generator and critic of torch's own modules, for vectors (size,) or images (channels, side, side)."""
    if len(shape) == 1:
        return _mlp(LATENT, *shape), _mlp(*shape, 1)
    channels, filters, base = shape[0], *_sizes(shape)
    up = [nn.Linear(LATENT, filters[-1] * base**2), nn.Unflatten(1, (filters[-1], base, base))]
    up += [nn.BatchNorm2d(filters[-1], track_running_stats=False), nn.ReLU()]
    for coarse, fine in pairwise(filters[::-1]):
        up += [nn.ConvTranspose2d(coarse, fine, 4, 2, 1, bias=False)]
        up += [nn.BatchNorm2d(fine, track_running_stats=False), nn.ReLU()]
    up += [nn.ConvTranspose2d(filters[0], channels, 4, 2, 1), nn.Tanh()]
    down: list[nn.Module] = []
    for fine, coarse in pairwise([channels, *filters]):
        down += [nn.Conv2d(fine, coarse, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*up), nn.Sequential(*down, nn.Flatten(), nn.Linear(filters[-1] * base**2, 1))


def _sizes(shape: tuple[int, ...]) -> tuple[list[int], int]:
    """Filters at half the side, a quarter, ...; and the side where the halving ends."""
    levels = LEVELS[shape[-1]]
    return [32 << level for level in range(levels)], shape[-1] >> levels


def _mlp(inputs: int, outputs: int) -> nn.Module:
    layers = [nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs)]
    return nn.Sequential(*layers)


def check_same(case: str, architecture: Architecture, shape: tuple[int, ...]) -> None:
    """Raises AssertionError unless the plain networks compute what ganbench's do, weight for weight."""
    ours = architecture.generator(shape), architecture.critic(shape)
    latent, x = torch.randn(8, architecture.latent), torch.randn(8, *shape)
    for own, plain, inputs in zip(ours, networks(shape), (latent, x), strict=True):
        weights = [p.detach() for p in own.parameters()]
        names = [name for name, _ in plain.named_parameters()]
        assert len(names) == len(weights), case
        converted = {n: _plain_layout(shape, w) for n, w in zip(names, weights, strict=True)}
        torch.testing.assert_close(
            functional_call(plain, converted, (inputs,)).flatten(), own(inputs).detach().flatten(), rtol=1e-4, atol=1e-5
        )


def _plain_layout(shape: tuple[int, ...], weight: Tensor) -> Tensor:
    """Ganbench keeps taps before channels, and a pixel's channels side by side in vectors; torch the other way."""
    if weight.ndim == 4:
        return weight.permute(3, 2, 0, 1)
    if len(shape) == 1:
        return weight
    filters, base = _sizes(shape)
    wide = filters[-1] * base**2
    if weight.shape[0] == wide:
        return weight.unflatten(0, (base, base, filters[-1])).movedim(2, 0).flatten(0, 2)
    if weight.shape == (1, wide):
        return weight.unflatten(1, (base, base, filters[-1])).movedim(3, 1).flatten(1)
    return weight


def loop(population: Population, objective: Objective, batch: int, device: torch.device = CPU) -> Callable[[int], None]:
    """One seed, one step after the other; the generator's gradient norm is recorded at every step.

    Args:
        population: where real samples come from.
        objective: ``gan``, ``wgan`` or ``wgan-gp``, whose optimizer and constants are taken over.
        batch: samples in a batch.
        device: where it trains; the population must be there.
    """
    generator, critic = (network.to(device) for network in networks(population.sample_shape))
    generator_optimizer, critic_optimizer = (_optimizer(objective.optimizer, n) for n in (generator, critic))
    critic_loss, generator_loss = LOSSES[objective.name]
    rng, clip, norms = torch.Generator().manual_seed(0), getattr(objective, "clip", None), []

    def steps(n: int) -> None:
        for _ in range(n):
            for _ in range(objective.n_critic):
                real = population.take(population.draw((batch,), rng).to(device))
                fake = generator(torch.randn(batch, LATENT, device=device)).detach()
                critic_optimizer.zero_grad()
                critic_loss(critic, real, fake).backward()
                critic_optimizer.step()
                if clip is not None:
                    for weight in critic.parameters():
                        weight.data.clamp_(-clip, clip)
            generator_optimizer.zero_grad()
            generator_loss(critic, generator(torch.randn(batch, LATENT, device=device))).backward()
            norms.append(nn.utils.get_total_norm([p.grad for p in generator.parameters()]).item())
            generator_optimizer.step()

    return steps


def _optimizer(wanted: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    if wanted.name == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=wanted.lr, alpha=wanted.alpha)
    return torch.optim.Adam(network.parameters(), lr=wanted.lr, betas=(wanted.beta1, wanted.beta2))


def _entropy(score: Tensor, target: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(score, torch.full_like(score, target))


def _penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def _gap(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return critic(fake).mean() - critic(real).mean()


LOSSES: dict[str, tuple[Loss, Callable[[nn.Module, Tensor], Tensor]]] = {
    "gan": (lambda c, x, y: _entropy(c(x), 1) + _entropy(c(y), 0), lambda c, y: -_entropy(c(y), 0)),
    "wgan": (_gap, lambda c, y: -c(y).mean()),
    "wgan-gp": (lambda c, x, y: _gap(c, x, y) + _penalty(c, x, y), lambda c, y: -c(y).mean()),
}
