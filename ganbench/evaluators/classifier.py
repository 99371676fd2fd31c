"""An evaluator made of a classifier: features, classes and a judgement of quality."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.errors import DataError
from ganbench.evaluators.network import N_DIGITS, ConvClassifier
from ganbench.evaluators.quality import Quality
from ganbench.measured import Evaluator, Measured

CHUNK = 100  # what a core's cache holds: in chunks of 500 the convolutions take half as long again


class Classifier(Evaluator):
    """Measures one-channel images with a trained classifier.

    It computes on the CPU in float32 and in chunks of one fixed size, the last one padded: what it says of a
    sample depends neither on the device that made it nor on how many others came with it.

    Args:
        name: the evaluator's name, as in ``digits-cnn``.
        network: the trained classifier.
        image_shape: (1, height, width).
        quality: what decides whether a sample is good.
    """

    def __init__(self, name: str, network: ConvClassifier, image_shape: tuple[int, int, int], quality: Quality) -> None:
        self.name, self.n_modes = name, N_DIGITS
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.image_shape, self.quality = image_shape, quality

    def measure(self, points: Tensor) -> Measured:
        """Measure images (n, 1, height, width) in [-1, 1]. Raises DataError for another shape."""
        if points.shape[1:] != self.image_shape:
            raise DataError(f"{self.name} measures images of shape {self.image_shape}, got {tuple(points.shape[1:])}")
        images = points.detach().to("cpu", torch.float32)
        features, classes = self.classify(images)
        good = self.quality.good(features, classes)
        return Measured(images.flatten(1).numpy(), features, classes, good, self.n_modes, kind="classes")

    def classify(self, images: Tensor) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Features (n, d) and the likeliest digit (n,) of images (n, 1, height, width) on the CPU."""
        answers = [self._classify_chunk(chunk) for chunk in torch.split(images, CHUNK)]
        features, logits = (torch.cat(parts) for parts in zip(*answers, strict=True))
        return features.double().numpy(), logits[:, :N_DIGITS].argmax(1).numpy()

    @torch.no_grad()
    def _classify_chunk(self, chunk: Tensor) -> tuple[Tensor, Tensor]:
        padding = chunk.new_zeros(CHUNK - len(chunk), *chunk.shape[1:])
        features, logits = self.network(torch.cat([chunk, padding]).to(memory_format=torch.channels_last))
        return features[: len(chunk)], logits[: len(chunk)]
