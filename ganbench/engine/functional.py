"""Losses and gradients of one seed as pure functions, and their vectorisation over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from ganbench.interfaces.objective import Objective

# -- vectorisation over seeds ------------------------------------------------------------------------------------------


def min_cohort_size(sample_shape: tuple[int, ...]) -> int:
    """The seeds that a vectorised program is padded to, so that a seed's numbers do not depend on the other seeds.

    Kernels of few and of many seeds differ in rounding: of one, and for images of several channels of two.
    """
    return 3 if len(sample_shape) == 3 and sample_shape[0] > 1 else 2


def vmap_seeds(function: Callable[..., Any], loop: bool = False) -> Callable[..., Any]:
    """``function`` with a leading seed axis on every tensor of its arguments and results.

    Args:
        function: takes and returns tensors, or trees of them, of one seed.
        loop: run the seeds one after the other instead of through ``torch.func.vmap``.
    """
    return _looped(function) if loop else torch.func.vmap(function, randomness="error")


def map_sequentially(function: Callable[..., Any], tree: Any) -> Any:
    """What a function of several seeds gives, computed for one seed after the other.

    Args:
        function: of a tree of tensors that all have a leading seed axis, as those have that it gives.
        tree: its argument.
    """
    n_seeds = len(pytree.tree_leaves(tree)[0])
    results = [function(pytree.tree_map(lambda leaf, k=k: leaf[k : k + 1], tree)) for k in range(n_seeds)]
    return pytree.tree_map(lambda *leaves: torch.cat(leaves), *results)


def _looped(function: Callable[..., Any]) -> Callable[..., Any]:
    def alone(args: Any) -> Any:
        result = function(*pytree.tree_map(lambda leaf: leaf[0], args))
        return pytree.tree_map(lambda leaf: leaf[None], result)

    return lambda *args: map_sequentially(alone, args)


# -- losses and gradients of one seed ----------------------------------------------------------------------------------

Weights = Mapping[str, Tensor]


class StepClock(NamedTuple):
    """Where in the run a step is; shared by all seeds. Tensors, so that a captured graph can read them."""

    step: Tensor
    progress: Tensor


class StepInputs(NamedTuple):
    """All that a pass needs. For a cohort every tensor but the clock's has a leading seed axis."""

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

    def apart(self) -> tuple[dict[str, Any], StepClock]:
        """What has a seed axis, and what is shared."""
        parts = self._asdict()
        return parts, parts.pop("clock")

    def of_seed(self, k: int) -> StepInputs:
        """The arguments of one seed of a cohort."""
        parts, clock = self.apart()
        return StepInputs(**pytree.tree_map(lambda leaf: leaf[k], parts), clock=clock)


@dataclass(frozen=True)
class Passes:
    """What happens in a step, for one seed. Pure: weights go in, gradients and readings come out.

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

    def critic_gradients(self, arguments: StepInputs) -> tuple[Weights, Tensor]:
        """Gradients of the critic's loss by its weights, and (loss, score real, score fake, accuracy, estimate)."""
        real, draw, objective = arguments.real, arguments.draw(), self.objective
        fake = self.generate(arguments.generator, arguments.latent)

        def loss(weights: Weights) -> tuple[Tensor, tuple[Tensor, ...]]:
            critic = FunctionalCritic(self.critic, weights)
            if self.joint:
                critic.score_jointly(real, fake)
            value = objective.critic_loss(critic, real, fake, draw)
            a, b = critic(real), critic(fake)
            right = accuracy(a, b, objective.classifier)
            return value, (a.mean(), b.mean(), right, objective.estimate(critic, real, fake))

        gradients, (value, readings) = grad_and_value(loss, has_aux=True)(arguments.critic)
        return gradients, to_float64(torch.stack([value, *readings]))

    def generator_gradients(self, arguments: StepInputs) -> tuple[Weights, Tensor]:
        """Gradients of the generator's loss by its weights, the critic frozen, and the loss."""

        def loss(weights: Weights) -> Tensor:
            draw = arguments._replace(generator=weights).draw()  # a loss may be a function of the weights themselves
            fake = self.generate(weights, arguments.latent)
            critic = FunctionalCritic(self.critic, arguments.critic)
            return self.objective.generator_loss(critic, arguments.real, fake, draw)

        gradients, value = grad_and_value(loss)(arguments.generator)
        return gradients, value

    def next_state(self, arguments: StepInputs) -> dict[str, Tensor]:
        """The objective's state after a generator update."""
        fake = self.generate(arguments.generator, arguments.latent)
        critic = FunctionalCritic(self.critic, arguments.critic)
        return self.objective.update_state(critic, arguments.real, fake, arguments.draw())

    def first_state(self, arguments: StepInputs) -> dict[str, Tensor]:
        """The objective's state before the first step."""
        return self.objective.init_state(FunctionalCritic(self.critic, arguments.critic), arguments.draw())

    def rehearse(self, loss: str, arguments: StepInputs) -> list[RandomSpec]:
        """Run one loss outside any transform and learn what it draws.

        Raises:
            ObjectiveError: the loss breaks its contract; the message says how and what to do.
        """
        name = f"{self.objective.name}.{loss}"
        real, fake = arguments.real, self.generate(arguments.generator, arguments.latent)
        draw = RecordingDraw(*arguments.clock, arguments.state, arguments.generator, real.device)
        versions = (real._version, fake._version)
        critic = FunctionalCritic(self.critic, arguments.critic)
        with ForbidRandomness():  # type: ignore[no-untyped-call]
            value: Any = getattr(self.objective, loss)(critic, real, fake, draw)
        if not isinstance(value, Tensor) or value.shape != ():
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ObjectiveError(f"{name} gave {got}, wanted a scalar tensor: end it with .mean()")
        if (real._version, fake._version) != versions:
            raise ObjectiveError(f"{name} changes its inputs in place; write it without in-place operations")
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
