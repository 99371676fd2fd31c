"""Checks of losses: values, gradients, rounding, and dependence on other samples."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.engine.functional import Game, StepInputs, Weights
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.draw import RandomSpec, RecordingDraw
from ganbench.rng import generator as stream
from ganbench.testing.candidate import LOSSES, Candidate, Defect, Finding, Unchecked
from ganbench.testing.toys import DOUBLE, Case, DiracCritic, value_of

# -- rounding ----------------------------------------------------------------------------------------------------------

SCORES = (-100.0, -30.0, -20.0, -10.0, 10.0, 20.0, 30.0, 100.0)
TERMS = (("critic_loss", "real"), ("critic_loss", "fake"), ("generator_loss", "fake"))
CLOSE, VANISHED = 1e-3, 1e-6
LARGEST = torch.finfo(torch.float32).max ** 0.5  # what grows beyond does so by its own nature


def rounding(subject: Candidate) -> Iterator[Defect]:
    """Gradients by the scores are the same in single and in double precision, however sure the critic is."""
    for loss, kind in TERMS:
        for score in SCORES:
            exact, single = (slope_by_score(subject, loss, kind, torch.tensor(score, dtype=d)) for d in PRECISIONS)
            if abs(exact) < LARGEST and not abs(single - exact) <= max(CLOSE * abs(exact), VANISHED):
                found = (
                    f"{loss}: at {kind} score {score:g} the gradient is {single:.3g} in float32, {exact:.3g} in float64"
                )
                yield Defect(
                    "rounding", found, "use ganbench.softplus on raw scores instead of log(sigmoid(...))", "precision"
                )
                break


PRECISIONS = (DOUBLE, torch.float32)


def slope_by_score(subject: Candidate, loss: str, kind: str, score: Tensor) -> float:
    """The derivative of a loss by the score of its only real or generated sample; the other sample scores 0.

    Under the critic x ↦ x a sample is its own score.
    """
    one, zero = score.new_ones(()), score.new_zeros(1, 1)
    critic = DiracCritic(one)
    clock, theta = (torch.tensor(1), score.new_zeros(())), {"theta": one}
    state = subject.instance.init_state(critic, RecordingDraw(*clock, {}, theta))

    def value(x: Tensor) -> Tensor:
        points = {"real": zero, "fake": zero, kind: x.reshape(1, 1)}
        draw = RecordingDraw(*clock, state, theta)
        result: Tensor = getattr(subject.instance, loss)(critic, points["real"], points["fake"], draw)
        return result

    gradient: Tensor = torch.func.grad(value)(score)
    return gradient.item()


# -- gradients ---------------------------------------------------------------------------------------------------------

CASE = Case(dtype=DOUBLE)
STEP, RELATIVE, DIRECTIONS = 1e-5, 1e-4, 5

Pass = Callable[[StepInputs], tuple[Weights, Tensor]]


def _passes(game: Game) -> dict[str, Pass]:
    """By player: its gradients and its loss."""

    def critic(inputs: StepInputs) -> tuple[Weights, Tensor]:
        gradients, readings = game.critic_gradients(inputs)
        return gradients, readings[0]

    return {"critic": critic, "generator": game.generator_gradients}


WANTED = {"critic": "compute it from critic(real) and critic(fake)", "generator": "compute it from critic(fake)"}


def players(subject: Candidate) -> Iterator[Defect]:
    """Each loss has a finite gradient by its own player's weights, and the critic's none by the generator's."""
    game = CASE.game(subject.instance)
    for player, run in _passes(game).items():
        gradients, _ = run(CASE.inputs(game, f"{player}_loss"))
        if not all(g.isfinite().all() for g in gradients.values()):
            fix = "add a small constant below roots and away from the corners of norms"
            yield Defect("players", f"{player}_loss has a gradient that is not finite", fix, "not-finite")
        elif not any(g.any() for g in gradients.values()):
            reason = f"{player}_loss has no gradient by the {player}'s weights"
            yield Defect(
                "players", reason, f"{WANTED[player]}, without .detach(), .item() or torch.no_grad()", "no-gradient"
            )
    if _reaches_generator(subject, game):
        reason = "critic_loss has a gradient by the generator's weights"
        yield Defect("players", reason, "leave draw.generator_weights to generator_loss", "other-player")


