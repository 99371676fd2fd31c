"""scikit-learn's digits, and stacked MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.datasets.torchvision_sets import Download, Mnist
from ganbench.interfaces.dataset import Dataset

if TYPE_CHECKING:
    from ganbench.interfaces.dataset import Population


# -- digits ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 images of 8x8 pixels in 17 shades of grey, ten classes: the test set of UCI's optdigits.

    There is no further split, so metrics compare with the very images that training draws from.
    """

    name = "digits"

    def load(self, root: Path) -> Population:
        """All images; ``root`` is not read."""
        import torch
        from sklearn.datasets import load_digits

        from ganbench.datasets.images import Images, ImageTable

        bunch = load_digits()
        images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
        table = ImageTable(images, torch.from_numpy(bunch.target).long(), white=16)
        return Images(table, table, n_modes=10, n_samples=len(table), evaluator="digits-cnn")


# -- stacked mnist -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StackedMnist(Download):
    """Three MNIST digits as the channels of one image: 128,000 triples, 26,000 samples, as VEEGAN and PacGAN have it.

    The triples are drawn once, with replacement, and are the same for every seed. Metrics compare with triples of
    test digits.
    """

    name = "stacked-mnist"

    def load(self, root: Path) -> Population:
        """MNIST's images, and the triples.

        Raises:
            DataError: for an MNIST file that is missing, truncated or corrupted.
        """
        from ganbench.datasets.images import Stacks

        train, test = Mnist().tables(root)
        return Stacks(train, test, 128_000, n_modes=1000, n_samples=26_000, evaluator="stacked-mnist-cnn")

    def fetch(self, root: Path) -> None:
        """Download MNIST.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """
        Mnist().fetch(root)
