"""A cohort: trials that differ in nothing but the seed, trained as one vectorised program.

One generator step is: n critic updates, each on fresh real samples and fresh latents; then one generator update with
the critic frozen. Readings are taken after the last backward pass of each player and before its optimizer moves, and
stay on the device. Nothing here waits for the device, opens a file or knows what a trial is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganbench.dataset import Population
from ganbench.errors import ObjectiveError
from ganbench.feed import Batch, Feed, block_length
from ganbench.networks.architecture import Architecture
from ganbench.objective import Objective, Optimizer
from ganbench.passes import Arguments, Clock, Passes, Weights
from ganbench.players import Player, make_player
from ganbench.readings import gradient_norm, wide
from ganbench.tracing import Replayed
from ganbench.vectorise import least_seeds, over_seeds

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setting:
    """All that a cohort's numbers depend on, besides its seeds.

    Attributes:
        generator_optimizer: the generator's, where it is not the objective's own.
        solitary: promises that no seed will ever have company, so that one alone needs no padding.
    """

    population: Population
    architecture: Architecture
    objective: Objective
    steps: int
    batch_size: int = 64
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32
    generator_optimizer: Optimizer | None = None
    solitary: bool = False

    def least_seeds(self) -> int:
        """The seeds that a cohort is padded to."""
        return 1 if self.solitary else least_seeds(self.population.sample_shape)


class Cohort:
    """The training state of K seeds under one objective.

    Args:
        setting: what they share.
        seeds: what they differ in. Few are padded to two (three for colour images) by repeating the last, because
            vectorised kernels of few and of many differ in rounding; so a seed's numbers do not depend on its company.

    Raises:
        ObjectiveError: the objective breaks its contract.
    """

    def __init__(self, setting: Setting, seeds: tuple[int, ...]) -> None:
        self.setting = setting
        self.seeds = seeds
        self._padded = seeds + seeds[-1:] * (setting.least_seeds() - len(seeds))
        self.generator, self.critic = self._make_players()
        joint = not setting.architecture.couples_samples
        self._passes = Passes(setting.objective, self.generator.network, self.critic.network, joint)
        self.loops = not setting.objective.vectorised  # whether a Python loop runs over the seeds
        self._programs: dict[str, Callable[..., Any]] = {}
        self.state = self._first_state()
        self.feed = self.make_feed(setting.batch_size)
        self._choose_how_to_run()

    # -- what a run calls -----------------------------------------------------------------------------------------

    def clocks(self, first: int, n: int) -> list[Clock]:
        """The clocks of n generator steps, counted from 1; made at once, so that no step waits for a transfer."""
        s, numbers = self.setting, range(first, first + n)
        steps = torch.tensor(numbers, device=s.device)
        progress = torch.tensor([step / s.steps for step in numbers], dtype=s.dtype, device=s.device)
        return [Clock(*pair) for pair in zip(steps.unbind(), progress.unbind(), strict=True)]

    def clock(self, step: int) -> Clock:
        """The clock at one generator step."""
        return self.clocks(step, 1)[0]

    def update_critic(self, batch: Batch, clock: Clock) -> Tensor:
        """One critic update. Returns its readings, (K, 6), still on the device."""
        gradient, readings = self.critic_gradient(self.arguments(batch, clock))
        self.critic.update(gradient)
        self._constrain()
        return readings

    def update_generator(self, batch: Batch, clock: Clock) -> Tensor:
        """One generator update, with the critic frozen. Returns its readings, (K, 2), still on the device."""
        arguments = self.arguments(batch, clock)
        gradient, readings = self.generator_gradient(arguments)
        self.generator.update(gradient)
        self._update_state(arguments)
        return readings

    def critic_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6); nothing moves."""
        gradients, readings = self._run(self._passes.critic_gradients, arguments)
        gradient = self.critic.flatten(gradients)
        norm = gradient_norm(gradient)
        return gradient, torch.cat([readings[:, :1], norm[:, None], readings[:, 1:]], dim=1)

    def generator_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2); nothing moves."""
        gradients, loss = self._run(self._passes.generator_gradients, arguments)
        gradient = self.generator.flatten(gradients)
        return gradient, torch.stack([wide(loss), gradient_norm(gradient)], dim=1)

    def arguments(self, batch: Batch, clock: Clock) -> Arguments:
        """What a pass needs, from a batch and the weights as they stand."""
        real = self.setting.population.take(batch.real).to(self.setting.dtype)
        weights = self.generator.weights, self.critic.weights
        return Arguments(*weights, real, batch.latent, batch.numbers, self.state, clock)

    def sample(self, latents: Tensor) -> Tensor:
        """Samples of every seed from its own latents (K, n, z): (K, n, *sample_shape)."""
        latents = torch.cat([latents, latents[-1:].expand(len(self._padded) - len(self.seeds), -1, -1)])
        with torch.no_grad():
            samples: Tensor = over_seeds(self._passes.generate, self.loops)(self.generator.weights, latents)
        return samples[: len(self.seeds)]

    # -- all seeds at once ----------------------------------------------------------------------------------------

    def _run(self, function: Callable[[Arguments], Any], arguments: Arguments) -> Any:
        """A function of one seed's arguments, for all seeds; the clock is shared."""

        def run(arguments: Arguments) -> Any:
            parts = arguments._asdict()
            clock = parts.pop("clock")
            return over_seeds(lambda part: function(Arguments(**part, clock=clock)), self.loops)(parts)

        return self._quickly(function.__name__, run)(arguments)

    def _quickly(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """A function of all seeds, replayed from a recording where the objective allows it."""
        if self.loops or not self.setting.objective.traceable:
            return run
        if name not in self._programs:
            self._programs[name] = Replayed(run, f"{self.setting.objective.name}: {name}")
        return self._programs[name]

    def _constrain(self) -> None:
        objective = self.setting.objective
        if type(objective).constrain is Objective.constrain:
            return
        with torch.no_grad():
            constrain = self._quickly("constrain", over_seeds(objective.constrain, self.loops))
            projected: Weights = constrain(self.critic.weights)
            for name, weight in self.critic.weights.items():
                weight.copy_(projected[name])

    def _update_state(self, arguments: Arguments) -> None:
        if type(self.setting.objective).update_state is not Objective.update_state:
            with torch.no_grad():
                self.state = self._run(self._passes.next_state, arguments)

    # -- preparation ----------------------------------------------------------------------------------------------

    def _make_players(self) -> tuple[Player, Player]:
        s, shape = self.setting, self.setting.population.sample_shape
        own, where = s.objective.optimizer, (s.device, s.dtype)
        first = s.generator_optimizer or own
        generator = make_player(lambda: s.architecture.generator(shape), self._padded, "generator-init", first, *where)
        critic = make_player(lambda: s.architecture.critic(shape), self._padded, "critic-init", own, *where)
        return generator, critic

    def make_feed(self, batch_size: int, prefix: str = "") -> Feed:
        """A feed for batches of a given size, for which each loss is run once to learn its draws and its faults."""
        s = self.setting
        length = block_length(batch_size, torch.Size(s.population.sample_shape).numel())
        feed = Feed(
            self._padded, s.population, batch_size, s.architecture.latent, length, s.device, s.dtype, prefix=prefix
        )
        first = self.arguments(feed.critic(0, 0)[0], self.clock(1)).of_seed(0)
        critic_specs, generator_specs = (
            self._passes.rehearse(loss, first) for loss in ("critic_loss", "generator_loss")
        )
        return replace(feed, critic_specs=critic_specs, generator_specs=generator_specs)

    def _first_state(self) -> dict[str, Tensor]:
        nothing = torch.empty(len(self._padded), 0)
        arguments = Arguments(self.generator.weights, self.critic.weights, nothing, nothing, [], {}, self.clock(1))
        states = [self._passes.first_state(arguments.of_seed(k)) for k in range(len(self._padded))]
        return {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def _choose_how_to_run(self) -> None:
        try:
            self._try_both_passes()
        except ObjectiveError:
            raise
        except Exception as error:  # whatever vmap could not do; the loop shows whether the loss itself is at fault
            if self.loops:
                raise
            self.loops = True
            self._try_both_passes()
            reason = str(error).partition("\n")[0]
            name = self.setting.objective.name
            warnings.warn(f"{name} runs seed by seed, because vmap refused it: {reason}", stacklevel=2)

    def _try_both_passes(self) -> None:
        clock = self.clock(1)
        self._run(self._passes.critic_gradients, self.arguments(self.feed.critic(0, 0)[0], clock))
        self._run(self._passes.generator_gradients, self.arguments(self.feed.generator(0)[0], clock))
