"""A cohort: the networks of several seeds, trained together in one program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.engine.batches import Batch, BatchSampler, block_length, send
from ganbench.engine.cuda_graph import Capture, Captured, capture_for
from ganbench.engine.functional import (
    Passes,
    StepClock,
    StepInputs,
    Weights,
    flops,
    map_sequentially,
    min_cohort_size,
    vmap_seeds,
)
from ganbench.engine.player import Player, make_player
from ganbench.engine.readings import gradient_norm, to_float64
from ganbench.engine.tracing import Replayed
from ganbench.errors import ObjectiveError
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.draw import Draw
from ganbench.interfaces.objective import Objective, Optimizer, constraint_of

# -- functions of all seeds --------------------------------------------------------------------------------------------

FULL = 1e9  # floating-point operations of one seed's critic pass, about ten milliseconds of a core


class Programs:
    """What a cohort computes.

    Args:
        passes: of one seed.
        generator, critic: the players, for the layout of their gradients.
        compiled: whether recorded programs are compiled; that changes rounding.
        precision: ``bf16`` computes products in bfloat16.
        captured: whether the caller captures all steps in a CUDA graph; functions must then not be traced.

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

    def try_all(self, critic: StepInputs, generator: StepInputs) -> None:
        """Run everything once, and seed by seed from now on where that is quicker or vmap refuses.

        Raises:
            ObjectiveError: the objective breaks its contract.
            Exception: whatever it raises where seeds are run sequentially, too.
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

    def _try_all(self, critic: StepInputs, generator: StepInputs) -> None:
        self.critic_gradient(critic)
        self.generator_gradient(generator)
        self.projected(critic)
        self.next_state(generator)

    def operations(self, function: Callable[[StepInputs], object], arguments: StepInputs) -> int:
        """Floating-point operations of the matrix products of a pass of one seed, whatever the other seeds."""
        alone = arguments.of_seed(0)
        return flops(lambda: function(alone))

    def critic_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6)."""
        found: tuple[Tensor, Tensor] = self._run("critic_gradient", self._critic_gradient, arguments)
        return found

    def generator_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2)."""
        found: tuple[Tensor, Tensor] = self._run("generator_gradient", self._generator_gradient, arguments)
        return found

    def projected(self, arguments: StepInputs) -> Weights:
        """The critic's weights as its constraint allows them at this clock and state; the very same without one."""
        if self._constraint is None:
            return arguments.critic
        with torch.no_grad():
            run = self._quickly("constrain", self._projected)
            found: Weights = run(arguments.critic, arguments.state, arguments.clock)
        return found

    def next_state(self, arguments: StepInputs) -> dict[str, Tensor]:
        """The objective's state after a generator update; the very same where it has none that changes."""
        if type(self.passes.objective).update_state is Objective.update_state:
            return arguments.state
        with torch.no_grad():
            found: dict[str, Tensor] = self._run("next_state", self._next_state, arguments)
        return found

    def generate(self, weights: Weights, latents: Tensor) -> Tensor:
        """Samples (K, n, *sample_shape) of latents (K, n, z)."""
        with torch.no_grad():
            samples: Tensor = vmap_seeds(self.passes.generate, self.loops)(weights, latents)
        return samples

    def _critic_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        gradients, readings = self._for_all(self.passes.critic_gradients, arguments)
        gradient = self._critic.flatten(gradients)
        norm = gradient_norm(gradient)
        return gradient, torch.cat([readings[:, :1], norm[:, None], readings[:, 1:]], dim=1)

    def _generator_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        gradients, loss = self._for_all(self.passes.generator_gradients, arguments)
        gradient = self._generator.flatten(gradients)
        return gradient, torch.stack([to_float64(loss), gradient_norm(gradient)], dim=1)

    def _projected(self, weights: Weights, state: dict[str, Tensor], clock: StepClock) -> Weights:
        def of_one_seed(own: Weights, carried: dict[str, Tensor]) -> Weights:
            assert self._constraint is not None
            return self._constraint(own, Draw(*clock, carried))

        projected: Weights = vmap_seeds(of_one_seed, self.loops)(weights, state)
        return projected

    def _next_state(self, arguments: StepInputs) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self._for_all(self.passes.next_state, arguments)
        return state

    def _for_all(self, function: Callable[[StepInputs], Any], arguments: StepInputs) -> Any:
        """A function of one seed's arguments, for all seeds; the clock is shared."""
        parts, clock = arguments.apart()
        with self._arithmetic(arguments.latent.device.type):
            return vmap_seeds(lambda part: function(StepInputs(**part, clock=clock)), self.loops)(parts)

    def _arithmetic(self, device: str) -> AbstractContextManager[Any]:
        if self._precision == "bf16":  # of products; weights, their gradients and all sums stay as they are
            return torch.autocast(device, torch.bfloat16)
        return nullcontext()

    def _run(self, name: str, function: Callable[[StepInputs], Any], arguments: StepInputs) -> Any:
        """A function of all seeds' arguments; where they are run sequentially, of one seed after the other."""
        quick = self._quickly(name, function)
        if not self.loops:
            return quick(arguments)
        parts, clock = arguments.apart()
        return map_sequentially(lambda part: quick(StepInputs(**part, clock=clock)), parts)

    def _quickly(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """A function, replayed from a recording where the objective allows it."""
        if not (self.recordable and self._records):
            return run
        if name not in self.recorded:
            self.recorded[name] = Replayed(run, f"{self.passes.objective.name}: {name}", self._compiled)
        return self.recorded[name]


# -- cohort ------------------------------------------------------------------------------------------------------------

CPU = torch.device("cpu")
T = TypeVar("T")


@dataclass(frozen=True)
class TrainingConfig:
    """All that a cohort's numbers depend on, besides its seeds.

    Attributes:
        generator_optimizer: the generator's, where it is not the objective's own.
        precision: ``bf16`` computes products in bfloat16; ``tf32`` is a switch of the whole process.
        compiled: whether recorded programs are compiled; that changes rounding.
        solitary: promises that a cohort has one seed, so that no padding is needed.
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
        return 1 if self.solitary else min_cohort_size(self.population.sample_shape)


class Cohort:
    """The training state of K seeds under one objective.

    Args:
        setting: what they share.
        seeds: what they differ in. Few are padded to two (three for colour images) by repeating the last, because
            vectorised kernels of few and of many differ in rounding; so a seed's numbers do not depend on others.
        capture: how updates are captured; by default as is best on the device.
        programs: of another cohort under the same setting, so that nothing is recorded twice.

    Raises:
        ObjectiveError: the objective breaks its contract.
    """

    def __init__(
        self,
        setting: TrainingConfig,
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

    def clocks(self, first: int, n: int) -> list[StepClock]:
        """The clocks of n generator steps, counted from 1; made at once, so that no step waits for a transfer."""
        s, numbers = self.setting, range(first, first + n)
        steps = send(torch.tensor(numbers), s.device)
        progress = send(torch.tensor([step / s.steps for step in numbers], dtype=s.dtype), s.device)
        return [StepClock(*pair) for pair in zip(steps.unbind(), progress.unbind(), strict=True)]

    def clock(self, step: int) -> StepClock:
        """The clock at one generator step."""
        return self.clocks(step, 1)[0]

    def step(self, critic: list[Batch], generator: Batch, clock: StepClock) -> Tensor:
        """A critic update with each batch, then one generator update, with the critic frozen.

        Returns:
            The readings, (K, 8), still on the device; the critic's are those of its last update.
        """
        return self._step(critic, generator, clock)

    def update_critic(self, batch: Batch, clock: StepClock) -> Tensor:
        """One critic update. Returns its readings, (K, 6), still on the device."""
        return self._update_critic(batch, clock)

    def update_generator(self, batch: Batch, clock: StepClock) -> Tensor:
        """One generator update, with the critic frozen. Returns its readings, (K, 2), still on the device."""
        arguments = self.arguments(batch, clock)
        gradient, readings = self.generator_gradient(arguments)
        self.generator.update(gradient)
        self._write_state(self._for_all(self.programs.next_state, arguments))
        return readings

    def critic_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6); nothing moves."""
        return self._for_all(self.programs.critic_gradient, arguments)

    def generator_gradient(self, arguments: StepInputs) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2); nothing moves."""
        return self._for_all(self.programs.generator_gradient, arguments)

    def arguments(self, batch: Batch, clock: StepClock) -> StepInputs:
        """What a pass needs, from a batch and the weights as they stand."""
        real = self.setting.population.take(batch.real).to(self.setting.dtype)
        weights = self.generator.weights, self.critic.weights
        return StepInputs(*weights, real, batch.latent, batch.numbers, self.state, clock)

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

    def _for_all(self, function: Callable[[StepInputs], T], arguments: StepInputs) -> T:
        """What a function gives for all seeds. Where they are run sequentially, padding costs nothing: it is a copy."""
        padding = len(self._padded) - len(self.seeds)
        if not (self.loops and padding):
            return function(arguments)
        parts, clock = arguments.apart()
        found = function(StepInputs(**pytree.tree_map(lambda leaf: leaf[: len(self.seeds)], parts), clock=clock))
        padded: T = pytree.tree_map(lambda leaf: torch.cat([leaf, leaf[-1:].expand(padding, *leaf.shape[1:])]), found)
        return padded

    # -- what moves ------------------------------------------------------------------------------------------------

    def _step_by_step(self, critic: list[Batch], generator: Batch, clock: StepClock) -> Tensor:
        for batch in critic:
            readings = self._move_critic(batch, clock)
        return torch.cat([readings, self.update_generator(generator, clock)], dim=1)

    def _move_critic(self, batch: Batch, clock: StepClock) -> Tensor:
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

    def make_feed(self, batch_size: int, prefix: str = "") -> BatchSampler:
        """A feed for batches of a given size, for which each loss is run once to learn its draws and its faults."""
        s = self.setting
        length = block_length(batch_size, torch.Size(s.population.sample_shape).numel())
        feed = BatchSampler(
            self._padded, s.population, batch_size, s.architecture.latent, length, s.device, s.dtype, prefix=prefix
        )
        first = self.arguments(feed.critic(0, 0)[0], self.clock(1)).of_seed(0)
        critic_specs, generator_specs = (
            self.programs.passes.rehearse(loss, first) for loss in ("critic_loss", "generator_loss")
        )
        return replace(feed, critic_specs=critic_specs, generator_specs=generator_specs)

    def _first_state(self) -> dict[str, Tensor]:
        nothing = torch.empty(len(self._padded), 0)
        arguments = StepInputs(self.generator.weights, self.critic.weights, nothing, nothing, [], {}, self.clock(1))
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


# -- snapshots ---------------------------------------------------------------------------------------------------------


def snapshot(cohort: Cohort) -> dict[str, Tensor]:
    """Copies on the CPU. Leading axis: the cohort's seeds, without its padding; an optimizer's step count has none."""
    n = len(cohort.seeds)
    found = {f"state.{name}": value for name, value in cohort.state.items()}
    for role, player in _players(cohort).items():
        found[f"{role}.weights"] = player.flat
        found |= {f"{role}.optimizer.{name}": value for name, value in _moments(player).items()}
    return {name: (t[:n] if t.ndim else t).detach().cpu().clone() for name, t in found.items()}


def restore(cohort: Cohort, tensors: Mapping[str, Tensor], seeds: Sequence[int]) -> None:
    """Put a snapshot into a fresh cohort.

    Args:
        cohort: of some of the seeds, under the same setting.
        tensors: what ``snapshot`` gave.
        seeds: that it was taken of, in their order.
    """
    padded = len(cohort.generator.flat)
    rows = [seeds.index(seed) for seed in cohort.seeds]
    rows += rows[-1:] * (padded - len(rows))
    chosen = {name: t[rows] if t.ndim else t for name, t in tensors.items()}
    device = cohort.setting.device
    cohort.state = {name: chosen[f"state.{name}"].to(device) for name in cohort.state}
    for role, player in _players(cohort).items():
        with torch.no_grad():
            player.flat.copy_(chosen[f"{role}.weights"])
        prefix = f"{role}.optimizer."
        moments = {name.removeprefix(prefix): t for name, t in chosen.items() if name.startswith(prefix)}
        groups = player.optimizer.state_dict()["param_groups"]
        player.optimizer.load_state_dict({"state": {0: moments} if moments else {}, "param_groups": groups})


def _players(cohort: Cohort) -> dict[str, Player]:
    return {"generator": cohort.generator, "critic": cohort.critic}


def _moments(player: Player) -> dict[str, Tensor]:
    state = player.optimizer.state_dict()["state"].get(0, {})  # one parameter, the flat one; none before the first step
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def training_flops(cohort: Cohort) -> float:
    """Floating-point operations of the matrix products of one seed's whole training."""
    passes = cohort.programs.passes
    functions = passes.critic_gradients, passes.generator_gradients
    critic, generator = (
        cohort.programs.operations(*pair) for pair in zip(functions, first_inputs(cohort), strict=True)
    )
    return cohort.setting.steps * (cohort.setting.objective.n_critic * critic + generator)


def first_inputs(cohort: Cohort) -> tuple[StepInputs, StepInputs]:
    """What the critic's and the generator's first passes need."""
    clock = cohort.clock(1)
    return cohort.arguments(cohort.feed.critic(0, 0)[0], clock), cohort.arguments(cohort.feed.generator(0)[0], clock)
