"""The handwritten digits that scikit-learn ships: real images without any download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.dataset import Dataset

if TYPE_CHECKING:
    from ganbench.dataset import Population


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

        from ganbench.datasets.images import Images, Table

        bunch = load_digits()
        images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
        table = Table(images, torch.from_numpy(bunch.target).long(), white=16)
        return Images(table, table, n_modes=10, n_samples=len(table), evaluator="digits-cnn")
