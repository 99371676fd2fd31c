"""Evaluators that some datasets need beside the common ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from ganbench.measured import Evaluator, Measured


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
