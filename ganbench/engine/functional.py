"""Losses and gradients of one seed as pure functions, and their vectorisation over seeds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganbench.engine.player import FunctionalCritic
from ganbench.engine.readings import accuracy, to_float64
from ganbench.errors import ObjectiveError
from ganbench.interfaces.draw import Draw, ForbidRandomness, RandomSpec, RecordingDraw, ReplayingDraw
from ganbench.interfaces.objective import Objective, constraint_of

if TYPE_CHECKING:
    from ganbench.interfaces.objective import Constraint

# -- inputs of a step --------------------------------------------------------------------------------------------------

Weights = Mapping[str, Tensor]


class StepClock(NamedTuple):
    """Where in the run a step is; shared by all seeds. Tensors, so that a captured graph can read them."""

    step: Tensor
    progress: Tensor


class StepInputs(NamedTuple):
    """All inputs of a step's functions. For a cohort every tensor but the clock's has a leading seed axis."""

    generator: Weights
    critic: Weights
    real: Tensor  # (batch, *sample)
    latent: Tensor  # (batch, z)
    numbers: list[Tensor]  # what the objective's draws will give, in order
    state: dict[str, Tensor]
    clock: StepClock

    def draw(self) -> Draw:
        """The draw of one seed at this step."""
        return ReplayingDraw(*self.clock, self.state, self.generator, numbers=self.numbers)


class ConstraintInputs(NamedTuple):
    """Inputs of an objective's constraint."""

    critic: Weights
    state: dict[str, Tensor]
    clock: StepClock


# -- vectorisation over seeds ------------------------------------------------------------------------------------------


def min_cohort_size(sample_shape: tuple[int, ...]) -> int:
    """The seeds that a vectorised program is padded to, so that a seed's numbers do not depend on the other seeds.

    Kernels of few and of many seeds differ in rounding: of one, and for images of several channels of two.
    """
    return 3 if len(sample_shape) == 3 and sample_shape[0] > 1 else 2


def vmap_seeds(function: Callable[..., Any], loop: bool = False, in_dims: Any = 0) -> Callable[..., Any]:
    """``function`` with a leading seed axis on every tensor of its arguments and results, clocks excepted.

    Args:
        function: takes and returns tensors, or trees of them, of one seed.
        loop: run the seeds one after the other instead of through ``torch.func.vmap``.
        in_dims: as ``torch.func.vmap`` has it, where an argument holds a clock.
    """
    if not loop:
        return torch.func.vmap(function, in_dims, randomness="error")

    def of_one(*args: Any) -> Any:
        result = function(*select_seed(args, 0))
        return pytree.tree_map(lambda leaf: leaf[None], result)

    return map_sequentially(of_one)


def map_sequentially(function: Callable[..., Any], n_seeds: int | None = None) -> Callable[..., Any]:
    """A function of cohorts of one seed each, as one of a cohort that runs them one after the other.

    Args:
        function: of trees of tensors that all have a leading seed axis, clocks excepted, as those have that it gives.
        n_seeds: computed ones; further rows are padding and become copies of the last. None computes all.
    """

    def run(*args: Any) -> Any:
        n_rows = _rows(args)
        n = min(n_seeds or n_rows, n_rows)
        results = [function(*_map_seeded(operator.itemgetter(slice(k, k + 1)), args)) for k in range(n)]
        results += results[-1:] * (n_rows - n)
        return pytree.tree_map(lambda *leaves: torch.cat(leaves), *results)

    return run


def select_seed(tree: Any, k: int) -> Any:
    """The part of one seed, without a seed axis."""
    return _map_seeded(operator.itemgetter(k), tree)


