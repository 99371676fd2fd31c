"""What experiments are made of: cohorts of the installed objectives, outside any study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ganbench.admission import OWN
from ganbench.cohort import Cohort, Setting
from ganbench.dataset import Dataset, Population
from ganbench.datasets.root import data_root
from ganbench.networks.architecture import Architecture
from ganbench.objective import Objective
from ganbench.plugins import load_plugins
from ganbench.training import Segment, train


def objective(name: str, **fields: Any) -> Objective:
    """A first-party objective with some of its fields set."""
    made: Objective = load_plugins().objectives.find(f"{OWN}:{name}")(**fields)
    return made


def population(dataset: Dataset) -> Population:
    """The samples of a dataset."""
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
    """All seeds of one arm as one program on the CPU; see ``Setting`` for the arguments and for further ones."""
    samples = population(dataset) if isinstance(dataset, Dataset) else dataset
    return Cohort(Setting(samples, architecture, chosen, steps, batch_size, **settings), tuple(seeds))


def training(trained: Cohort, stops: Sequence[int] = ()) -> Iterator[Segment]:
    """Train to the end, at rest after every step in ``stops`` (and at the ends of blocks)."""
    yield from train(trained, set(stops))
