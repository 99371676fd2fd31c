"""Metrics and evaluators: what they are given, and how their protocols are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


# -- measured samples, metrics, evaluators -----------------------------------------------------------------------------

T = TypeVar("T")


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: arrays do neither
class Measured:
    """A set of n samples with what an evaluator says of each.

    Attributes:
        points: the samples themselves, flattened: (n, size), float32.
        features: where distances between distributions are taken: (n, d), float64.
        modes: the mode that each sample is nearest to, or its class: (n,), int64.
        good: whether the sample is of high quality: (n,), bool.
        n_modes: how many modes there are to find; 0 where none are known.
        kind: ``modes`` of a known distribution, or ``classes`` that a classifier tells apart; mode metrics
            count the two differently.
    """

    points: NDArray[np.float32]
    features: NDArray[np.float64]
    modes: NDArray[np.int64]
    good: NDArray[np.bool_]
    n_modes: int
    kind: Literal["modes", "classes"] = "modes"

    def __len__(self) -> int:
        return len(self.points)

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` gives; computed at the first call with this key, remembered as long as these samples live.

        For statistics that several metrics or several comparisons need: a covariance, the radii of neighbourhoods.
        """
        if key not in self._remembered:
            self._remembered[key] = compute()
        remembered: T = self._remembered[key]
        return remembered

    @cached_property
    def _remembered(self) -> dict[Hashable, Any]:
        return {}


class Evaluator(ABC):
    """Turns samples into features, modes and a judgement of quality.

    Attributes:
        name: enters every protocol string, so two evaluators never share one.
        n_modes: how many modes or classes it tells apart.
    """

    name: str
    n_modes: int

    @abstractmethod
    def measure(self, points: Tensor) -> Measured:
        """Measure samples of shape (n, *sample_shape) on any device, in the units of the dataset."""


@dataclass(frozen=True)
class Metric(ABC):
    """A number computed from samples of a frozen generator and from real ones.

    Subclasses are frozen dataclasses; their fields are the constants of the definition (the k of a
    k-nearest-neighbour metric) and stand in the protocol string where they differ from the default.

    A metric that sets ``needs_features`` to False makes sense on raw values, too. Where the evaluator of some data
    cannot be had, because its weights are missing, such a metric is computed on those, under a protocol of its own.
    ``needs_modes`` says that the metric is not defined where an evaluator knows no modes.
    """

    name: ClassVar[str]
    code_version: ClassVar[int] = 1  # as of an Architecture
    direction: ClassVar[Literal["lower", "higher"]]
    unit: ClassVar[str]
    needs_features: ClassVar[bool] = True
    needs_modes: ClassVar[bool] = False

    @abstractmethod
    def value(self, fake: Measured, real: Measured) -> float:
        """The metric of ``fake`` against ``real``. Raises MetricError where it is not defined."""

    def protocol(self, evaluator: str, n_samples: int) -> str:
        """The whole definition in one string, as in ``fid@digits-cnn/1797``: values with different ones never mix."""
        constants = ",".join(f"{name}={value}" for name, value in self.constants(n_samples).items())
        return f"{self.name}{f'[{constants}]' if constants else ''}@{evaluator}/{n_samples}"

    def constants(self, n_samples: int) -> dict[str, float]:
        """What the protocol string states of the fields: those that differ from the default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


# -- protocol strings --------------------------------------------------------------------------------------------------

NOT_COMPUTED = " (not computed: "  # between the protocol of a NaN and its reason


def split_protocol(text: str) -> tuple[str, str]:
    """The protocol of a row, and why its value is NaN (empty where it is not)."""
    protocol, _, reason = text.partition(NOT_COMPUTED)
    return protocol, reason.removesuffix(")")