def _reaches_generator(subject: Candidate, game: Game) -> bool:
    inputs = CASE.inputs(game)
    shown = {name: w.clone().requires_grad_() for name, w in inputs.generator.items()}
    fake = game.generate(inputs.generator, inputs.latent)
    critic, draw = FunctionalCritic(game.critic, inputs.critic), inputs._replace(generator=shown).draw()
    value = subject.instance.critic_loss(critic, inputs.real, fake, draw)
    if not value.requires_grad:
        return False
    gradients = torch.autograd.grad(value, list(shown.values()), allow_unused=True)
    return any(g is not None and bool(g.any()) for g in gradients)


def differences(subject: Candidate) -> Iterator[Defect]:
    """Gradients equal central differences of the loss in double precision, along most of some random directions."""
    game = CASE.game(subject.instance)
    for player, run in _passes(game).items():
        inputs = CASE.inputs(game, f"{player}_loss")
        pairs = [_slopes(run, inputs, player, k) for k in range(DIRECTIONS)]
        wrong = [(a, b) for a, b in pairs if abs(a - b) > RELATIVE * max(abs(a), abs(b), 1e-6)]
        if len(wrong) > DIRECTIONS // 2:  # a corner of a loss may lie on the way of one or two
            reason = f"{player}_loss has slope {wrong[0][1]:.6g} where its gradient says {wrong[0][0]:.6g}"
            yield Defect(
                "differences", reason, "no .detach(), .item(), .data or rounding on the way to the loss", "slope"
            )


def _slopes(run: Pass, inputs: StepInputs, player: str, direction: int) -> tuple[float, float]:
    """The slope along a random direction, by the gradient and by differences."""
    rng, weights = stream(direction, "toy-direction"), getattr(inputs, player)
    way = {name: torch.randn(w.shape, generator=rng, dtype=w.dtype) for name, w in weights.items()}

    def value(step: float) -> float:
        moved = {name: w + step * way[name] for name, w in weights.items()}
        there = StepInputs(**{**inputs._asdict(), player: moved})
        return run(there)[1].item()

    gradients, _ = run(inputs)
    exact = sum((gradients[name] * way[name]).sum().item() for name in weights)
    return exact, (value(STEP) - value(-STEP)) / (2 * STEP)


# -- losses ------------------------------------------------------------------------------------------------------------

VECTORS, GREY, COLOUR = (2,), (1, 8, 8), (3, 8, 8)
CASES = [
    *(Case(shape, batch) for shape in (VECTORS, GREY) for batch in (1, 5, 8)),
    Case(COLOUR, 5),
    Case(VECTORS, 6, m=2),
]
LATE = Case(step=1000, progress=1.0)


def scalar(subject: Candidate) -> Iterator[Defect]:
    """Both losses are finite scalar tensors for batch 1, odd batches, vectors and images."""
    for loss in LOSSES:
        for case in CASES:
            found = subject.attempt("scalar", str(case), partial(_value, subject, loss, case))
            if isinstance(found, Defect):
                yield found
                break
            if not found.isfinite():
                reason = f"{loss} is {found.item()} for {case}"
                yield Defect(
                    "scalar", reason, "no logarithm or root of zero, and no spread of a single sample", "not-finite"
                )
                break


def _value(subject: Candidate, loss: str, case: Case) -> Tensor:
    game = case.game(subject.instance)
    return value_of(subject.instance, game, loss, case.inputs(game, loss)).detach()


def precision(subject: Candidate) -> Iterator[Defect]:
    """Losses keep the precision of their samples."""
    for loss in LOSSES:
        value = _value(subject, loss, Case(dtype=DOUBLE))
        if value.dtype != DOUBLE:
            reason = f"{loss} gives {value.dtype} where samples are {DOUBLE}"
            yield Defect("precision", reason, "drop .float() and dtype=; use x.new_zeros(...) for constants", "dtype")


def repeatable(subject: Candidate) -> Iterator[Defect]:
    """The same seed gives the same numbers, and the random numbers of Python and NumPy stay untouched."""
    case = Case()
    game = case.game(subject.instance)
    for loss in LOSSES:
        inputs, before = case.inputs(game, loss), foreign_randomness()
        first, again = (value_of(subject.instance, game, loss, inputs).item() for _ in range(2))
        touched = [name for name, found in foreign_randomness().items() if found != before[name]]
        if touched:
            fix = "draw from draw.normal_like(x) or draw.uniform(*shape)"
            yield Defect("repeatable", f"{loss} uses Python's {touched[0]}", fix, "randomness")
        elif first != again:
            reason = f"{loss} gives {first:.6g} and then {again:.6g} for the same arguments"
            yield Defect(
                "repeatable", reason, "no counter, clock or randomness but draw; carry state in init_state", "unsteady"
            )


