"""Metrics made of neighbourhoods: the balls around samples that reach to their k-th neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbench.interfaces.metric import Measured, Metric
from ganbench.metrics.checks import require_samples

MEBIBYTES = 64  # of a distance matrix in memory at once


@dataclass(frozen=True)
class Precision(Metric):
    """The share of fake samples that lie inside the neighbourhood of some real sample.

    Source: Kynkaanniemi et al. (2019), eq. 1-2, k = 3, on the evaluator's features.

    Traps: equal distributions do not score 1 (about .96 at n = 1,000 in two dimensions); a single real outlier,
    whose ball is huge, lifts the precision of noise: ``density`` mends that.

    Attributes:
        k: the neighbour whose distance is the radius of a neighbourhood, counted from 1.
    """

    name = "precision"
    direction = "higher"
    unit = "share"

    k: int = 3

    def value(self, fake: Measured, real: Measured) -> float:
        """Share of fake samples, 0 to 1. Raises MetricError with k samples or fewer on a side."""
        require_samples(self, fake, real, at_least=self.k + 1)
        return _precision_recall(fake, real, self.k)[0]


@dataclass(frozen=True)
class Recall(Metric):
    """The share of real samples that lie inside the neighbourhood of some fake sample.

    Source: Kynkaanniemi et al. (2019), eq. 1-2, k = 3, on the evaluator's features.

    Traps: equal distributions do not score 1; fake samples scattered far and wide have huge balls and so a high
    recall: ``coverage`` mends that.

    Attributes:
        k: the neighbour whose distance is the radius of a neighbourhood, counted from 1.
    """

    name = "recall"
    direction = "higher"
    unit = "share"

    k: int = 3

    def value(self, fake: Measured, real: Measured) -> float:
        """Share of real samples, 0 to 1. Raises MetricError with k samples or fewer on a side."""
        require_samples(self, fake, real, at_least=self.k + 1)
        return _precision_recall(fake, real, self.k)[1]


@dataclass(frozen=True)
class Density(Metric):
    """In how many real neighbourhoods a fake sample lies, on average, over k.

    Source: Naeem et al. (2020), section 3, k = 5; a ball ends before its k-th neighbour, as in the authors' program.

    Traps: 1 for equal distributions in expectation, but not bounded by it: samples that crowd into the densest
    region score more than 1.

    Attributes:
        k: the neighbour whose distance is the radius of a neighbourhood, counted from 1.
    """

    name = "density"
    direction = "higher"
    unit = "ratio"

    k: int = 5

    def value(self, fake: Measured, real: Measured) -> float:
        """The density, 0 or more. Raises MetricError with k samples or fewer on a side."""
        require_samples(self, fake, real, at_least=self.k + 1)
        return _density_coverage(fake, real, self.k)[0]


@dataclass(frozen=True)
class Coverage(Metric):
    """The share of real neighbourhoods that hold at least one fake sample.

    Source: Naeem et al. (2020), section 3, k = 5.

    Traps: for equal distributions and n fake samples to n real ones it is about 1 - 2^-k = .969, and it falls with
    the number of fake samples whatever they are: compare at one sample count.

    Attributes:
        k: the neighbour whose distance is the radius of a neighbourhood, counted from 1.
    """

    name = "coverage"
    direction = "higher"
    unit = "share"

    k: int = 5

    def value(self, fake: Measured, real: Measured) -> float:
        """Share of real neighbourhoods, 0 to 1. Raises MetricError with k samples or fewer on a side."""
        require_samples(self, fake, real, at_least=self.k + 1)
        return _density_coverage(fake, real, self.k)[1]


def _precision_recall(fake: Measured, real: Measured, k: int) -> tuple[float, float]:
    """Both at once, for they share their distances; the second to ask finds the pair ready."""

    def compute() -> tuple[float, float]:
        return precision_recall(fake.features, real.features, _radii(fake, k), _radii(real, k))

    return fake.once(("precision, recall", real, k), compute)


def _density_coverage(fake: Measured, real: Measured, k: int) -> tuple[float, float]:
    def compute() -> tuple[float, float]:
        return density_coverage(fake.features, real.features, _radii(real, k), k)

    return fake.once(("density, coverage", real, k), compute)


def _radii(samples: Measured, k: int) -> NDArray[np.float64]:
    return samples.once(("radii", k), lambda: neighbour_distances(samples.features, k))


def neighbour_distances(features: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Distance (n,) of each of n samples to its k-th nearest neighbour among the others."""
    radii = np.empty(len(features))
    for start, distances in _distances(features, features):
        rows = np.arange(len(distances))
        distances[rows, start + rows] = np.inf  # itself; copies of it count
        radii[start + rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def precision_recall(
    fake: NDArray[np.float64],
    real: NDArray[np.float64],
    fake_radii: NDArray[np.float64],
    real_radii: NDArray[np.float64],
) -> tuple[float, float]:
    """Precision and recall of features (n, d) and (m, d) with the radii (n,) and (m,) of their neighbourhoods."""
    inside, covered = [], np.zeros(len(real), dtype=bool)
    for start, distances in _distances(fake, real):
        radii = fake_radii[start : start + len(distances), None]
        inside.append((distances <= real_radii).any(axis=1))
        covered |= (distances <= radii).any(axis=0)
    return float(np.concatenate(inside).mean()), float(covered.mean())


def density_coverage(
    fake: NDArray[np.float64], real: NDArray[np.float64], radii: NDArray[np.float64], k: int
) -> tuple[float, float]:
    """Density and coverage of features (n, d) and (m, d), where (m,) radii surround the real ones."""
    inside, covered = 0, np.zeros(len(real), dtype=bool)
    for _, distances in _distances(fake, real):
        within = distances < radii
        inside += int(within.sum())
        covered |= within.any(axis=0)
    return inside / (k * len(fake)), float(covered.mean())


def _distances(fake: NDArray[np.float64], real: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Distances of some fake samples to all real ones, (some, m), with the index of the first; then of the next.

    Radii and distances both come from here. A distance is the root of a sum of squared differences, so that it is the
    same number from either side and in every chunk, and zero between copies: ties are exact. The faster expansion
    x.x - 2 x.y + y.y rounds each of these in another way.
    """
    from scipy.spatial.distance import cdist

    rows = max(1, int(MEBIBYTES * 2**20 / (8 * len(real))))
    for start in range(0, len(fake), rows):
        yield start, cdist(fake[start : start + rows], real)
