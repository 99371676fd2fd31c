"""What ganbench itself provides through the hooks: datasets, architectures, metrics and executors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench.interfaces.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganbench.interfaces.architecture import Architecture
    from ganbench.interfaces.dataset import Dataset
    from ganbench.interfaces.executor import Executor
    from ganbench.interfaces.metric import Metric


@hookimpl
def ganbench_datasets() -> list[type[Dataset]]:
    """Synthetic distributions with known modes, and images."""
    from ganbench.datasets import DATASETS

    return list(DATASETS)


@hookimpl
def ganbench_architectures() -> list[type[Architecture]]:
    """Pairs of networks, the same for every objective."""
    from ganbench.networks import ARCHITECTURES

    return list(ARCHITECTURES)


@hookimpl
def ganbench_metrics() -> list[type[Metric]]:
    """Numbers computed from samples."""
    from ganbench.metrics import METRICS

    return list(METRICS)


@hookimpl
def ganbench_executors() -> list[type[Executor]]:
    """This machine, and clusters."""
    from ganbench.runner.executors.local import Local
    from ganbench.runner.executors.ray import Ray
    from ganbench.runner.executors.slurm import Slurm

    return [Local, Ray, Slurm]