def foreign_randomness() -> dict[str, object]:
    """Where the generators stand that a loss may not use."""
    _, key, position, *_ = np.random.get_state()
    return {"random": random.getstate(), "numpy.random": (bytes(key), position)}  # type: ignore[arg-type]


def inputs(subject: Candidate) -> Iterator[Defect]:
    """Losses change none of their arguments."""
    case = Case()
    game = case.game(subject.instance)
    for loss in LOSSES:
        used = case.inputs(game, loss)
        fresh = case.begun(game)._replace(numbers=[n.clone() for n in used.numbers])
        value_of(subject.instance, game, loss, used)
        for part, what in CHANGED.items():
            pairs = zip(*(pytree.tree_leaves(getattr(a, part)) for a in (used, fresh)), strict=True)
            if not all(torch.equal(a, b) for a, b in pairs):
                yield Defect(
                    "inputs", f"{loss} changes {what} in place", "write it without in-place operations", "in-place"
                )


CHANGED = {
    "critic": "the critic's weights",
    "generator": "the generator's weights",
    "state": "draw.state",
    "numbers": "what draw gives",
}


def draws(subject: Candidate) -> Iterator[Defect]:
    """A loss draws the same shapes at every step, for they are drawn ahead, and numbers of its own for each sample."""
    early = Case()
    game = early.game(subject.instance)
    for loss in LOSSES:
        inputs = early.inputs(game, loss)
        first, last = (game.record_draws(loss, inputs._replace(clock=case.clock())) for case in (early, LATE))
        if first != last:
            reason = f"{loss} draws {_shapes(first)} at the first step and {_shapes(last)} at the last"
            yield Defect("draws", reason, "always draw, and multiply by zero where it is not wanted", "varying")
        elif not subject.instance.couples_samples and (shared := _shared(subject, loss, first)):
            reason = f"{loss} draws {_shapes(shared)} once for all samples of a batch"
            yield Defect(
                "draws", reason, "draw for each sample: draw.uniform(len(real), *[1] * (real.ndim - 1))", "shared"
            )


def _shared(subject: Candidate, loss: str, specs: Sequence[RandomSpec]) -> list[RandomSpec]:
    """The draws that do not grow with the batch."""
    smaller = Case(batch=5)
    game = smaller.game(subject.instance)
    others = game.record_draws(loss, smaller.begun(game))
    return [spec for spec, other in zip(specs, others, strict=False) if spec == other]


def _shapes(specs: Sequence[RandomSpec]) -> str:
    return ", ".join(f"{kind} {shape}" for kind, shape in specs) or "nothing"


def devices(subject: Candidate) -> Iterator[Defect]:
    """Losses make no tensor on a device of their own."""
    case = Case(device="meta")
    game: Game = case.game(subject.instance)
    for loss in LOSSES:
        try:
            value_of(subject.instance, game, loss, case.inputs(game, loss))
        except RuntimeError as error:
            if "device" in str(error):
                reason = f"{loss} mixes a tensor on the CPU with samples that lie elsewhere"
                yield Defect("devices", reason, "make constants with x.new_zeros(...) or torch.zeros_like(x)", "cpu")
        except Exception:  # tensors without numbers cannot do all that others can; other checks have run the loss
            continue


# -- a loss is a mean over samples -------------------------------------------------------------------------------------


def batches(subject: Candidate) -> Iterator[Finding]:
    """The loss of a batch is the loss of the same batch twice over."""
    if subject.instance.couples_samples:
        yield Unchecked("batches", "couples_samples is True")
        return
    once = Case(dtype=DOUBLE)
    game = once.game(subject.instance)
    for loss in LOSSES:
        inputs = once.inputs(game, loss)
        doubled = _doubled(game, loss, inputs)
        if doubled is None:
            yield Unchecked("batches", f"{loss} draws other shapes for a batch of another size")
            continue
        one, two = (_level(subject, game, loss, a) for a in (inputs, doubled))
        if _close(one.value, two.value):
            continue
        found = f"it is {one.value:.4g} for {once.batch} samples and {two.value:.4g} for the same ones twice over"
        if one.penalised and _close(one.without, two.without):
            yield Defect("batches", f"the gradient penalty of {loss} mixes samples: {found}", FIX_AXIS, "penalty")
        else:
            code, reason, fix = _growth(subject, loss)
            yield Defect("batches", f"{loss} {reason}: {found}", fix, code)


