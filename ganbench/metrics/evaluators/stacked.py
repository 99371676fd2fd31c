"""The evaluator of stacked digits: three channels, a digit in each, a thousand classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import DataError
from ganbench.interfaces.metric import Evaluator, Measured
from ganbench.metrics.evaluators.classifier import Classifier


class StackedEvaluator(Evaluator):
    """Measures images of three channels by classifying each: stacked MNIST (Metz et al. 2017, Lin et al. 2018).

    The class is 100 a + 10 b + c for digits a, b, c in the channels; features are those of the channels, side by
    side. A sample is good when all three channels are, so a perfect sampler has a ``high_quality`` of
    .9889^3 = 96.7 %.
    """

    def __init__(self, digit: Classifier) -> None:
        self.name, self.n_modes = f"stacked-{digit.name}", digit.n_modes**3
        self.digit = digit

    def measure(self, points: Tensor) -> Measured:
        """Measure images (n, 3, height, width) in [-1, 1]. Raises DataError for another shape."""
        expected = (3, *self.digit.image_shape[1:])
        if points.shape[1:] != expected:
            sentence = f"{self.name} measures images of shape {expected}, got {tuple(points.shape[1:])}"
            raise DataError(sentence, subject=self.name, code="shape")
        n, base = len(points), self.digit.n_modes
        channels = self.digit.measure(points.flatten(0, 1).unsqueeze(1))
        modes = channels.modes.reshape(n, 3) @ np.array([base**2, base, 1])
        good = np.logical_and.reduce(channels.good.reshape(n, 3), axis=1)
        images = points.detach().to("cpu", torch.float32).flatten(1).numpy()
        return Measured(images, channels.features.reshape(n, -1), modes, good, self.n_modes, kind="classes")
