"""Stacked MNIST: a thousand modes that can be counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.datasets.download import Download
from ganbench.datasets.mnist import Mnist

if TYPE_CHECKING:
    from ganbench.dataset import Population


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
        from ganbench.datasets.stacks import Stacks

        train, test = Mnist().tables(root)
        return Stacks(train, test, 128_000, n_modes=1000, n_samples=26_000, evaluator="stacked-mnist-cnn")

    def fetch(self, root: Path) -> None:
        """Download MNIST.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """
        Mnist().fetch(root)
