"""Make ``digits-cnn`` from scratch: ``python -m ganbench.evaluators.train_digits_cnn`` (a minute on one core)."""

from __future__ import annotations

import torch

from ganbench.evaluators.augmentation import Variation
from ganbench.evaluators.training import Labelled, Recipe, Split, make
from ganbench.evaluators.weights import FOLDER, Record

RECIPE = Recipe(epochs=120, batch_size=64, peak_lr=5e-3, variation=Variation(shift=1.0))


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


def main() -> Record:
    """Train on scikit-learn's digits and write the weights and their record into the package."""
    return make("digits-cnn", digits_split(), RECIPE, "ganbench.evaluators.train_digits_cnn", FOLDER)


if __name__ == "__main__":
    main()
