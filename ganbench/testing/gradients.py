"""Gradients: they reach the player whose loss it is and no other, and are the derivatives of that loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ganbench.passes import Arguments, Passes, Weights
from ganbench.players import FunctionalCritic
from ganbench.streams import generator as stream
from ganbench.testing.defect import Defect
from ganbench.testing.subject import Subject
from ganbench.testing.toys import DOUBLE, Case

CASE = Case(dtype=DOUBLE)
STEP, RELATIVE, DIRECTIONS = 1e-5, 1e-4, 5

Pass = Callable[[Arguments], tuple[Weights, Tensor]]


def _passes(passes: Passes) -> dict[str, Pass]:
    """By player: its gradients and its loss."""

    def critic(arguments: Arguments) -> tuple[Weights, Tensor]:
        gradients, readings = passes.critic_gradients(arguments)
        return gradients, readings[0]

    return {"critic": critic, "generator": passes.generator_gradients}


WANTED = {"critic": "compute it from critic(real) and critic(fake)", "generator": "compute it from critic(fake)"}


def players(subject: Subject) -> Iterator[Defect]:
    """Each loss has a finite gradient by its own player's weights, and the critic's none by the generator's."""
    passes = CASE.passes(subject.instance)
    for player, run in _passes(passes).items():
        gradients, _ = run(CASE.arguments(passes, f"{player}_loss"))
        if not all(g.isfinite().all() for g in gradients.values()):
            fix = "add a small constant below roots and away from the corners of norms"
            yield Defect("players", f"{player}_loss has a gradient that is not finite", fix)
        elif not any(g.any() for g in gradients.values()):
            reason = f"{player}_loss has no gradient by the {player}'s weights"
            yield Defect("players", reason, f"{WANTED[player]}, without .detach(), .item() or torch.no_grad()")
    if _reaches_generator(subject, passes):
        reason = "critic_loss has a gradient by the generator's weights"
        yield Defect("players", reason, "leave draw.generator_weights to generator_loss")


def _reaches_generator(subject: Subject, passes: Passes) -> bool:
    arguments = CASE.arguments(passes)
    shown = {name: w.clone().requires_grad_() for name, w in arguments.generator.items()}
    fake = passes.generate(arguments.generator, arguments.latent)
    critic, draw = FunctionalCritic(passes.critic, arguments.critic), arguments._replace(generator=shown).draw()
    value = subject.instance.critic_loss(critic, arguments.real, fake, draw)
    if not value.requires_grad:
        return False
    gradients = torch.autograd.grad(value, list(shown.values()), allow_unused=True)
    return any(g is not None and bool(g.any()) for g in gradients)


def differences(subject: Subject) -> Iterator[Defect]:
    """Gradients equal central differences of the loss in double precision, along most of some random directions."""
    passes = CASE.passes(subject.instance)
    for player, run in _passes(passes).items():
        arguments = CASE.arguments(passes, f"{player}_loss")
        pairs = [_slopes(run, arguments, player, k) for k in range(DIRECTIONS)]
        wrong = [(a, b) for a, b in pairs if abs(a - b) > RELATIVE * max(abs(a), abs(b), 1e-6)]
        if len(wrong) > DIRECTIONS // 2:  # a corner of a loss may lie on the way of one or two
            reason = f"{player}_loss has slope {wrong[0][1]:.6g} where its gradient says {wrong[0][0]:.6g}"
            yield Defect("differences", reason, "no .detach(), .item(), .data or rounding on the way to the loss")


def _slopes(run: Pass, arguments: Arguments, player: str, direction: int) -> tuple[float, float]:
    """The slope along a random direction, by the gradient and by differences."""
    rng, weights = stream(direction, "toy-direction"), getattr(arguments, player)
    way = {name: torch.randn(w.shape, generator=rng, dtype=w.dtype) for name, w in weights.items()}

    def value(step: float) -> float:
        moved = {name: w + step * way[name] for name, w in weights.items()}
        there = Arguments(**{**arguments._asdict(), player: moved})
        return run(there)[1].item()

    gradients, _ = run(arguments)
    exact = sum((gradients[name] * way[name]).sum().item() for name in weights)
    return exact, (value(STEP) - value(-STEP)) / (2 * STEP)