def axes(subject: Candidate) -> Iterator[Finding]:
    """A gradient penalty on images is that on the same numbers as vectors."""
    for loss in LOSSES:
        levels = []
        for shape in (COLOUR, (3 * 8 * 8,)):
            case = Case(shape, 5, DOUBLE)
            game = case.game(subject.instance)
            levels.append(_level(subject, game, loss, case.inputs(game, loss)))
        images, vectors = levels
        if _close(images.value, vectors.value) or not images.penalised:
            continue
        if not _close(images.without, vectors.without):
            yield Unchecked("axes", f"{loss} treats images otherwise than vectors")
            continue
        found = f"{images.value:.4g} for images and {vectors.value:.4g} for the same numbers as vectors"
        yield Defect("axes", f"the gradient penalty of {loss} runs over the wrong axis: {found}", FIX_AXIS, "penalty")


FIX_AXIS = "take the norm of each sample's gradient over all its own axes, .flatten(1).norm(dim=1), and then .mean()"

# What makes a loss grow with the batch, by the words of its source: the code, the reason and the fix.
GROWTH = (
    (r"sum\([^()]*\)\s*/\s*\d", "divisor", "divides a sum by a fixed number", "take .mean(): batches have any size"),
    (r"sum\(", "sum", "adds up the batch", "take .mean() instead of .sum()"),
    (
        r"len\(|\.shape|\.size\(",
        "factor",
        "is multiplied by the size of the batch",
        "leave that factor out: .mean() is enough",
    ),
    (
        r"std\(|var\(|cov\(",
        "statistic",
        "has a statistic of the batch",
        "take correction=0, or declare couples_samples = True",
    ),
)


def _growth(subject: Candidate, loss: str) -> tuple[str, str, str]:
    try:
        source = inspect.getsource(getattr(subject.cls, loss))
    except (OSError, TypeError):
        source = ""
    for pattern, code, reason, fix in GROWTH:
        if re.search(pattern, source):
            return code, reason, fix
    fix = "take .mean(), or declare couples_samples = True where the paper couples samples"
    return "unknown", "is no mean over samples", fix


class _Level(NamedTuple):
    """A loss, and what it is without its gradient penalty, if it has one."""

    value: float
    without: float  # under a critic whose scores have no slope at the points of the penalty
    penalised: bool


class _LevelCritic(FunctionalCritic):
    """A critic with the same scores, and no slope by samples that a loss differentiates by."""

    differentiated = False

    def __call__(self, x: Tensor) -> Tensor:
        """Raw scores (batch,)."""
        if not x.requires_grad:
            return super().__call__(x)
        self.differentiated = True
        return super().__call__(x.detach()) + 0 * x.flatten(1).sum(1)


def _level(subject: Candidate, game: Game, loss: str, inputs: StepInputs) -> _Level:
    fake = game.generate(inputs.generator, inputs.latent)
    critic = _LevelCritic(game.critic, inputs.critic)
    without: Tensor = getattr(subject.instance, loss)(critic, inputs.real, fake, inputs.draw())
    value = value_of(subject.instance, game, loss, inputs)
    return _Level(value.item(), without.item(), critic.differentiated)


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))


def _doubled(game: Game, loss: str, inputs: StepInputs) -> StepInputs | None:
    """Every sample twice, with its random numbers; None where these fit no batch of that size."""
    real, latent = (torch.cat([x, x]) for x in (inputs.real, inputs.latent))
    doubled = inputs._replace(real=real, latent=latent)
    specs = game.record_draws(loss, doubled)
    numbers = []
    for number, spec in zip(inputs.numbers, specs, strict=False):
        whole = number if tuple(number.shape) == spec.shape else torch.cat([number, number]) if number.ndim else number
        if tuple(whole.shape) != spec.shape:
            return None
        numbers.append(whole)
    return doubled._replace(numbers=numbers) if len(specs) == len(numbers) == len(inputs.numbers) else None
