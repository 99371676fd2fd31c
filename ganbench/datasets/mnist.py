"""MNIST and Fashion-MNIST, as torchvision lays them out."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ganbench.datasets.download import Download

if TYPE_CHECKING:
    from ganbench.dataset import Population
    from ganbench.datasets.images import Table

HEADERS = {  # magic number, then the length of every axis
    "train-images-idx3-ubyte": (0x803, 60_000, 28, 28),
    "train-labels-idx1-ubyte": (0x801, 60_000),
    "t10k-images-idx3-ubyte": (0x803, 10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (0x801, 10_000),
}


@dataclass(frozen=True)
class Mnist(Download):
    """Handwritten digits (LeCun et al., 1998): 60,000 images of 1x28x28 pixels, and 10,000 to compare with.

    torchvision's checksums are of the compressed files; those of the uncompressed ones, which it reads, stand here.
    """

    name = "mnist"
    folder: ClassVar[str] = "MNIST"
    checksums: ClassVar[Mapping[str, str]] = {  # MD5
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }

    def load(self, root: Path) -> Population:
        """The training images, with the test images held out.

        Raises:
            DataError: for a file that is missing, truncated or corrupted.
        """
        from ganbench.datasets.images import Images

        return Images(*self.tables(root), n_modes=10, n_samples=10_000, evaluator="mnist-cnn")

    def tables(self, root: Path) -> tuple[Table, Table]:
        """The training images and the test images.

        Raises:
            DataError: for a file that is missing, truncated or corrupted.
        """
        for path in self._paths(root):
            fault = self._fault(path)
            if fault:
                raise self.broken(path, fault)
        train_images, train_labels, test_images, test_labels = self._paths(root)
        return _table(train_images, train_labels), _table(test_images, test_labels)

    def fetch(self, root: Path) -> None:
        """Download through torchvision, with its mirrors and checksums, unless all files are there and whole.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """
        files = [str(path.relative_to(root)) for path in self._paths(root)]
        self.download(root, files, lambda: self._replace_broken(root))
        self.tables(root)

    def _replace_broken(self, root: Path) -> None:
        from torchvision import datasets

        for path in self._paths(root):
            if self._fault(path):  # torchvision takes any file of the right name for a finished one
                path.unlink(missing_ok=True)
        getattr(datasets, self.folder)(root, download=True)

    def _paths(self, root: Path) -> list[Path]:
        return [root / self.folder / "raw" / file for file in HEADERS]

    def _fault(self, path: Path) -> str:
        """What is wrong with a file; empty if nothing is."""
        from torchvision.datasets.utils import check_integrity

        if not path.is_file():
            return "is missing"
        header = struct.pack(f">{len(HEADERS[path.name])}I", *HEADERS[path.name])
        size = len(header) + math.prod(HEADERS[path.name][1:])
        if path.stat().st_size != size:
            return f"has {path.stat().st_size} bytes instead of {size}"
        with path.open("rb") as file:
            if file.read(len(header)) != header:
                return f"does not begin with {header.hex()}"
        if path.name in self.checksums and not check_integrity(path, self.checksums[path.name]):
            return f"does not have the MD5 checksum {self.checksums[path.name]}"
        return ""


@dataclass(frozen=True)
class FashionMnist(Mnist):
    """Pictures of clothes (Xiao, Rasul & Vollgraf, 2017) in MNIST's format and numbers.

    A classifier of digits cannot tell coats from shirts, so samples are measured with Inception's features, which
    know no classes of clothes: metrics that count modes are not defined. Only sizes and headers of the uncompressed
    files are checked, as torchvision's checksums are of the compressed ones.
    """

    name = "fashion-mnist"
    folder = "FashionMNIST"
    checksums: ClassVar[Mapping[str, str]] = {}

    def load(self, root: Path) -> Population:
        """The training images, with the test images held out.

        Raises:
            DataError: for a file that is missing, truncated or has a wrong header.
        """
        from ganbench.datasets.images import GreyImages

        return GreyImages(*self.tables(root), n_modes=10, n_samples=10_000, evaluator="inception-v3-compat")


def _table(images: Path, labels: Path) -> Table:
    """One split, through torchvision's readers."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    from ganbench.datasets.images import Table

    return Table(read_image_file(str(images)).unsqueeze(1), read_label_file(str(labels)))
