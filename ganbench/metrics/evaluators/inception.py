"""The evaluator of colour images: the InceptionV3 that published FID values come from."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import DataError
from ganbench.interfaces.metric import Evaluator, Measured
from ganbench.metrics.distances import INCEPTION, inception

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

CHUNK = 50


class Inception(Evaluator):
    """Measures colour images with InceptionV3 (2048 features, computed on the samples' device).

    It knows no modes: the 1,000 classes of ImageNet are not those of the data. Metrics that count modes say so.

    The network is read when it is first needed, so the evaluator has a name even where the weights are missing.

    Args:
        weights: of the network: see `ganbench.metrics.distances.inception`, which raises DataError without them.
    """

    name = INCEPTION
    n_modes = 0

    def __init__(self, weights: Path | None = None) -> None:
        self.weights = weights

    @cached_property
    def network(self) -> FeatureExtractorInceptionV3:
        """InceptionV3. Raises DataError without its weights."""
        return inception(self.weights)

    def measure(self, points: Tensor) -> Measured:
        """Measure images (n, 3, height, width) in [-1, 1].

        Raises:
            DataError: for another number of channels, or without the network's weights.
        """
        if points.ndim != 4 or points.shape[1] != 3:
            sentence = f"{self.name} measures images of shape (3, h, w), got {tuple(points.shape[1:])}"
            raise DataError(sentence, subject=self.name, code="shape")
        self.network.to(points.device)
        features = torch.cat([self._features(chunk) for chunk in torch.split(points.detach(), CHUNK)])
        n = len(points)
        return Measured(
            points=points.detach().to("cpu", torch.float32).flatten(1).numpy(),
            features=features.double().cpu().numpy(),
            modes=np.full(n, -1),
            good=np.zeros(n, dtype=bool),
            n_modes=self.n_modes,
            kind="classes",
        )

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        """Features (n, 2048), nan where an image holds a value that is not finite: bytes would hide it."""
        bytes_ = ((images + 1) * 127.5).round().clamp(0, 255)
        (features,) = self.network(bytes_.nan_to_num().to(torch.uint8))
        finite = images.isfinite().flatten(1).all(1, keepdim=True)
        return torch.where(finite, features, torch.nan)
