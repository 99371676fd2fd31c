"""What a plain loop is compared with: the engine in this process, without readings, and in processes of its own."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor

from ganbench.datasets.images import Images, ImageTable
from ganbench.engine import tracing
from ganbench.engine.cohort import CPU, STEP_DIMS, Cohort, TrainingConfig
from ganbench.engine.functional import StepInputs, vmap_seeds
from ganbench.engine.loop import train
from ganbench.engine.readings import CriticReadings, GeneratorReadings
from ganbench.interfaces.metric import Evaluator
from ganbench.metrics.suite import IdentityEvaluator
from ganbench.plugins.registry import PluginRegistry, load_plugins
from ganbench.runner.executors.local import cores, partition_seeds

tracing.CALLS_BEFORE_TRACING = 1  # so that a round of warming up reaches what a run reaches
DATA = Path(os.environ.get("GANBENCH_DATA", "."))
FEWEST = 4  # seeds that are divided among processes, since a single one costs as much as two


def setting_of(
    case: str, objective: str, batch: int, registry: PluginRegistry, device: torch.device = CPU
) -> TrainingConfig:
    """A run that does not end while it is looked at.

    Args:
        case: dataset and architecture; ``3x32x32`` is a dataset of random images of that shape.
        objective: its name.
        batch: samples in a batch.
        registry: where names are looked up.
        device: where it trains.
    """
    dataset, architecture = case.split("/")
    shape = re.fullmatch(r"(\d+)x(\d+)x(\d+)", dataset)
    population = RandomImages(*map(int, shape.groups())) if shape else registry.datasets.find(dataset)().load(DATA)
    parts = registry.architectures.find(architecture)(), registry.objectives.find(objective)()
    return TrainingConfig(population.to(device), *parts, 10**6, batch, device)


class RandomImages(Images):
    """Images of independent random pixels, the same in every process: data of any shape without a download."""

    def __init__(self, channels: int, height: int, width: int, n: int = 4096) -> None:
        shape, rng = (n, channels, height, width), torch.Generator().manual_seed(0)
        images = torch.randint(256, shape, generator=rng, dtype=torch.uint8)
        table = ImageTable(images, torch.zeros(n, dtype=torch.int64))
        super().__init__(table, table, n_modes=0, n_samples=1000, evaluator="")

    def evaluator(self) -> Evaluator:
        """Pixels as they are."""
        return IdentityEvaluator()


def trained(cohort: Cohort, block: int) -> Iterator[None]:
    """The engine's own loop; every ``next`` trains a block of generator steps."""
    for _ in train(cohort, set(range(block, cohort.config.steps, block))):
        yield


class Silent(Cohort):
    """A cohort without readings: what those cost is the difference."""

    def _critic_gradient(self, inputs: StepInputs) -> tuple[Tensor, Tensor]:
        gradients = vmap_seeds(lambda own: self.game.critic_gradients(own)[0], self.loops, STEP_DIMS)(inputs)
        return self.critic.flatten(gradients), _nothing(inputs, CriticReadings._fields)

    def _generator_gradient(self, inputs: StepInputs) -> tuple[Tensor, Tensor]:
        gradients = vmap_seeds(lambda own: self.game.generator_gradients(own)[0], self.loops, STEP_DIMS)(inputs)
        return self.generator.flatten(gradients), _nothing(inputs, GeneratorReadings._fields)


def _nothing(inputs: StepInputs, readings: tuple[str, ...]) -> Tensor:
    return inputs.latent.new_zeros(len(inputs.latent), len(readings))


class Crew:
    """Processes of one thread each that share a cohort's seeds, as ``ganbench run`` has it on a processor.

    Every ``next`` lets all of them train a block of generator steps, and ends with the last of them.
    """

    def __init__(self, case: str, objective: str, batch: int, seeds: int, block: int, compiled: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._lines: list[Connection] = []
        for part in partition_seeds(tuple(range(seeds)), cores()):
            ours, theirs = context.Pipe()
            context.Process(
                target=_work, args=(theirs, case, objective, batch, part, block, compiled), daemon=True
            ).start()
            self._lines.append(ours)

    def __next__(self) -> None:
        for line in self._lines:
            line.send(True)
        for line in self._lines:
            line.recv()

    def close(self) -> None:
        """Let the processes end."""
        for line in self._lines:
            line.close()


def _work(
    line: Connection, case: str, objective: str, batch: int, seeds: tuple[int, ...], block: int, compiled: bool
) -> None:
    torch.set_num_threads(1)
    config = replace(setting_of(case, objective, batch, load_plugins()), compiled=compiled)
    running = trained(Cohort(config, seeds), block)
    try:
        while line.recv():
            next(running)
            line.send(True)
    except EOFError:
        return
