"""ganbench: which GAN objective should I trust, on my data and my budget, and why?

Names are imported when they are first used, so that ``import ganbench`` costs nothing and leaves torch alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganbench.errors import DataError, MetricError, UsageError
    from ganbench.interfaces.architecture import Architecture, CriticNetwork
    from ganbench.interfaces.dataset import Dataset, Population
    from ganbench.interfaces.draw import Draw
    from ganbench.interfaces.executor import Event, Executor
    from ganbench.interfaces.hookspecs import hookimpl
    from ganbench.interfaces.metric import Evaluator, Measured, Metric
    from ganbench.interfaces.objective import Critic, Objective, Optimizer, js_lower_bound, softplus
    from ganbench.networks.dcgan import Dcgan
    from ganbench.networks.mlp import Mlp
    from ganbench.runner.cohort_run import run_cohort
    from ganbench.store.results import load

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "ganbench.interfaces.architecture",
    "Critic": "ganbench.interfaces.objective",
    "CriticNetwork": "ganbench.interfaces.architecture",
    "DataError": "ganbench.errors",
    "Dataset": "ganbench.interfaces.dataset",
    "Dcgan": "ganbench.networks.dcgan",
    "Draw": "ganbench.interfaces.draw",
    "Evaluator": "ganbench.interfaces.metric",
    "Event": "ganbench.interfaces.executor",
    "Executor": "ganbench.interfaces.executor",
    "Measured": "ganbench.interfaces.metric",
    "Metric": "ganbench.interfaces.metric",
    "MetricError": "ganbench.errors",
    "Mlp": "ganbench.networks.mlp",
    "Objective": "ganbench.interfaces.objective",
    "Optimizer": "ganbench.interfaces.objective",
    "Population": "ganbench.interfaces.dataset",
    "UsageError": "ganbench.errors",
    "hookimpl": "ganbench.interfaces.hookspecs",
    "js_lower_bound": "ganbench.interfaces.objective",
    "load": "ganbench.store.results",
    "run_cohort": "ganbench.runner.cohort_run",
    "softplus": "ganbench.interfaces.objective",
}

__all__ = [
    "Architecture",
    "Critic",
    "CriticNetwork",
    "DataError",
    "Dataset",
    "Dcgan",
    "Draw",
    "Evaluator",
    "Event",
    "Executor",
    "Measured",
    "Metric",
    "MetricError",
    "Mlp",
    "Objective",
    "Optimizer",
    "Population",
    "UsageError",
    "__version__",
    "hookimpl",
    "js_lower_bound",
    "load",
    "run_cohort",
    "softplus",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganbench' has no attribute {name!r}", name=name)
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
