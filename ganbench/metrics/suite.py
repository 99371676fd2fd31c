"""Metrics of samples: every metric of one seed's samples, each by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import DataError, MetricError
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.metric import Evaluator, Measured, Metric
from ganbench.metrics.checks import not_finite
from ganbench.metrics.modes import Modes, captured, histogram
from ganbench.plugins.isolation import guarded


class IdentityEvaluator(Evaluator):
    """Measures samples by their raw values alone: what is left where the evaluator of some data cannot be had."""

    name = "raw"
    n_modes = 0

    def measure(self, points: Tensor) -> Measured:
        """Measure samples (n, *sample_shape); features are their values, in order."""
        flat = points.detach().to("cpu", torch.float32).flatten(1).numpy()
        return Measured(flat, flat.astype(np.float64), np.full(len(flat), -1), np.zeros(len(flat), dtype=bool), 0)


class ModeCounts(NamedTuple):
    """How many samples each mode has, and whether it counts as captured: one entry a mode."""

    samples: list[int]
    captured: list[bool]


class Evaluation(NamedTuple):
    """What an evaluation says of one seed: a row a metric, and its modes where some are known and samples finite."""

    rows: list[dict[str, Any]]
    modes: ModeCounts | None


class MissingEvaluator(NamedTuple):
    """An evaluator that cannot be had: its name, the reason, and how many modes it would tell apart."""

    name: str
    reason: str
    n_modes: int


@dataclass(frozen=True)
class MetricSuite:
    """Everything an evaluation needs, loaded once: evaluator, metrics and the measured real samples.

    Attributes:
        evaluator: measures samples.
        metrics: are computed, each on its own: one that fails leaves a NaN with the reason and the others alone.
        real: the reference samples.
        n_samples: how many fake samples an evaluation takes.
        absent: the evaluator that these data should have, where it cannot be had and ``evaluator`` stands in for it.
            Metrics that need its features are NaN then.
    """

    evaluator: Evaluator
    metrics: Sequence[Metric]
    real: Measured
    n_samples: int
    absent: MissingEvaluator | None = None

    @classmethod
    def of(cls, population: Population, metrics: Sequence[Metric], n_samples: int = 0) -> Self:
        """An examiner of samples of a population; 0 samples are the population's own number."""
        n = n_samples or population.n_samples
        with guarded(population, "evaluating"):
            evaluator, reference = population.evaluator(), population.reference(n)
        try:
            with guarded(evaluator, "measuring with"):
                return cls(evaluator, metrics, evaluator.measure(reference), n)
        except DataError as error:
            raw = IdentityEvaluator()
            return cls(
                raw, metrics, raw.measure(reference), n, MissingEvaluator(evaluator.name, str(error), evaluator.n_modes)
            )

    def examine(self, samples: Tensor) -> list[dict[str, Any]]:
        """One row a metric for the samples of one seed, (n, *sample_shape)."""
        return self.rows(self._measure(samples))

    def rows(self, fake: Measured) -> list[dict[str, Any]]:
        """One row a metric: name, value or the reason why there is none, number of samples measured, and protocol."""
        return [self._row(metric, fake) for metric in self.metrics]

    def findings(self, samples: Tensor) -> Evaluation:
        """Everything that is written down of the samples of one seed, (n, *sample_shape)."""
        fake = self._measure(samples)
        return Evaluation(self.rows(fake), self._modes(fake))

    def _measure(self, samples: Tensor) -> Measured:
        with guarded(self.evaluator, "measuring with"):
            return self.evaluator.measure(samples)

    def _modes(self, fake: Measured) -> ModeCounts | None:
        """By the definition of the metric ``modes`` among those computed, else by the default."""
        if not fake.n_modes or not_finite(fake):
            return None
        share = next((metric.share for metric in self.metrics if isinstance(metric, Modes)), Modes.share)
        return ModeCounts(histogram(fake).tolist(), captured(fake, share).tolist())

    def protocol(self, metric: Metric, n_samples: int) -> str:
        """The definition of what the rows of a metric hold."""
        name = self.absent.name if self.absent and metric.needs_features else self.evaluator.name
        return metric.protocol(name, n_samples)

    def _row(self, metric: Metric, fake: Measured) -> dict[str, Any]:
        protocol, reason = self.protocol(metric, len(fake)), ""
        try:
            value = self._value(metric, fake)
        except Exception as error:  # a third party's metric may raise anything, and a run of hours must survive it
            text = str(error) if isinstance(error, MetricError) else f"{type(error).__name__}: {error}"
            value, reason = math.nan, " ".join(text.split())
        return {"metric": metric.name, "value": value, "n_samples": len(fake), "protocol": protocol, "reason": reason}

    def _value(self, metric: Metric, fake: Measured) -> float:
        if self.absent and metric.needs_features:
            if metric.needs_modes and not self.absent.n_modes:
                sentence = f"{metric.name} needs known modes or classes, and {self.absent.name} has none"
                raise MetricError(sentence, subject=metric.name, code="no-modes")
            raise MetricError(self.absent.reason)
        with guarded(metric, "metric"):
            return float(metric.value(fake, self.real))
