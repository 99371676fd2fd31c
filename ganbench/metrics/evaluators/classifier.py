"""Classifiers as evaluators: network, stored weights, and the distance that makes a sample a good one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganbench.errors import DataError
from ganbench.interfaces.metric import Evaluator, Measured

# -- network -----------------------------------------------------------------------------------------------------------

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


# -- high-quality samples ----------------------------------------------------------------------------------------------

SHARE_OF_REAL = 1 - math.exp(-4.5)  # 98.89 %: the share of a 2-D Gaussian that lies within three sigma


@dataclass(frozen=True)
class MahalanobisThreshold:
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


# -- classifier --------------------------------------------------------------------------------------------------------

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

    def __init__(
        self, name: str, network: ConvClassifier, image_shape: tuple[int, int, int], quality: MahalanobisThreshold
    ) -> None:
        self.name, self.n_modes = name, N_DIGITS
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.image_shape, self.quality = image_shape, quality

    def measure(self, points: Tensor) -> Measured:
        """Measure images (n, 1, height, width) in [-1, 1]. Raises DataError for another shape."""
        if points.shape[1:] != self.image_shape:
            sentence = f"{self.name} measures images of shape {self.image_shape}, got {tuple(points.shape[1:])}"
            raise DataError(sentence, subject=self.name, code="shape")
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


# -- stored weights ----------------------------------------------------------------------------------------------------

FOLDER = Path(__file__).parent
NETWORKS = {"digits-cnn": (digits_network, (1, 8, 8)), "mnist-cnn": (mnist_network, (1, 28, 28))}


@dataclass(frozen=True)
class Record:
    """What is known of trained weights.

    Attributes:
        accuracy: share of test images whose class is right.
        n_accuracy: how many test images that was; the weights never saw them.
        high_quality: share of real images that count as good; 98.89 % is what the radius aims at.
        n_high_quality: how many images that was; neither the weights nor the radius saw them.
        split: which images did what, in words.
        seed: of the training.
        script: the module that makes these weights from scratch.
        sha256: of the weights' file.
    """

    accuracy: float
    n_accuracy: int
    high_quality: float
    n_high_quality: int
    split: str
    seed: int
    script: str
    sha256: str


def read_classifier(name: str, folder: Path = FOLDER) -> Classifier:
    """The evaluator whose weights lie in the folder. Raises DataError where the file is missing or malformed."""
    make_network, image_shape = NETWORKS[name]
    path = folder / f"{name}.safetensors"
    try:
        tensors = load_file(path)
        quality = MahalanobisThreshold(
            tensors.pop("quality.centres").numpy(),
            tensors.pop("quality.whitening").numpy(),
            float(tensors.pop("quality.radius")),
        )
        network = make_network()
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        sentence = f"the weights of {name} at {path} cannot be read ({reason}); reinstall ganbench"
        raise DataError(sentence, subject=path, code="unreadable") from error
    return Classifier(name, network, image_shape, quality)


def write_classifier(name: str, network: ConvClassifier, quality: MahalanobisThreshold, folder: Path = FOLDER) -> str:
    """Write ``<name>.safetensors`` and return its SHA-256."""
    path = folder / f"{name}.safetensors"
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    tensors["quality.centres"] = torch.from_numpy(quality.centres)
    tensors["quality.whitening"] = torch.from_numpy(quality.whitening)
    tensors["quality.radius"] = torch.tensor(quality.radius, dtype=torch.float64)
    save_file(tensors, path)
    path.chmod(0o644)  # it is package data, and the writer leaves it readable for its owner only
    return sha256(path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_record(name: str, folder: Path = FOLDER) -> Record:
    """The record beside the weights."""
    return Record(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def write_record(name: str, record: Record, folder: Path = FOLDER) -> None:
    """Write ``<name>.json``."""
    (folder / f"{name}.json").write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
