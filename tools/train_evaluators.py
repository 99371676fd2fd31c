"""Train the classifiers that judge samples: ``python tools/train_evaluators.py digits-cnn``."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ganbench.errors import DataError
from ganbench.metrics.evaluators.classifier import (
    FOLDER,
    NETWORKS,
    NOT_A_DIGIT,
    Classifier,
    ConvClassifier,
    MahalanobisThreshold,
    Record,
    write_classifier,
    write_record,
)

# -- augmentation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variation:
    """How far an image may be moved: each amount is drawn uniformly, to both sides.

    Attributes:
        shift: pixels.
        rotation: degrees.
        scaling: share of the size.
    """

    shift: float
    rotation: float = 10.0
    scaling: float = 0.1


def vary(images: Tensor, variation: Variation, rng: torch.Generator) -> Tensor:
    """Images (n, 1, h, w), each shifted, turned and scaled a little at random; what comes in is black (-1)."""
    n, size = len(images), images.shape[-1]
    uniform = torch.rand(4, n, generator=rng) * 2 - 1
    angle, scale = uniform[0] * math.radians(variation.rotation), 1 + variation.scaling * uniform[1]
    right, down = 2 * variation.shift / size * uniform[2:]  # affine grids measure in half images
    rows = [scale * angle.cos(), -scale * angle.sin(), right, scale * angle.sin(), scale * angle.cos(), down]
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


def with_spoiled(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The images and their labels, followed by a spoiled version of each that finds a partner of another class."""
    partner = torch.randperm(len(images), generator=rng)
    different = labels != labels[partner]
    spoiled = spoil(images[different], images[partner][different], rng)
    return torch.cat([images, spoiled]), torch.cat([labels, labels.new_full((len(spoiled),), NOT_A_DIGIT)])


