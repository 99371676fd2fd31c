"""Evaluators without a network: coordinates of points with known modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.errors import DataError
from ganbench.interfaces.metric import Evaluator, Measured

# -- coordinates -------------------------------------------------------------------------------------------------------

CHUNK = 1000


class NearestMode(Evaluator):
    """Measures vectors against modes whose centres are known.

    Features are the raw coordinates; a sample's mode is the nearest centre (Euclidean), and the sample is good when
    it lies within that mode's radius.

    Args:
        centres: of the modes: (n_modes, d).
        radii: of each mode, usually three of its standard deviations: (n_modes,).
        name: the evaluator's name.
    """

    def __init__(self, centres: NDArray[np.float64], radii: NDArray[np.float64], name: str = "coordinates") -> None:
        self.name, self.n_modes = name, len(centres)
        self.centres, self.radii = np.asarray(centres, np.float64), np.asarray(radii, np.float64)
        if self.centres.ndim != 2 or self.radii.shape != self.centres.shape[:1]:
            raise DataError(
                f"{name} needs centres of shape (m, d) with radii of shape (m,), "
                f"got {self.centres.shape} and {self.radii.shape}",
                subject=name,
                code="radii",
            )

    def measure(self, points: Tensor) -> Measured:
        """Measure vectors (n, d). Raises DataError for another d."""
        if points.shape[1:] != self.centres.shape[1:]:
            sentence = f"{self.name} measures vectors of {self.centres.shape[1]}, got {tuple(points.shape[1:])}"
            raise DataError(sentence, subject=self.name, code="shape")
        vectors = points.detach().to("cpu", torch.float32).numpy()
        features = vectors.astype(np.float64)
        modes, distances = self._nearest(features)
        return Measured(vectors, features, modes, distances <= self.radii[modes], self.n_modes)

    def _nearest(self, features: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The nearest centre (n,) of each vector and its distance (n,); nan, hence not good, where a vector is."""
        from scipy.spatial.distance import cdist

        chunks = [features[start : start + CHUNK] for start in range(0, len(features), CHUNK)]
        distances = np.concatenate([cdist(chunk, self.centres) for chunk in chunks] or [np.empty((0, self.n_modes))])
        return distances.argmin(axis=1), distances.min(axis=1, initial=np.inf)


# -- evaluators of images without a network ----------------------------------------------------------------------------


class Coordinates(Evaluator):
    """Measures vectors by their coordinates alone. It knows no modes, so metrics that count them say so."""

    name = "coordinates"
    n_modes = 0

    def measure(self, points: Tensor) -> Measured:
        """Measure vectors (n, d)."""
        vectors = points.detach().to("cpu").float().numpy()
        n = len(vectors)
        return Measured(vectors, vectors.astype(np.float64), np.full(n, -1), np.zeros(n, dtype=bool), n_modes=0)


class RepeatedGrey(Evaluator):
    """Measures grey images with an evaluator of colour images, by giving it the one channel three times."""

    def __init__(self, colour: Evaluator) -> None:
        self.name, self.n_modes = colour.name, colour.n_modes
        self._colour = colour

    def measure(self, points: Tensor) -> Measured:
        """Measure images (n, 1, height, width). The points that metrics see keep their one channel."""
        grey = points.detach().to("cpu").float().flatten(1).numpy()
        return replace(self._colour.measure(points.expand(-1, 3, -1, -1)), points=grey)
