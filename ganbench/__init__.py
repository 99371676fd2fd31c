"""ganbench: which GAN objective should I trust, on my data and my budget, and why?

Names are imported when they are first used, so that ``import ganbench`` costs nothing and leaves torch alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganbench.dataset import Dataset, Population
    from ganbench.draws import Draw
    from ganbench.errors import DataError, MetricError, UsageError
    from ganbench.executor import Executor
    from ganbench.hookspecs import hookimpl
    from ganbench.losses import js_lower_bound, softplus
    from ganbench.measured import Evaluator, Measured, Metric
    from ganbench.networks.architecture import Architecture, CriticNetwork
    from ganbench.networks.dcgan import Dcgan
    from ganbench.networks.mlp import Mlp
    from ganbench.objective import Critic, Objective, Optimizer
    from ganbench.results import load

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "ganbench.networks.architecture",
    "Critic": "ganbench.objective",
    "CriticNetwork": "ganbench.networks.architecture",
    "DataError": "ganbench.errors",
    "Dataset": "ganbench.dataset",
    "Dcgan": "ganbench.networks.dcgan",
    "Draw": "ganbench.draws",
    "Evaluator": "ganbench.measured",
    "Executor": "ganbench.executor",
    "Measured": "ganbench.measured",
    "Metric": "ganbench.measured",
    "MetricError": "ganbench.errors",
    "Mlp": "ganbench.networks.mlp",
    "Objective": "ganbench.objective",
    "Optimizer": "ganbench.objective",
    "Population": "ganbench.dataset",
    "UsageError": "ganbench.errors",
    "hookimpl": "ganbench.hookspecs",
    "js_lower_bound": "ganbench.losses",
    "load": "ganbench.results",
    "softplus": "ganbench.losses",
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
    "softplus",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