def spoil(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """What bad generators draw, made of images and of others of a different class (n, 1, h, w): a fifth each way."""
    kinds = (blend, overlay, splice, drown, fade)
    shares = zip(images.tensor_split(len(kinds)), others.tensor_split(len(kinds)), strict=True)
    return torch.cat([kind(*share, rng) for kind, share in zip(kinds, shares, strict=True)])


def blend(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """Between two digits."""
    weight = _uniform(images, 0.3, 0.7, rng)
    return weight * images + (1 - weight) * others


def overlay(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """Two digits drawn over each other."""
    return torch.maximum(images, others)


def splice(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """One half of one digit, one of another, side by side or one above the other."""
    half = images.shape[-1] // 2
    side_by_side = torch.cat([images[..., :half], others[..., half:]], dim=3)
    stacked = torch.cat([images[..., :half, :], others[..., half:, :]], dim=2)
    return torch.where(_uniform(images, 0, 1, rng) < 0.5, side_by_side, stacked)


def drown(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """A digit under noise as strong as itself."""
    noise = torch.randn(images.shape, generator=rng)
    return (images + _uniform(images, 0.6, 2.0, rng) * noise).clamp(-1, 1)


def fade(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """A digit too faint to read, down to nothing."""
    return (images + 1) * _uniform(images, 0, 0.4, rng) - 1


def _uniform(images: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng)


# -- training ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """The constants of one training.

    Attributes:
        epochs: passes through the training images.
        batch_size: real images in a step; nearly as many spoiled ones join them.
        peak_lr: the highest learning rate of the one-cycle schedule (Smith & Topin 2018), for AdamW.
        variation: how images are augmented.
        seed: of the initial weights, the order of the images and the augmentation.
    """

    epochs: int
    batch_size: int
    peak_lr: float
    variation: Variation
    seed: int = 0
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Labelled:
    """Images (n, 1, height, width) in [-1, 1] with their classes (n,)."""

    images: Tensor
    labels: Tensor

    def __getitem__(self, chosen: Tensor) -> Labelled:
        return Labelled(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Split:
    """Which real images do what.

    Attributes:
        training: give the weights, and the centres and the covariance of the features.
        calibration: give the radius of high quality, and nothing else.
        accuracy_test: give the recorded accuracy; the weights never saw them.
        quality_test: give the recorded share of high quality; neither the weights nor the radius saw them.
        words: the split as the record states it.
    """

    training: Labelled
    calibration: Labelled
    accuracy_test: Labelled
    quality_test: Labelled
    words: str


def make(name: str, split: Split, recipe: Recipe, script: str, folder: Path = FOLDER) -> Record:
    """Train, calibrate and test one evaluator; write its weights and its record into the folder."""
    make_network, image_shape = NETWORKS[name]
    network = train(make_network, split.training, recipe)
    bare = Classifier(name, network, image_shape, MahalanobisThreshold.none())
    fitted = MahalanobisThreshold.fit(bare.classify(split.training.images)[0], split.training.labels.numpy())
    quality = fitted.calibrated(*bare.classify(split.calibration.images))
    digest = write_classifier(name, network, quality, folder)
    evaluator = Classifier(name, network, image_shape, quality)
    record = Record(
        accuracy=accuracy(evaluator, split.accuracy_test),
        n_accuracy=len(split.accuracy_test.labels),
        high_quality=float(evaluator.measure(split.quality_test.images).good.mean()),
        n_high_quality=len(split.quality_test.labels),
        split=split.words,
        seed=recipe.seed,
        script=script,
        sha256=digest,
    )
    write_record(name, record, folder)
    return record


def accuracy(evaluator: Classifier, test: Labelled) -> float:
    """The share of real images whose class the evaluator names."""
    return float((evaluator.measure(test.images).modes == test.labels.numpy()).mean())


def train(make_network: Callable[[], ConvClassifier], real: Labelled, recipe: Recipe) -> ConvClassifier:
    """A network trained on real images, in evaluation mode.

    Each step also sees spoiled images with a class of their own (outlier exposure: Hendrycks, Mazeika &
    Dietterich 2019). Without them, blends of two digits, noisy digits and even empty images count as good.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = make_network().train()
    rng = torch.Generator().manual_seed(recipe.seed)
    n_batches = len(real.labels) // recipe.batch_size
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_lr, total_steps=recipe.epochs * n_batches)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(real.labels), generator=rng)[: n_batches * recipe.batch_size]
        for chosen in torch.split(order, recipe.batch_size):
            batch = real[chosen]
            images, classes = with_spoiled(vary(batch.images, recipe.variation, rng), batch.labels, rng)
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(network(images)[1], classes))
            optimizer.step()
            schedule.step()
    return network.eval()


# -- train digits cnn --------------------------------------------------------------------------------------------------

DIGITS_RECIPE = Recipe(epochs=120, batch_size=64, peak_lr=5e-3, variation=Variation(shift=1.0))


def digits_split(seed: int = 0) -> Split:
    """scikit-learn's 1,797 digits, divided by class: half for training, a quarter for calibration, a quarter left."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    digits = Labelled(torch.from_numpy(images).float().view(-1, 1, 8, 8) / 8 - 1, torch.from_numpy(labels))
    training, unseen = train_test_split(range(len(labels)), test_size=0.5, stratify=labels, random_state=seed)
    calibration, rest = train_test_split(unseen, test_size=0.5, stratify=labels[unseen], random_state=seed)
    words = (
        f"sklearn.datasets.load_digits by two stratified halvings (train_test_split, random_state={seed}): "
        f"{len(training)} training, {len(calibration)} calibration of the radius, {len(rest)} untouched; "
        f"accuracy on the last two, high_quality on the last"
    )
    return Split(
        training=digits[torch.tensor(training)],
        calibration=digits[torch.tensor(calibration)],
        accuracy_test=digits[torch.tensor(unseen)],
        quality_test=digits[torch.tensor(rest)],
        words=words,
    )


def train_digits_cnn() -> Record:
    """Train on scikit-learn's digits and write the weights and their record into the package."""
    return make("digits-cnn", digits_split(), DIGITS_RECIPE, "tools/train_evaluators.py digits-cnn", FOLDER)


# -- train mnist cnn ---------------------------------------------------------------------------------------------------

MNIST_RECIPE = Recipe(epochs=12, batch_size=128, peak_lr=5e-3, variation=Variation(shift=2.0))
N_CALIBRATION = 5000


def mnist(root: Path, *, train: bool) -> Labelled:
    """MNIST's 60,000 training or 10,000 test images. Raises DataError where they are missing."""
    from torchvision.datasets import MNIST

    try:
        files = MNIST(root, train=train, download=False)
    except RuntimeError as error:
        sentence = f"no MNIST under {root}: set GANBENCH_DATA to the folder that holds MNIST/raw"
        raise DataError(sentence, subject=root, code="missing", remedy="GANBENCH_DATA") from error
    return Labelled(files.data[:, None] / 127.5 - 1, files.targets)


def mnist_split(root: Path, seed: int = 0) -> Split:
    """MNIST: 55,000 images for training, 5,000 for calibration, the 10,000 of the test set for both tests."""
    images, test = mnist(root, train=True), mnist(root, train=False)
    order = torch.randperm(len(images.labels), generator=torch.Generator().manual_seed(seed))
    calibration, training = order[:N_CALIBRATION], order[N_CALIBRATION:]
    words = (
        f"MNIST's training set by torch.randperm (seed {seed}): {len(training)} training, {len(calibration)} "
        f"calibration of the radius; accuracy and high_quality on the test set"
    )
    return Split(images[training], images[calibration], accuracy_test=test, quality_test=test, words=words)


def train_mnist_cnn() -> Record:
    """Train on MNIST and write the weights and their record into the package."""
    split = mnist_split(Path(os.environ.get("GANBENCH_DATA", ".")))
    return make("mnist-cnn", split, MNIST_RECIPE, "tools/train_evaluators.py mnist-cnn", FOLDER)


SCRIPTS = {"digits-cnn": train_digits_cnn, "mnist-cnn": train_mnist_cnn}


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SCRIPTS:
        sys.exit(f"usage: python tools/train_evaluators.py {'|'.join(SCRIPTS)}")
    SCRIPTS[sys.argv[1]]()
