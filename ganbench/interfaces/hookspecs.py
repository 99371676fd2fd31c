"""The hooks that a plugin may implement. Each returns a list; classes are imported inside the hook, not above it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.interfaces.architecture import Architecture
    from ganbench.interfaces.dataset import Dataset
    from ganbench.interfaces.executor import Executor
    from ganbench.interfaces.metric import Metric
    from ganbench.interfaces.objective import Objective

PROJECT = "ganbench"  # pluggy's project name, and the entry-point group
RETIRED: Mapping[str, str] = {}  # hooks that there were once, and what to implement instead; none has gone so far

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ganbench_objectives() -> list[type[Objective]]:  # type: ignore[empty-body]
    """Objectives: frozen dataclasses that subclass ``ganbench.Objective``."""


@hookspec
def ganbench_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Datasets: frozen dataclasses that subclass ``ganbench.Dataset``."""


@hookspec
def ganbench_architectures() -> list[type[Architecture]]:  # type: ignore[empty-body]
    """Architectures: frozen dataclasses that subclass ``ganbench.Architecture``."""


@hookspec
def ganbench_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Metrics: frozen dataclasses that subclass ``ganbench.Metric``."""


@hookspec
def ganbench_executors() -> list[type[Executor]]:  # type: ignore[empty-body]
    """Engines that run cohorts: frozen dataclasses that subclass ``ganbench.Executor``."""


@hookspec
def ganbench_trial_finished(trial: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Called once for every trial that ends, in the process that keeps the results; again where it is probed later.

    An implementation names the arguments that it wants. Whatever it raises is said and changes no result.

    Args:
        trial: the trial's row of the trials table.
        tables: its ``steps``, ``evaluations``, ``modes`` and ``probes``; one without rows where there are none.
        folder: where trackers may keep files, each in a folder of its own: ``<results>/trackers``. It may not exist.
    """
