"""What experiments share: small training runs, and players that track their gradients' directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganbench.datasets.root import data_root
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import LogChunk, train
from ganbench.engine.player import Player
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.objective import Objective
from ganbench.plugins.loading import OWN
from ganbench.plugins.registry import load_plugins

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


def training(trained: Cohort, stops: Sequence[int] = ()) -> Iterator[LogChunk]:
    """Train to the end, pausing after every step in ``stops`` (and at the ends of blocks)."""
    yield from train(trained, set(stops))


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
