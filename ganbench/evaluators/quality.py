"""When a classified image is of high quality: near enough to its class, as real images are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

SHARE_OF_REAL = 1 - math.exp(-4.5)  # 98.89 %: the share of a 2-D Gaussian that lies within three sigma


@dataclass(frozen=True)
class Quality:
    """A Mahalanobis ball around each class, with one covariance for all of them.

    The ball holds 98.89 % of real images (1 - exp(-9/2), the share of a 2-D Gaussian within three sigma), so
    ``high_quality`` of a perfect sampler is the same number on images as on ``ring`` and ``grid``.
    Source of the distance: Lee et al. (2018), "A Simple Unified Framework for Detecting Out-of-Distribution
    Samples", eq. 1-2.

    Attributes:
        centres: the mean features of each class: (n_classes, d).
        whitening: W of shape (d, d); the squared distance is the squared norm of (features - centre) W.
        radius: the largest distance of an image of high quality, in within-class standard deviations.
    """

    centres: NDArray[np.float64]
    whitening: NDArray[np.float64]
    radius: float

    @classmethod
    def none(cls) -> Self:
        """No judgement: for a classifier whose features are all that is wanted."""
        return cls(np.empty((0, 0)), np.empty((0, 0)), math.inf)

    @classmethod
    def fit(cls, features: NDArray[np.float64], labels: NDArray[np.int64]) -> Self:
        """Centres and the shrunk within-class covariance (Ledoit & Wolf) of real features (n, d); no radius yet."""
        from sklearn.covariance import ledoit_wolf

        centres = np.stack([features[labels == label].mean(axis=0) for label in np.unique(labels)])
        covariance, _ = ledoit_wolf(features - centres[labels], assume_centered=True)
        return cls(centres, np.linalg.cholesky(np.linalg.inv(covariance)), math.inf)

    def calibrated(self, features: NDArray[np.float64], classes: NDArray[np.int64]) -> Self:
        """The same with the radius that holds 98.89 % of these real images, which nothing was fitted to."""
        distances = self.distances(features, classes)
        return type(self)(self.centres, self.whitening, float(np.quantile(distances, SHARE_OF_REAL)))

    def distances(self, features: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mahalanobis distance (n,) of features (n, d) to the centre of the class given for each."""
        distances: NDArray[np.float64] = np.linalg.norm((features - self.centres[classes]) @ self.whitening, axis=1)
        return distances

    def good(self, features: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each sample lies within the radius of its class: (n,)."""
        return self.distances(features, classes) <= self.radius
