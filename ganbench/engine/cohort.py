"""A cohort: the networks of several seeds, trained together in one program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ganbench.engine.batches import Batch, BatchSampler, block_length, send
from ganbench.engine.cuda_graph import Capture, capture_for, captured
from ganbench.engine.functional import (
    ConstraintInputs,
    Game,
    StepClock,
    StepInputs,
    Weights,
    flops,
    map_sequentially,
    min_cohort_size,
    select_seed,
    vmap_seeds,
)
from ganbench.engine.player import Player, make_player
from ganbench.engine.readings import gradient_norm, to_float64
from ganbench.engine.tracing import TracedFunction, traced
from ganbench.errors import GanbenchWarning, ObjectiveError
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.objective import Objective, Optimizer

CPU = torch.device("cpu")

# From so many floating-point operations of one seed's critic pass on, about ten milliseconds of a core, seeds run one
# after the other on a CPU: one seed then fills the core, intermediate results stay in its caches, and padding is free.
SEQUENTIAL_FLOPS = 1e9

# Every tensor has a seed axis in front, but for the clock's.
STEP_DIMS = (StepInputs(0, 0, 0, 0, 0, 0, None),)  # type: ignore[arg-type]
CONSTRAINT_DIMS = (ConstraintInputs(0, 0, None),)  # type: ignore[arg-type]


Gradient = Callable[[StepInputs], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TrainingConfig:
    """All that a cohort's numbers depend on, besides its seeds.

    Attributes:
        generator_optimizer: the generator's, where it is not the objective's own.
        precision: ``bf16`` computes products in bfloat16; ``tf32`` is a switch of the whole process.
        compiled: whether traced programs are compiled; that changes rounding.
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
    """The training state of K seeds under one objective, and the functions that change it.

    A function of one seed, from ``Game``, becomes one of all seeds at construction: by vmap, or by a loop where vmap
    refuses or a single seed fills the processor. Where the objective is traceable, it is traced when it has been
    called often. On a GPU whole steps are captured instead.

    Args:
        config: what the seeds share.
        seeds: what they differ in. Few are padded to two (three for colour images) by repeating the last, because
            vectorised kernels of few and of many differ in rounding; so a seed's numbers do not depend on others.
        capture: how updates are captured; ``auto`` as is best on the device, None not at all.

    Attributes:
        game: the functions of one seed.
        vectorises: whether vmap can run the objective.
        large: whether one seed fills the processor.
        traced: the traced functions by name.
        step: takes a list of batches, a batch and a clock: a critic update with each of the first, then one generator
            update, with the critic frozen. Returns the readings, (K, 8), still on the device, in the order of READINGS;
            the critic's are those of its last update.
        update_critic: takes a batch and a clock: one critic update. Returns its readings, (K, 6), still on the device.
        critic_gradient, generator_gradient: take StepInputs and move nothing. Return the flattened gradient, (K, size),
            and the readings, (K, 6) and (K, 2).

    Raises:
        ObjectiveError: the objective breaks its contract.
        Exception: whatever it raises also where seeds are run sequentially.
    """

    def __init__(
        self, config: TrainingConfig, seeds: tuple[int, ...], capture: Capture | Literal["auto"] | None = "auto"
    ) -> None:
        self.config = config
        self.seeds = seeds
        self._padded = seeds + seeds[-1:] * (config.least_seeds() - len(seeds))
        self.generator, self.critic = self._make_players()
        joint = not config.architecture.couples_samples
        self.game = Game(config.objective, self.generator.network, self.critic.network, joint)
        self.state = self._first_state()
        self.sampler = self.make_sampler(config.batch_size)
        self._capture = capture_for(config.device) if capture == "auto" else capture
        self._choose_functions()

    @property
    def loops(self) -> bool:
        """Whether a Python loop runs over the seeds."""
        return self.large or not self.vectorises

    @property
    def traceable(self) -> bool:
        """Whether the objective can be traced, or captured."""
        return self.config.objective.traceable and self.vectorises

    @property
    def runs_behind(self) -> bool:
        """Whether the device is still at work when a step returns, so that what comes can be drawn meanwhile."""
        return self.config.device.type != "cpu"

    # -- steps ----------------------------------------------------------------------------------------------------

    def clocks(self, first: int, n: int) -> list[StepClock]:
        """The clocks of n generator steps, counted from 1; made at once, so that no step waits for a transfer."""
        s, numbers = self.config, range(first, first + n)
        steps = send(torch.tensor(numbers), s.device)
        progress = send(torch.tensor([step / s.steps for step in numbers], dtype=s.dtype), s.device)
        return [StepClock(*pair) for pair in zip(steps.unbind(), progress.unbind(), strict=True)]

    def clock(self, step: int) -> StepClock:
        """The clock at one generator step."""
        return self.clocks(step, 1)[0]

    def inputs(self, batch: Batch, clock: StepClock) -> StepInputs:
        """The inputs of a pass, from a batch and the weights as they stand."""
        real = self.config.population.take(batch.real).to(self.config.dtype)
        weights = self.generator.weights, self.critic.weights
        return StepInputs(*weights, real, batch.latent, batch.numbers, self.state, clock)

    def _step(self, critic: list[Batch], generator: Batch, clock: StepClock) -> Tensor:
        for batch in critic:  # the uncaptured form: a capture must not hold another one
            readings = self._update_critic(batch, clock)
        return torch.cat([readings, self.update_generator(generator, clock)], dim=1)

    def _update_critic(self, batch: Batch, clock: StepClock) -> Tensor:
        inputs = self.inputs(batch, clock)
        gradient, readings = self.critic_gradient(inputs)
        self.critic.update(gradient)  # in place: the inputs' weights, too
        if self.game.constraint is not None:
            self._write_weights(self._constrained(ConstraintInputs(inputs.critic, inputs.state, clock)))
        return readings

    def update_generator(self, batch: Batch, clock: StepClock) -> Tensor:
        """One generator update, with the critic frozen. Returns its readings, (K, 2), still on the device."""
        inputs = self.inputs(batch, clock)
        gradient, readings = self.generator_gradient(inputs)  # read before the update: the loss that moved the weights
        self.generator.update(gradient)
        if self.game.changes_state:
            self._write_state(self._next_state(inputs))
        return readings

    def sample(self, latents: Tensor) -> Tensor:
        """Samples of every seed from its own latents (K, n, z): (K, n, *sample_shape)."""
        n, weights, latents = len(self.seeds), self.generator.weights, latents.to(self.config.device)
        generate = vmap_seeds(self.game.generate, self.loops)
        with torch.no_grad():
            if self.loops:
                samples: Tensor = generate({name: weight[:n] for name, weight in weights.items()}, latents)
                return samples
            # Padding rows get latents too: a program of fewer seeds would round differently.
            latents = torch.cat([latents, latents[-1:].expand(len(self._padded) - n, -1, -1)])
            samples = generate(weights, latents)
        return samples[:n]

    def _write_weights(self, weights: Weights) -> None:
        with torch.no_grad():
            for name, weight in self.critic.weights.items():
                weight.copy_(weights[name])

    def _write_state(self, state: Mapping[str, Tensor]) -> None:
        """In place, so that a captured step finds it where it was."""
        before, after = ({name: (t.shape, t.dtype) for name, t in tensors.items()} for tensors in (self.state, state))
        if before != after:
            raise ObjectiveError(
                f"{self.config.objective.name}: init_state made {_described(self.state)} and update_state made "
                f"{_described(state)}; an objective's state must keep its names, shapes and types",
                subject=self.config.objective.name,
                code="state",
            )
        for name, value in state.items():
            self.state[name].copy_(value)

    # -- functions of all seeds -----------------------------------------------------------------------------------

    def _choose_functions(self) -> None:
        """Run everything once, and seed by seed from now on where that is quicker or vmap refuses."""
        objective, (critic, generator) = self.config.objective, self.first_inputs()
        self.vectorises, self.large = objective.vectorised, False
        if self.vectorises and self.config.device.type == "cpu":  # depends on the setting alone, not on other seeds
            one = select_seed(critic, 0)
            self.large = flops(lambda: self.game.critic_gradients(one)) >= SEQUENTIAL_FLOPS
        self._make_functions()
        try:
            self._try_functions(critic, generator)
        except ObjectiveError:
            raise
        except Exception as error:  # whatever vmap could not do; the loop shows whether the loss itself is at fault
            if self.loops or self.config.compiled:  # what is compiled has run without
                raise
            self.vectorises = False
            self._make_functions()
            self._try_functions(critic, generator)
            reason = str(error).partition("\n")[0]
            sentence = f"{objective.name} runs seed by seed, because vmap refused it: {reason}"
            warnings.warn(GanbenchWarning(sentence, subject=objective.name, code="no-vmap"), stacklevel=3)
        self.step: Callable[[list[Batch], Batch, StepClock], Tensor] = self._step
        self.update_critic: Callable[[Batch, StepClock], Tensor] = self._update_critic
        if self._capture is not None and self.traceable and not self.large:
            self.step = captured(self._step, f"{objective.name}: a step", self._capture)
            self.update_critic = captured(self._update_critic, f"{objective.name}: a critic update", self._capture)

    def run_uncaptured(self) -> None:
        """Run the Python of every update from now on, for who observes players while they move."""
        self.step, self.update_critic = self._step, self._update_critic

    def _make_functions(self) -> None:
        self.traced: dict[str, TracedFunction] = {}
        self.critic_gradient: Gradient = self._of_cohort("critic_gradient", self._critic_gradient)
        self.generator_gradient: Gradient = self._of_cohort("generator_gradient", self._generator_gradient)
        if self.game.constraint is not None:
            constrained = vmap_seeds(self.game.constrained, self.loops, CONSTRAINT_DIMS)
            self._constrained = torch.no_grad()(self._of_cohort("constrain", constrained))
        if self.game.changes_state:
            next_state = vmap_seeds(self.game.next_state, self.loops, STEP_DIMS)
            self._next_state = torch.no_grad()(self._of_cohort("next_state", next_state))

    def _of_cohort(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of all seeds: traced where that is possible, and of one seed after the other where they loop."""
        if self.traceable and (self.config.compiled or self._capture is None):
            function = self._trace(name, function)
        return map_sequentially(function, len(self.seeds)) if self.loops else function

    def _trace(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.traced[name] = traced(function, f"{self.config.objective.name}: {name}", self.config.compiled)
        return self.traced[name]

    def _try_functions(self, critic: StepInputs, generator: StepInputs) -> None:
        self.critic_gradient(critic)
        self.generator_gradient(generator)
        if self.game.constraint is not None:
            self._constrained(ConstraintInputs(critic.critic, critic.state, critic.clock))
        if self.game.changes_state:
            self._next_state(generator)

    def _critic_gradient(self, inputs: StepInputs) -> tuple[Tensor, Tensor]:
        """The critic's flattened gradient, (K, size), and its readings, (K, 6)."""
        with self._autocast():
            gradients, readings = vmap_seeds(self.game.critic_gradients, self.loops, STEP_DIMS)(inputs)
        # The norm is taken here, inside the traced function and in float64, from the very gradient that the optimizer
        # gets: there is no second backward pass, and squares of gradients below 1e-23 do not underflow.
        gradient = self.critic.flatten(gradients)
        return gradient, torch.cat([readings[:, :1], gradient_norm(gradient)[:, None], readings[:, 1:]], dim=1)

    def _generator_gradient(self, inputs: StepInputs) -> tuple[Tensor, Tensor]:
        """The generator's flattened gradient, (K, size), and its readings, (K, 2)."""
        with self._autocast():
            gradients, loss = vmap_seeds(self.game.generator_gradients, self.loops, STEP_DIMS)(inputs)
        gradient = self.generator.flatten(gradients)
        return gradient, torch.stack([to_float64(loss), gradient_norm(gradient)], dim=1)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "bf16":  # of products; weights, their gradients and all sums stay as they are
            return torch.autocast(self.config.device.type, torch.bfloat16)
        return nullcontext()

    # -- preparation ----------------------------------------------------------------------------------------------

    def first_inputs(self) -> tuple[StepInputs, StepInputs]:
        """The inputs of the critic's and of the generator's first pass."""
        clock = self.clock(1)
        return self.inputs(self.sampler.critic(0, 0)[0], clock), self.inputs(self.sampler.generator(0)[0], clock)

    def make_sampler(self, batch_size: int, prefix: str = "") -> BatchSampler:
        """A sampler of batches of a given size, for which each loss is run once to learn its draws and its faults."""
        s = self.config
        length = block_length(batch_size, torch.Size(s.population.sample_shape).numel())
        sampler = BatchSampler(
            self._padded, s.population, batch_size, s.architecture.latent, length, s.device, s.dtype, prefix=prefix
        )
        first = select_seed(self.inputs(sampler.critic(0, 0)[0], self.clock(1)), 0)
        critic, generator = (self.game.record_draws(loss, first) for loss in ("critic_loss", "generator_loss"))
        return replace(sampler, critic_specs=critic, generator_specs=generator)

    def _make_players(self) -> tuple[Player, Player]:
        s, shape = self.config, self.config.population.sample_shape
        own, place = s.objective.optimizer, (s.device, s.dtype)
        first = s.generator_optimizer or own
        generator = make_player(lambda: s.architecture.generator(shape), self._padded, "generator-init", first, *place)
        critic = make_player(lambda: s.architecture.critic(shape), self._padded, "critic-init", own, *place)
        return generator, critic

    def _first_state(self) -> dict[str, Tensor]:
        # Seed by seed and outside vmap, since an initial state may be built by any Python, such as from a shape.
        nothing = torch.empty(len(self._padded), 0)
        inputs = StepInputs(self.generator.weights, self.critic.weights, nothing, nothing, [], {}, self.clock(1))
        states = [self.game.first_state(select_seed(inputs, k)) for k in range(len(self._padded))]
        return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _described(state: Mapping[str, Tensor]) -> str:
    """Names, shapes of one seed, and types."""
    parts = [f"{name} {tuple(t.shape[1:])} {str(t.dtype).removeprefix('torch.')}" for name, t in state.items()]
    return ", ".join(parts) or "nothing"


# -- snapshots ---------------------------------------------------------------------------------------------------------


def snapshot(cohort: Cohort) -> dict[str, Tensor]:
    """Copies on the CPU. Leading axis: the cohort's seeds, without its padding; an optimizer's step count has none."""
    n = len(cohort.seeds)
    found = {f"state.{name}": value for name, value in cohort.state.items()}
    for role, player in _players(cohort).items():
        found[f"{role}.weights"] = player.flat
        found |= {f"{role}.optimizer.{name}": value for name, value in player.moments().items()}
    return {name: (t[:n] if t.ndim else t).detach().cpu().clone() for name, t in found.items()}


def restore(cohort: Cohort, tensors: Mapping[str, Tensor], seeds: Sequence[int]) -> None:
    """Put a snapshot into a cohort, in place, so that captured steps stay valid.

    Args:
        cohort: of some of the seeds, under the same setting; one that has moved takes back only what was its own
            start.
        tensors: what ``snapshot`` gave.
        seeds: that it was taken of, in their order.
    """
    padded = len(cohort.generator.flat)
    rows = [seeds.index(seed) for seed in cohort.seeds]
    rows += rows[-1:] * (padded - len(rows))
    chosen = {name: t[rows] if t.ndim else t for name, t in tensors.items()}
    with torch.no_grad():
        for name, value in cohort.state.items():
            value.copy_(chosen[f"state.{name}"])
        for role, player in _players(cohort).items():
            player.flat.copy_(chosen[f"{role}.weights"])
            prefix = f"{role}.optimizer."
            player.load_moments({n.removeprefix(prefix): t for n, t in chosen.items() if n.startswith(prefix)})


def _players(cohort: Cohort) -> dict[str, Player]:
    return {"generator": cohort.generator, "critic": cohort.critic}


def training_flops(cohort: Cohort) -> float:
    """Floating-point operations of the matrix products of one seed's whole training."""
    critic, generator = (select_seed(inputs, 0) for inputs in cohort.first_inputs())
    updates = cohort.config.objective.n_critic
    per_step = updates * flops(lambda: cohort.game.critic_gradients(critic))
    return cohort.config.steps * (per_step + flops(lambda: cohort.game.generator_gradients(generator)))
