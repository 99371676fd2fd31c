"""What experiments share: small training runs, the quality of their samples, and the directions of their steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.datasets.points import Points, Sampler
from ganbench.datasets.root import data_root
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import LogChunk, train
from ganbench.engine.player import Player
from ganbench.engine.sampling import draw_samples, evaluation_latents
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.metric import Measured
from ganbench.interfaces.objective import Objective
from ganbench.metrics.transport import SlicedWasserstein
from ganbench.networks.mlp import Mlp
from ganbench.plugins.loading import OWN
from ganbench.plugins.registry import load_plugins
from ganbench.rng import generator

SAMPLES = 2500  # of every generator whose quality is measured
METRIC = SlicedWasserstein(projections=100)

# -- device ------------------------------------------------------------------------------------------------------------

DEVICE = ContextVar("device", default="cpu")  # what cohorts are trained on; they are measured on the CPU


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """Train the cohorts of the block on a device."""
    before = DEVICE.set(name)
    try:
        yield
    finally:
        DEVICE.reset(before)


# -- training ----------------------------------------------------------------------------------------------------------


def objective(name: str, **fields: Any) -> Objective:
    """A first-party objective with some of its fields set."""
    made: Objective = load_plugins().objectives.find(f"{OWN}:{name}")(**fields)
    return made


def population(dataset: Dataset) -> Population:
    """The samples of a dataset, on the CPU."""
    return dataset.load(data_root(None))


def cohort(
    dataset: Dataset | Population,
    architecture: Architecture,
    chosen: Objective,
    seeds: Sequence[int],
    steps: int,
    batch_size: int = 128,
    **settings: Any,
) -> Cohort:
    """All seeds of one arm as one program; see ``TrainingConfig`` for the arguments and for further ones."""
    return Cohort(training_config(dataset, architecture, chosen, steps, batch_size, **settings), tuple(seeds))


def training_config(
    dataset: Dataset | Population,
    architecture: Architecture,
    chosen: Objective,
    steps: int,
    batch_size: int = 128,
    **settings: Any,
) -> TrainingConfig:
    """What a cohort trains with, on the device of the experiment."""
    samples, device = population(dataset) if isinstance(dataset, Dataset) else dataset, torch.device(DEVICE.get())
    return TrainingConfig(samples.to(device), architecture, chosen, steps, batch_size, device=device, **settings)


def training(trained: Cohort, stops: Iterable[int] = ()) -> Iterator[LogChunk]:
    """Train to the end, pausing after every step in ``stops`` (and at the ends of blocks)."""
    yield from train(trained, set(stops))


def pauses(trained: Cohort, stops: Sequence[int]) -> Iterator[int]:
    """Train to the end, pausing after the steps in ``stops`` only."""
    return (chunk.last for chunk in training(trained, stops) if chunk.last in stops)


def train_fully(trained: Cohort) -> Cohort:
    """The same cohort after all its steps."""
    for _ in training(trained):
        pass
    return trained


def weight_course(trained: Cohort, name: str) -> NDArray[np.float64]:
    """The first entry of a weight of the generator after every step: (steps, seeds)."""
    steps, n = range(1, trained.config.steps + 1), len(trained.seeds)
    weight = trained.generator.weights[name]
    return np.array([weight[:n, 0].double().cpu().numpy().copy() for _ in pauses(trained, steps)])


@dataclass(frozen=True)
class AgainstMlp(Architecture):
    """A generator of an experiment's own against the critic of ``mlp``, with hidden layers of 128 ReLU units.

    Attributes:
        network: makes the generator.
        depth: hidden layers of the critic.
    """

    name = "against-mlp"
    network: Callable[[], nn.Module] = nn.Identity
    depth: int = 2

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to samples (batch, *sample_shape)."""
        return self.network()

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,)."""
        return Mlp(depth=self.depth).critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """The one dataset of an experiment fits."""


def endless(sample: Sampler, dimension: int) -> Population:
    """Vectors without modes, drawn afresh without end by a function of a shape and a generator."""
    return Points(sample, torch.empty(0, dimension), torch.empty(0), "")


# -- quality of samples ------------------------------------------------------------------------------------------------


def measure_samples(trained: Cohort) -> list[Measured]:
    """2,500 samples of every seed's generator, from latents that are the same all run, as the metrics see them."""
    evaluator = trained.config.population.evaluator()
    latents = evaluation_latents(trained.seeds, SAMPLES, trained.config.architecture.latent)
    return [evaluator.measure(points) for points in draw_samples(trained.sample, latents)]


def measure_reference(samples: Population) -> Measured:
    """As many reference samples of a dataset."""
    return samples.evaluator().measure(samples.reference(SAMPLES))


def sliced_w1(fake: Measured, real: Measured, diverged: float = math.nan) -> float:
    """Sliced W1; ``diverged`` where a sample is not finite."""
    return METRIC.value(fake, real) if np.isfinite(fake.points).all() else diverged


def sliced_w1_floor(samples: Population, real: Measured) -> float:
    """Sliced W1 of fresh real samples: what the best generator is expected to have."""
    fresh = samples.take(samples.draw((SAMPLES,), generator(0, "floor")))
    return sliced_w1(samples.evaluator().measure(fresh), real)


# -- directions of gradients -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WatchedPlayer(Player):
    """A player that records the cosine between each of its optimizer's steps and the negative gradient: (seeds,)."""

    cosines: list[Tensor] = field(default_factory=list)

    def update(self, gradient: Tensor) -> None:
        """One optimizer step with a flattened gradient."""
        before = self.flat.clone()
        super().update(gradient)
        self.cosines.append(torch.cosine_similarity(before - self.flat, gradient, dim=1))


def track_cosines(trained: Cohort) -> list[Tensor]:
    """Record the cosines of the critic's steps from now on, before any projection of its weights, into this list."""
    trained.run_uncaptured()
    critic = WatchedPlayer(**vars(trained.critic))
    trained.critic = critic
    return critic.cosines
