"""CIFAR-10, as torchvision lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.datasets.download import Download

if TYPE_CHECKING:
    from ganbench.dataset import Population
    from ganbench.datasets.images import Table


@dataclass(frozen=True)
class Cifar10(Download):
    """Small photographs (Krizhevsky, 2009): 50,000 of 3x32x32 pixels, ten classes, and 10,000 to compare with."""

    name = "cifar10"
    aliases = ("cifar-10",)

    def load(self, root: Path) -> Population:
        """The training images, with the test images held out.

        Raises:
            DataError: for a file that is missing or does not have torchvision's checksum.
        """
        from ganbench.datasets.images import Images

        self._check(root)
        train, test = self._table(root, True), self._table(root, False)
        return Images(train, test, n_modes=10, n_samples=10_000, evaluator="inception-v3-compat")

    def fetch(self, root: Path) -> None:
        """Download through torchvision, which checks what is there and replaces what is broken.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """
        from torchvision.datasets import CIFAR10

        files = [f"{CIFAR10.base_folder}/{file}" for file, _ in self._files()]
        self.download(root, files, lambda: CIFAR10(root, download=True))
        self._check(root)

    def _check(self, root: Path) -> None:
        from torchvision.datasets import CIFAR10
        from torchvision.datasets.utils import check_integrity

        for file, md5 in self._files():
            path = root / CIFAR10.base_folder / file
            if not check_integrity(path, md5):
                raise self.broken(path, f"does not have the MD5 checksum {md5}" if path.is_file() else "is missing")

    def _files(self) -> list[tuple[str, str]]:
        """Names and MD5 checksums."""
        from torchvision.datasets import CIFAR10

        return [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]

    def _table(self, root: Path, train: bool) -> Table:
        import torch
        from torchvision.datasets import CIFAR10

        from ganbench.datasets.images import Table

        read = CIFAR10(root, train=train, download=False)  # unpickles files, which is why they are checked first
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        return Table(images, torch.tensor(read.targets, dtype=torch.int64))