def _map_seeded(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """A tree with a function applied to every tensor that has a seed axis."""
    return pytree.tree_map(lambda leaf: leaf if _is_clock(leaf) else function(leaf), tree, is_leaf=_is_clock)


def _is_clock(node: Any) -> bool:
    return isinstance(node, StepClock)


def _rows(args: Any) -> int:
    leaves = (leaf for leaf in pytree.tree_leaves(args, is_leaf=_is_clock) if not _is_clock(leaf))
    return len(next(leaves))


# -- losses and gradients of one seed ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Game:
    """An objective between two networks: the functions of a step, for one seed.

    They are pure: weights go in, gradients and readings come out.

    Attributes:
        objective: gives the losses.
        generator, critic: networks without weights of their own.
        joint: whether real and fake samples may be scored in one pass, as scores do not depend on the batch.
    """

    objective: Objective
    generator: nn.Module
    critic: nn.Module
    joint: bool

    def generate(self, weights: Weights, latent: Tensor) -> Tensor:
        """Samples (batch, *sample) of latents (batch, z)."""
        samples: Tensor = functional_call(self.generator, dict(weights), (latent,))
        return samples

    def critic_gradients(self, inputs: StepInputs) -> tuple[Weights, Tensor]:
        """Gradients of the critic's loss by its weights, and (loss, score real, score fake, accuracy, estimate)."""
        real, draw, objective = inputs.real, inputs.draw(), self.objective
        fake = self.generate(inputs.generator, inputs.latent)

        def loss(weights: Weights) -> tuple[Tensor, tuple[Tensor, ...]]:
            critic = FunctionalCritic(self.critic, weights)
            if self.joint:  # not where scores depend on the batch: packing, batch normalisation, minibatch features
                critic.score_jointly(real, fake)
            value = objective.critic_loss(critic, real, fake, draw)
            a, b = critic(real), critic(fake)  # remembered by the critic: no further pass
            right = accuracy(a, b, objective.classifier)
            return value, (a.mean(), b.mean(), right, objective.estimate(critic, real, fake))

        gradients, (value, readings) = grad_and_value(loss, has_aux=True)(inputs.critic)
        return gradients, to_float64(torch.stack([value, *readings]))

    def generator_gradients(self, inputs: StepInputs) -> tuple[Weights, Tensor]:
        """Gradients of the generator's loss by its weights, the critic frozen, and the loss."""

        def loss(weights: Weights) -> Tensor:
            draw = inputs._replace(generator=weights).draw()  # a loss may be a function of the weights themselves
            fake = self.generate(weights, inputs.latent)
            critic = FunctionalCritic(self.critic, inputs.critic)
            return self.objective.generator_loss(critic, inputs.real, fake, draw)

        gradients, value = grad_and_value(loss)(inputs.generator)
        return gradients, value

    @cached_property
    def constraint(self) -> Constraint | None:
        """The objective's constraint on the critic's weights; None where it has none."""
        return constraint_of(self.objective)

    def constrained(self, inputs: ConstraintInputs) -> Weights:
        """The critic's weights as the objective's constraint allows them at this clock and state."""
        assert self.constraint is not None
        return self.constraint(inputs.critic, Draw(*inputs.clock, inputs.state))

    @property
    def changes_state(self) -> bool:
        """Whether the objective's state changes with generator updates."""
        return type(self.objective).update_state is not Objective.update_state

    def next_state(self, inputs: StepInputs) -> dict[str, Tensor]:
        """The objective's state after a generator update."""
        fake = self.generate(inputs.generator, inputs.latent)
        critic = FunctionalCritic(self.critic, inputs.critic)
        return self.objective.update_state(critic, inputs.real, fake, inputs.draw())

    def first_state(self, inputs: StepInputs) -> dict[str, Tensor]:
        """The objective's state before the first step."""
        return self.objective.init_state(FunctionalCritic(self.critic, inputs.critic), inputs.draw())

    def record_draws(self, loss: str, inputs: StepInputs) -> list[RandomSpec]:
        """Run one loss outside any transform and learn what it draws.

        Raises:
            ObjectiveError: the loss breaks its contract; the message says how and what to do.
        """
        name = f"{self.objective.name}.{loss}"
        real, fake = inputs.real, self.generate(inputs.generator, inputs.latent)
        draw = RecordingDraw(*inputs.clock, inputs.state, inputs.generator, real.device)
        versions = (real._version, fake._version)
        critic = FunctionalCritic(self.critic, inputs.critic)
        # Under vmap a call of torch.randn would give all seeds one stream, and a trace would freeze its numbers. So a
        # loss asks for random numbers through the draw; here it is learnt which, and anything else is an error.
        with ForbidRandomness():  # type: ignore[no-untyped-call]
            value: Any = getattr(self.objective, loss)(critic, real, fake, draw)
        if not isinstance(value, Tensor) or value.shape != ():
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            sentence = f"{name} gave {got}, wanted a scalar tensor: end it with .mean()"
            raise ObjectiveError(sentence, subject=name, code="scalar")
        if (real._version, fake._version) != versions:
            sentence = f"{name} changes its inputs in place; write it without in-place operations"
            raise ObjectiveError(sentence, subject=name, code="in-place")
        return draw.calls


# -- floating-point operations -----------------------------------------------------------------------------------------


def flops(work: Callable[[], object]) -> int:
    """What some work takes, by PyTorch's formulas. PyTorch's own counter stumbles over gradients inside losses."""
    counter = _Counter()
    with counter:
        work()
    return counter.operations


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=result)
        return result
