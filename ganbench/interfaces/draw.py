"""The randomness of an objective: recorded once, drawn block by block, replayed step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ganbench.errors import ObjectiveError


class RandomSpec(NamedTuple):
    """One call of ``draw`` in a loss: the kind of numbers and their shape for one seed."""

    kind: str  # "normal" or "uniform"
    shape: tuple[int, ...]


@dataclass
class Draw:
    """The last argument of every loss: its only source of randomness, and where in the run it is.

    A constraint gets one without random numbers.

    Attributes:
        step: the generator update at hand, counted from 1: a 0-dimensional tensor.
        progress: 0 at the start of the run, 1 at its end: a 0-dimensional tensor, for schedules.
        state: the tensors that ``Objective.init_state`` made and ``update_state`` carries on.
        generator_weights: the generator's weights, by name.
    """

    step: Tensor
    progress: Tensor
    state: Mapping[str, Tensor] = field(default_factory=dict)
    generator_weights: Mapping[str, Tensor] = field(default_factory=dict)

    def normal_like(self, x: Tensor) -> Tensor:
        """Standard normal numbers of the shape of ``x``."""
        return self._numbers("normal", tuple(x.shape)).to(x.dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) of the given shape."""
        return self._numbers("uniform", shape)

    def _numbers(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        raise ObjectiveError(
            f"constrain asked for {kind} numbers of shape {shape}: a constraint has the clock and the state, and no "
            "random numbers; draw them in critic_loss",
            subject="constrain",
            code="no-draws",
        )


@dataclass
class RecordingDraw(Draw):
    """Notes what a loss asks for, so that whole blocks can be drawn ahead. Gives halves: finite in any formula."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    calls: list[RandomSpec] = field(default_factory=list)

    def _numbers(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        self.calls.append(RandomSpec(kind, shape))
        return torch.full(shape, 0.5, device=self.device)


@dataclass
class ReplayingDraw(Draw):
    """Hands out the numbers that were drawn ahead, in the order in which the loss was seen to ask for them."""

    numbers: Sequence[Tensor] = ()
    used: int = 0

    def _numbers(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        if self.used >= len(self.numbers) or tuple(self.numbers[self.used].shape) != shape:
            raise ObjectiveError(
                f"draw call {self.used + 1} asked for {kind} numbers of shape {shape}, which it did not ask for when "
                "the loss was first run; a loss must draw the same shapes in the same order at every step",
                code="draws",
            )
        self.used += 1
        return self.numbers[self.used - 1]


class ForbidRandomness(TorchDispatchMode):
    """While active, any random torch operation is an error that names ``draw``."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let everything pass but operations that PyTorch tags as depending on a random seed."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise ObjectiveError(
                f"the loss called {func}: randomness must come from draw.normal_like(x) or draw.uniform(*shape), "
                "so that it belongs to the seed and can be replayed",
                code="randomness",
                remedy="draw.normal_like(x)",
            )
        return func(*args, **(kwargs or {}))


def fill(spec: RandomSpec, leading: int, rng: torch.Generator) -> Tensor:
    """``leading`` independent draws of one spec: (leading, *shape), on the CPU."""
    shape = (leading, *spec.shape)
    if spec.kind == "normal":
        return torch.randn(shape, generator=rng)
    return torch.rand(shape, generator=rng)
