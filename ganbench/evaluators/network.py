"""The convolutional classifier behind ``digits-cnn`` and ``mnist-cnn``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

N_DIGITS = 10
NOT_A_DIGIT = 10  # the class of spoiled images, which training shows and evaluation never predicts


class ConvClassifier(nn.Module):
    """A small convolutional classifier of one-channel images whose last hidden layer serves as features.

    Each stage is a 3x3 convolution, BatchNorm, ReLU and, where ``pools`` says so, a 2x2 max-pooling.
    The features are the last hidden layer *before* its ReLU and after BatchNorm: of about unit
    variance, nearer to normal than what follows and never dead, which both the Frechet distance and
    the Mahalanobis distance ask for.

    Args:
        size: height and width of an image, in pixels.
        channels: channels of each convolution.
        pools: whether a pooling follows each convolution.
        width: how many features there are.
    """

    def __init__(self, size: int, channels: Sequence[int], pools: Sequence[bool], width: int = 64) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for (inputs, outputs), pool in zip(pairwise((1, *channels)), pools, strict=True):
            stages += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            if pool:
                stages.append(nn.MaxPool2d(2))
                size //= 2
        self.convolutions = nn.Sequential(*stages, nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(channels[-1] * size**2, width, bias=False), nn.BatchNorm1d(width))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(width, N_DIGITS + 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (batch, width) and logits (batch, 11) of images (batch, 1, size, size) in [-1, 1]."""
        features = self.hidden(self.convolutions(x))
        return features, self.head(features)


def digits_network() -> ConvClassifier:
    """The network of ``digits-cnn``: images (1, 8, 8)."""
    return ConvClassifier(8, channels=(32, 64, 64), pools=(False, True, True))


def mnist_network() -> ConvClassifier:
    """The network of ``mnist-cnn``: images (1, 28, 28)."""
    return ConvClassifier(28, channels=(16, 32, 64), pools=(True, True, True))
