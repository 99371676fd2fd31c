"""A cohort: trials that differ in nothing but the seed, trained together.

One generator step is: n critic updates, each on fresh real samples and fresh latents; then one generator update with
the critic frozen. Readings are taken after the last backward pass of each player and before its optimizer moves, and
stay on the device. Nothing here waits for the device, opens a file or knows what a trial is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.capture import Capture, Captured, capture_for
from ganbench.dataset import Population
from ganbench.errors import ObjectiveError
from ganbench.feed import Batch, Feed, block_length
from ganbench.networks.architecture import Architecture
from ganbench.objective import Objective, Optimizer
from ganbench.passes import Arguments, Clock, Passes
from ganbench.players import Player, make_player
from ganbench.programs import Programs
from ganbench.transfer import send
from ganbench.vectorise import least_seeds

CPU = torch.device("cpu")
T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """All that a cohort's numbers depend on, besides its seeds.

    Attributes:
        generator_optimizer: the generator's, where it is not the objective's own.
        precision: ``bf16`` computes products in bfloat16; ``tf32`` is a switch of the whole process.
        compiled: whether recorded programs are compiled; that changes rounding.
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
    precision: str = "float32"
    compiled: bool = False
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
        capture: how updates are captured; by default as is best on the device.
        programs: of another cohort under the same setting, so that nothing is recorded twice.

    Raises:
        ObjectiveError: the objective breaks its contract.
    """

    def __init__(
        self,
        setting: Setting,
        seeds: tuple[int, ...],
        capture: Capture | None = None,
        programs: Programs | None = None,
    ) -> None:
        self.setting = setting
        self.seeds = seeds
        self._padded = seeds + seeds[-1:] * (setting.least_seeds() - len(seeds))
        self.generator, self.critic = self._make_players()
        capture = capture or capture_for(setting.device)
        self.programs = programs or self._make_programs(captured=capture is not None)
        self.state = self._first_state()
        self.feed = self.make_feed(setting.batch_size)
        if programs is None:
            first = self.feed.critic(0, 0)[0], self.feed.generator(0)[0]
            self.programs.try_all(*(self.arguments(batch, self.clock(1)) for batch in first))
        self._capture_updates(capture)

    # -- what a run calls -----------------------------------------------------------------------------------------

    def clocks(self, first: int, n: int) -> list[Clock]:
        """The clocks of n generator steps, counted from 1; made at once, so that no step waits for a transfer."""
        s, numbers = self.setting, range(first, first + n)
        steps = send(torch.tensor(numbers), s.device)
        progress = send(torch.tensor([step / s.steps for step in numbers], dtype=s.dtype), s.device)
        return [Clock(*pair) for pair in zip(steps.unbind(), progress.unbind(), strict=True)]

    def clock(self, step: int) -> Clock:
        """The clock at one generator step."""
        return self.clocks(step, 1)[0]

    def step(self, critic: list[Batch], generator: Batch, clock: Clock) -> Tensor:
        """A critic update with each batch, then one generator update, with the critic frozen.

        Returns:
            The readings, (K, 8), still on the device; the critic's are those of its last update.
        """
        return self._step(critic, generator, clock)

    def update_critic(self, batch: Batch, clock: Clock) -> Tensor:
        """One critic update. Returns its readings, (K, 6), still on the device."""
        return self._update_critic(batch, clock)

    def update_generator(self, batch: Batch, clock: Clock) -> Tensor:
        """One generator update, with the critic frozen. Returns its readings, (K, 2), still on the device."""
        arguments = self.arguments(batch, clock)
        gradient, readings = self.generator_gradient(arguments)
        self.generator.update(gradient)
        self._write_state(self._for_all(self.programs.next_state, arguments))
        return readings

    def critic_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6); nothing moves."""
        return self._for_all(self.programs.critic_gradient, arguments)

    def generator_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2); nothing moves."""
        return self._for_all(self.programs.generator_gradient, arguments)

    def arguments(self, batch: Batch, clock: Clock) -> Arguments:
        """What a pass needs, from a batch and the weights as they stand."""
        real = self.setting.population.take(batch.real).to(self.setting.dtype)
        weights = self.generator.weights, self.critic.weights
        return Arguments(*weights, real, batch.latent, batch.numbers, self.state, clock)

    def sample(self, latents: Tensor) -> Tensor:
        """Samples of every seed from its own latents (K, n, z): (K, n, *sample_shape)."""
        n, weights = len(self.seeds), self.generator.weights
        if self.loops:
            return self.programs.generate({name: weight[:n] for name, weight in weights.items()}, latents)
        latents = torch.cat([latents, latents[-1:].expand(len(self._padded) - n, -1, -1)])
        return self.programs.generate(weights, latents)[:n]

    @property
    def loops(self) -> bool:
        """Whether a Python loop runs over the seeds."""
        return self.programs.loops

    @property
    def runs_behind(self) -> bool:
        """Whether the device is still at work when a step returns, so that what comes can be drawn meanwhile."""
        return self.setting.device.type != "cpu"

    def _for_all(self, function: Callable[[Arguments], T], arguments: Arguments) -> T:
        """What a function gives for all seeds. Where they take turns, padding costs nothing: it is a copy."""
        padding = len(self._padded) - len(self.seeds)
        if not (self.loops and padding):
            return function(arguments)
        parts, clock = arguments.apart()
        found = function(Arguments(**pytree.tree_map(lambda leaf: leaf[: len(self.seeds)], parts), clock=clock))
        padded: T = pytree.tree_map(lambda leaf: torch.cat([leaf, leaf[-1:].expand(padding, *leaf.shape[1:])]), found)
        return padded

    # -- what moves ------------------------------------------------------------------------------------------------

    def _step_by_step(self, critic: list[Batch], generator: Batch, clock: Clock) -> Tensor:
        for batch in critic:
            readings = self._move_critic(batch, clock)
        return torch.cat([readings, self.update_generator(generator, clock)], dim=1)

    def _move_critic(self, batch: Batch, clock: Clock) -> Tensor:
        arguments = self.arguments(batch, clock)
        gradient, readings = self.critic_gradient(arguments)
        self.critic.update(gradient)  # in place: the arguments' weights, too
        projected = self.programs.projected(arguments)
        if projected is not self.critic.weights:
            with torch.no_grad():
                for name, weight in self.critic.weights.items():
                    weight.copy_(projected[name])
        return readings

    def _write_state(self, state: Mapping[str, Tensor]) -> None:
        """In place, so that a captured step finds it where it was."""
        if state is self.state:
            return
        before, after = ({name: (t.shape, t.dtype) for name, t in tensors.items()} for tensors in (self.state, state))
        if before != after:
            raise ObjectiveError(
                f"{self.setting.objective.name}: init_state made {_described(self.state)} and update_state made "
                f"{_described(state)}; an objective's state must keep its names, shapes and types"
            )
        for name, value in state.items():
            self.state[name].copy_(value)

    # -- preparation ----------------------------------------------------------------------------------------------

    def _make_players(self) -> tuple[Player, Player]:
        s, shape = self.setting, self.setting.population.sample_shape
        own, where = s.objective.optimizer, (s.device, s.dtype)
        first = s.generator_optimizer or own
        generator = make_player(lambda: s.architecture.generator(shape), self._padded, "generator-init", first, *where)
        critic = make_player(lambda: s.architecture.critic(shape), self._padded, "critic-init", own, *where)
        return generator, critic

    def _make_programs(self, captured: bool) -> Programs:
        s, joint = self.setting, not self.setting.architecture.couples_samples
        passes = Passes(s.objective, self.generator.network, self.critic.network, joint)
        players = self.generator, self.critic
        return Programs(passes, *players, compiled=s.compiled, precision=s.precision, captured=captured)

    def make_feed(self, batch_size: int, prefix: str = "") -> Feed:
        """A feed for batches of a given size, for which each loss is run once to learn its draws and its faults."""
        s = self.setting
        length = block_length(batch_size, torch.Size(s.population.sample_shape).numel())
        feed = Feed(
            self._padded, s.population, batch_size, s.architecture.latent, length, s.device, s.dtype, prefix=prefix
        )
        first = self.arguments(feed.critic(0, 0)[0], self.clock(1)).of_seed(0)
        critic_specs, generator_specs = (
            self.programs.passes.rehearse(loss, first) for loss in ("critic_loss", "generator_loss")
        )
        return replace(feed, critic_specs=critic_specs, generator_specs=generator_specs)

    def _first_state(self) -> dict[str, Tensor]:
        nothing = torch.empty(len(self._padded), 0)
        arguments = Arguments(self.generator.weights, self.critic.weights, nothing, nothing, [], {}, self.clock(1))
        states = [self.programs.passes.first_state(arguments.of_seed(k)) for k in range(len(self._padded))]
        return {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def _capture_updates(self, capture: Capture | None) -> None:
        """A captured step runs no Python, so an objective must allow that; what it does not, runs as it is written."""
        self._step: Callable[..., Tensor] = self._step_by_step
        self._update_critic: Callable[..., Tensor] = self._move_critic
        objective = self.setting.objective
        if capture is not None and objective.traceable and not self.loops:
            self._step = Captured(self._step, f"{objective.name}: a step", capture)
            self._update_critic = Captured(self._update_critic, f"{objective.name}: a critic update", capture)


def _described(state: Mapping[str, Tensor]) -> str:
    """Names, shapes of one seed, and types."""
    said = [f"{name} {tuple(t.shape[1:])} {str(t.dtype).removeprefix('torch.')}" for name, t in state.items()]
    return ", ".join(said) or "nothing"
