"""Wasserstein distances between samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbench.errors import MetricError
from ganbench.interfaces.metric import Measured, Metric
from ganbench.metrics.checks import require_samples

MAX_ITERATIONS = 10_000_000  # of the network simplex; a thousand samples a side need some ten thousand


@dataclass(frozen=True)
class Wasserstein(Metric):
    """Exact 1-Wasserstein distance between the features of fake samples and of held-out real ones.

    Source: Arjovsky et al. (2017), eq. 1, solved as a linear program by POT's network simplex. The cost grows with
    the square of the samples and the program with more than that, so a fixed random choice of ``samples`` of
    each set is compared; the protocol states how many.

    Traps: far from 0 for equal distributions (.085 on ``ring`` with 1,000 samples), and slow to fall in many
    dimensions: read it against the floor at the same sample count.

    Attributes:
        samples: compared of each set, at most as many as there are.
        seed: of their choice.
    """

    name = "w1"
    direction = "lower"
    unit = "feature distance"
    needs_features = False

    samples: int = 1000
    seed: int = 0

    def value(self, fake: Measured, real: Measured) -> float:
        """The distance. Raises MetricError without finite samples, or where the linear program is not solved."""
        require_samples(self, fake, real)
        rng = np.random.default_rng(self.seed)
        return exact_distance(*(_some(side.features, self.samples, rng) for side in (fake, real)))

    def constants(self, n_samples: int) -> dict[str, float]:
        """The number of samples compared, always: it depends on the number of samples."""
        return super().constants(n_samples) | {"samples": min(self.samples, n_samples)}


@dataclass(frozen=True)
class SlicedWasserstein(Metric):
    """Mean 1-Wasserstein distance over fixed random directions of the features.

    Source: Bonneel et al. (2015), with p = 1. The directions depend on nothing but ``projections``,
    ``seed`` and the number of features, so every generator is seen from the same ones.

    Traps: a mean over directions shrinks with the number of features about as 1 / sqrt(d), so values of different
    evaluators do not compare. It is above 0 for equal distributions: read it against the floor.

    Attributes:
        projections: random directions.
        seed: of the directions.
    """

    name = "sliced_w1"
    direction = "lower"
    unit = "feature distance"
    needs_features = False

    projections: int = 200
    seed: int = 0

    def value(self, fake: Measured, real: Measured) -> float:
        """The distance. Raises MetricError without finite samples."""
        require_samples(self, fake, real)
        return mean_line_distance(self._projected(fake), self._projected(real))

    def constants(self, n_samples: int) -> dict[str, float]:
        """The number of directions, always."""
        return {"projections": self.projections} | super().constants(n_samples)

    def _projected(self, samples: Measured) -> NDArray[np.float64]:
        """Features along each direction, sorted: (projections, n)."""
        return samples.once((self.name, self), lambda: np.sort(self._directions(samples) @ samples.features.T, axis=1))

    def _directions(self, samples: Measured) -> NDArray[np.float64]:
        """Unit vectors (projections, d), uniform on the sphere."""
        shape = (self.projections, samples.features.shape[1])
        normal = np.random.default_rng(self.seed).standard_normal(shape)
        directions: NDArray[np.float64] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        return directions


def exact_distance(fake: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """1-Wasserstein distance of equally weighted points (n, d) and (m, d). Raises MetricError where not solved."""
    import ot

    cost, log = ot.emd2([], [], ot.dist(fake, real, metric="euclidean"), numItermax=MAX_ITERATIONS, log=True)
    if log["warning"]:
        sentence = f"w1 could not be solved for {len(fake)} fake and {len(real)} real samples: {log['warning']}"
        raise MetricError(sentence, subject="w1", code="unsolved")
    return float(cost)


def mean_line_distance(fake: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Mean 1-Wasserstein distance of sorted points (directions, n) and (directions, m), direction by direction."""
    if fake.shape == real.shape:  # equal weights are matched in order: what POT computes, twenty times faster
        return float(np.abs(fake - real).mean())
    import ot

    return float(ot.wasserstein_1d(fake.T, real.T, p=1, require_sort=False).mean())


def _some(features: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """At most n of the samples, chosen without replacement."""
    return features[rng.choice(len(features), min(n, len(features)), replace=False)]
