"""How the classifiers behind the image evaluators are trained. The shipped weights were made by this code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ganbench.evaluators.augmentation import Variation, vary, with_spoiled
from ganbench.evaluators.classifier import Classifier
from ganbench.evaluators.network import ConvClassifier
from ganbench.evaluators.quality import Quality
from ganbench.evaluators.weights import FOLDER, NETWORKS, Record, write_classifier, write_record


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
    bare = Classifier(name, network, image_shape, Quality.none())
    fitted = Quality.fit(bare.classify(split.training.images)[0], split.training.labels.numpy())
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
