"""The passes of an objective for all seeds of a cohort: vectorised where that pays, recorded, compiled.

Nothing here moves: weights, samples and numbers go in; gradients, readings, projected weights and the next state come
out.

Vectorised, small operations of many seeds become few large ones. Where those of one seed are large already, a processor
has nothing to gain by that and something to lose: what one operation leaves in the caches is pushed out before the next
one comes, and convolutions become grouped ones. There seeds take turns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ganbench.draws import Draw
from ganbench.errors import ObjectiveError
from ganbench.flops import flops
from ganbench.objective import Objective, constraint_of
from ganbench.passes import Arguments, Clock, Passes, Weights
from ganbench.players import Player
from ganbench.readings import gradient_norm, wide
from ganbench.tracing import Replayed
from ganbench.vectorise import in_turn, over_seeds

FULL = 1e9  # floating-point operations of one seed's critic pass, about ten milliseconds of a core


class Programs:
    """What a cohort computes.

    Args:
        passes: of one seed.
        generator, critic: the players, for the layout of their gradients.
        compiled: whether recorded programs are compiled; that changes rounding.
        precision: ``bf16`` computes products in bfloat16.
        captured: whether somebody captures all this, so that recording it is of no use, and must not happen meanwhile.

    Attributes:
        vectorises: whether vmap can run the objective.
        large: whether the passes of one seed fill a processor.
        recorded: programs by name.
    """

    def __init__(
        self,
        passes: Passes,
        generator: Player,
        critic: Player,
        *,
        compiled: bool = False,
        precision: str = "float32",
        captured: bool = False,
    ) -> None:
        self.passes = passes
        self.vectorises, self.large = passes.objective.vectorised, False
        self.recorded: dict[str, Replayed] = {}
        self._constraint = constraint_of(passes.objective)
        self._generator, self._critic = generator, critic
        self._compiled, self._precision = compiled, precision
        self._records = compiled or not captured

    @property
    def loops(self) -> bool:
        """Whether a Python loop runs over the seeds."""
        return self.large or not self.vectorises

    @property
    def recordable(self) -> bool:
        """Whether the objective can be recorded."""
        return self.passes.objective.traceable and self.vectorises

    def try_all(self, critic: Arguments, generator: Arguments) -> None:
        """Run everything once, and seed by seed from now on where that is quicker or vmap refuses.

        Raises:
            ObjectiveError: the objective breaks its contract.
            Exception: whatever it raises where seeds take turns, too.
        """
        if self.vectorises and critic.latent.device.type == "cpu":  # a choice that hangs on nothing but the setting
            self.large = self.operations(self.passes.critic_gradients, critic) >= FULL
        try:
            self._try_all(critic, generator)
        except ObjectiveError:
            raise
        except Exception as error:  # whatever vmap could not do; the loop shows whether the loss itself is at fault
            if self.loops or self._compiled:  # what is compiled has run without
                raise
            self.vectorises = False
            self._try_all(critic, generator)
            reason, name = str(error).partition("\n")[0], self.passes.objective.name
            warnings.warn(f"{name} runs seed by seed, because vmap refused it: {reason}", stacklevel=3)

    def _try_all(self, critic: Arguments, generator: Arguments) -> None:
        self.critic_gradient(critic)
        self.generator_gradient(generator)
        self.projected(critic)
        self.next_state(generator)

    def operations(self, function: Callable[[Arguments], object], arguments: Arguments) -> int:
        """Floating-point operations of the matrix products of a pass of one seed, whoever keeps it company."""
        alone = arguments.of_seed(0)
        return flops(lambda: function(alone))

    def critic_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6)."""
        found: tuple[Tensor, Tensor] = self._run("critic_gradient", self._critic_gradient, arguments)
        return found

    def generator_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2)."""
        found: tuple[Tensor, Tensor] = self._run("generator_gradient", self._generator_gradient, arguments)
        return found

    def projected(self, arguments: Arguments) -> Weights:
        """The critic's weights as its constraint allows them at this clock and state; the very same without one."""
        if self._constraint is None:
            return arguments.critic
        with torch.no_grad():
            run = self._quickly("constrain", self._projected)
            found: Weights = run(arguments.critic, arguments.state, arguments.clock)
        return found

    def next_state(self, arguments: Arguments) -> dict[str, Tensor]:
        """The objective's state after a generator update; the very same where it has none that changes."""
        if type(self.passes.objective).update_state is Objective.update_state:
            return arguments.state
        with torch.no_grad():
            found: dict[str, Tensor] = self._run("next_state", self._next_state, arguments)
        return found

    def generate(self, weights: Weights, latents: Tensor) -> Tensor:
        """Samples (K, n, *sample_shape) of latents (K, n, z)."""
        with torch.no_grad():
            samples: Tensor = over_seeds(self.passes.generate, self.loops)(weights, latents)
        return samples

    def _critic_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        gradients, readings = self._for_all(self.passes.critic_gradients, arguments)
        gradient = self._critic.flatten(gradients)
        norm = gradient_norm(gradient)
        return gradient, torch.cat([readings[:, :1], norm[:, None], readings[:, 1:]], dim=1)

    def _generator_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        gradients, loss = self._for_all(self.passes.generator_gradients, arguments)
        gradient = self._generator.flatten(gradients)
        return gradient, torch.stack([wide(loss), gradient_norm(gradient)], dim=1)

    def _projected(self, weights: Weights, state: dict[str, Tensor], clock: Clock) -> Weights:
        def of_one_seed(own: Weights, carried: dict[str, Tensor]) -> Weights:
            assert self._constraint is not None
            return self._constraint(own, Draw(*clock, carried))

        projected: Weights = over_seeds(of_one_seed, self.loops)(weights, state)
        return projected

    def _next_state(self, arguments: Arguments) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self._for_all(self.passes.next_state, arguments)
        return state

    def _for_all(self, function: Callable[[Arguments], Any], arguments: Arguments) -> Any:
        """A function of one seed's arguments, for all seeds; the clock is shared."""
        parts, clock = arguments.apart()
        with self._arithmetic(arguments.latent.device.type):
            return over_seeds(lambda part: function(Arguments(**part, clock=clock)), self.loops)(parts)

    def _arithmetic(self, device: str) -> AbstractContextManager[Any]:
        if self._precision == "bf16":  # of products; weights, their gradients and all sums stay as they are
            return torch.autocast(device, torch.bfloat16)
        return nullcontext()

    def _run(self, name: str, function: Callable[[Arguments], Any], arguments: Arguments) -> Any:
        """A function of all seeds' arguments; where they take turns, of one seed after the other."""
        quick = self._quickly(name, function)
        if not self.loops:
            return quick(arguments)
        parts, clock = arguments.apart()
        return in_turn(lambda part: quick(Arguments(**part, clock=clock)), parts)

    def _quickly(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """A function, replayed from a recording where the objective allows it."""
        if not (self.recordable and self._records):
            return run
        if name not in self.recorded:
            self.recorded[name] = Replayed(run, f"{self.passes.objective.name}: {name}", self._compiled)
        return self.recorded[name]
