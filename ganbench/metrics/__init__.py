"""The metrics that ganbench ships: one number each, computed from samples of a frozen generator and real ones."""

from __future__ import annotations

from ganbench.interfaces.metric import Metric
from ganbench.metrics.distances import FrechetDistance, KernelDistance
from ganbench.metrics.modes import HighQuality, ModeKL, Modes
from ganbench.metrics.neighbours import Coverage, Density, Precision, Recall
from ganbench.metrics.transport import SlicedWasserstein, Wasserstein

METRICS: tuple[type[Metric], ...] = (
    Modes,
    HighQuality,
    ModeKL,
    FrechetDistance,
    KernelDistance,
    Precision,
    Recall,
    Density,
    Coverage,
    Wasserstein,
    SlicedWasserstein,
)

__all__ = [
    "METRICS",
    "Coverage",
    "Density",
    "FrechetDistance",
    "HighQuality",
    "KernelDistance",
    "ModeKL",
    "Modes",
    "Precision",
    "Recall",
    "SlicedWasserstein",
    "Wasserstein",
]
