"""Make ``mnist-cnn`` from scratch: ``python -m ganbench.evaluators.train_mnist_cnn`` (ten minutes on one core).

MNIST must lie under the folder that the environment variable ``GANBENCH_DATA`` names, as torchvision stores it.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ganbench.errors import DataError
from ganbench.evaluators.augmentation import Variation
from ganbench.evaluators.training import Labelled, Recipe, Split, make
from ganbench.evaluators.weights import FOLDER, Record

RECIPE = Recipe(epochs=12, batch_size=128, peak_lr=5e-3, variation=Variation(shift=2.0))
N_CALIBRATION = 5000


def mnist(root: Path, *, train: bool) -> Labelled:
    """MNIST's 60,000 training or 10,000 test images. Raises DataError where they are missing."""
    from torchvision.datasets import MNIST

    try:
        files = MNIST(root, train=train, download=False)
    except RuntimeError as error:
        raise DataError(f"no MNIST under {root}: set GANBENCH_DATA to the folder that holds MNIST/raw") from error
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


def main() -> Record:
    """Train on MNIST and write the weights and their record into the package."""
    split = mnist_split(Path(os.environ.get("GANBENCH_DATA", ".")))
    return make("mnist-cnn", split, RECIPE, "ganbench.evaluators.train_mnist_cnn", FOLDER)


if __name__ == "__main__":
    main()
