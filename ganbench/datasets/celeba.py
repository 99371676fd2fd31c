"""CelebA, as torchvision lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.datasets.download import Download
from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.dataset import Population
    from ganbench.datasets.images import Table

FACES = 202_599


@dataclass(frozen=True)
class Celeba(Download):
    """Aligned faces of celebrities (Liu et al., 2015): 162,770 to train on and 19,962, the test split, to compare with.

    The shorter side of each 178x218 picture is resized to ``size`` and the middle is cut out. Decoding takes minutes,
    so the result is kept beside the pictures, as ``ganbench-<split>-<size>.npy``.

    Attributes:
        size: height and width that training sees, in pixels.
    """

    name = "celeba"
    size: int = 64

    def load(self, root: Path) -> Population:
        """The training images, with the test images held out.

        Raises:
            UsageError: for a size below 1.
            DataError: for a missing folder, a list without torchvision's checksum, or a broken picture.
        """
        from ganbench.datasets.images import Images

        if self.size < 1:
            raise UsageError(f"celeba: size is {self.size}; it must be at least 1")
        self._check(root)
        train, test = self._table(root, "train"), self._table(root, "test")
        return Images(train, test, n_modes=0, n_samples=10_000, evaluator="inception-v3-compat")

    def fetch(self, root: Path) -> None:
        """Download through torchvision, for which the package gdown must be installed.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """
        from torchvision.datasets import CelebA

        files = [f"{CelebA.base_folder}/{file}" for _, _, file in CelebA.file_list]
        self.download(root, files, lambda: CelebA(root, download=True))
        self._check(root)

    def _check(self, root: Path) -> None:
        from torchvision.datasets import CelebA
        from torchvision.datasets.utils import check_integrity

        for _, md5, file in CelebA.file_list:
            path = root / CelebA.base_folder / file
            if path.suffix != ".zip" and not check_integrity(path, md5):
                raise self.broken(path, f"does not have the MD5 checksum {md5}" if path.is_file() else "is missing")
        folder = root / CelebA.base_folder / "img_align_celeba"
        if not folder.is_dir():
            raise self.broken(folder, "is missing")
        faces = sum(1 for _ in folder.glob("*.jpg"))
        if faces != FACES:
            raise self.broken(folder, f"holds {faces} pictures instead of {FACES} (delete it first)")

    def _table(self, root: Path, split: str) -> Table:
        import torch
        from torchvision.datasets import CelebA

        from ganbench.datasets.images import Table
        from ganbench.datasets.pictures import read_pictures_once

        home = root / CelebA.base_folder
        paths = [home / "img_align_celeba" / f for f in CelebA(root, split=split, target_type=[]).filename]
        images = read_pictures_once(paths, self.size, home / f"ganbench-{split}-{self.size}.npy")
        return Table(images, torch.zeros(len(images), dtype=torch.int64))
