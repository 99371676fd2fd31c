"""Datasets that torchvision reads: MNIST, Fashion-MNIST, CIFAR-10 and CelebA."""

from __future__ import annotations

import math
import struct
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ganbench.datasets.root import check_known
from ganbench.errors import DataError, SettingError
from ganbench.interfaces.dataset import Dataset

if TYPE_CHECKING:
    from ganbench.datasets.images import ImageTable
    from ganbench.interfaces.dataset import Population


class Fault(NamedTuple):
    """What is wrong with a file: a word for programs, and words for people."""

    code: str
    text: str


MISSING = Fault("missing", "is missing")


def checksum_fault(path: Path, md5: str) -> Fault | None:
    """What is wrong with a file by its MD5 checksum; None where it is as it should be."""
    from torchvision.datasets.utils import check_integrity

    if not path.is_file():
        return MISSING
    return None if check_integrity(path, md5) else Fault("checksum", f"does not have the MD5 checksum {md5}")


# -- download ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Download(Dataset):
    """A dataset that ``ganbench data fetch`` brings; loading it never touches the network."""

    @abstractmethod
    def fetch(self, root: Path) -> None:
        """Download what is missing or broken below ``root``, check it, and leave the rest alone.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """

    def broken(self, path: Path, fault: Fault) -> DataError:
        """The error for a file that is not as it should be, with the command that mends it."""
        check_known(path)
        file, command = path.absolute(), f"ganbench data fetch {self.name}"
        sentence = f"{self.name}: {file} {fault.text}: run `{command}`"
        return DataError(sentence, subject=file, code=fault.code, remedy=command)

    def download(self, root: Path, files: Iterable[str], action: Callable[[], object]) -> None:
        """Run torchvision's download.

        Args:
            root: the data folder.
            files: what there should be afterwards, below the root.
            action: downloads.

        Raises:
            DataError: for whatever goes wrong on the way.
        """
        check_known(root)
        try:
            root.mkdir(parents=True, exist_ok=True)
            action()
        except Exception as error:  # networks, archives and gdown each raise their own
            reason = " ".join(str(error).split())
            raise DataError(
                f"{self.name} could not be downloaded ({reason}): try again later, or put {', '.join(files)} into "
                f"{root.absolute()} by hand",
                subject=self.name,
                code="download",
            ) from error


# -- mnist -------------------------------------------------------------------------------------------------------------

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

    def tables(self, root: Path) -> tuple[ImageTable, ImageTable]:
        """The training images and the test images.

        Raises:
            DataError: for a file that is missing, truncated or corrupted.
        """
        for path in self._paths(root):
            if fault := self._fault(path):
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

    def _fault(self, path: Path) -> Fault | None:
        """What is wrong with a file; None if nothing is."""
        if not path.is_file():
            return MISSING
        header = struct.pack(f">{len(HEADERS[path.name])}I", *HEADERS[path.name])
        size = len(header) + math.prod(HEADERS[path.name][1:])
        if path.stat().st_size != size:
            return Fault("size", f"has {path.stat().st_size} bytes instead of {size}")
        with path.open("rb") as file:
            if file.read(len(header)) != header:
                return Fault("header", f"does not begin with {header.hex()}")
        return checksum_fault(path, self.checksums[path.name]) if path.name in self.checksums else None


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


def _table(images: Path, labels: Path) -> ImageTable:
    """One split, through torchvision's readers."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    from ganbench.datasets.images import ImageTable

    return ImageTable(read_image_file(str(images)).unsqueeze(1), read_label_file(str(labels)))


# -- cifar -------------------------------------------------------------------------------------------------------------


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

        for file, md5 in self._files():
            path = root / CIFAR10.base_folder / file
            if fault := checksum_fault(path, md5):
                raise self.broken(path, fault)

    def _files(self) -> list[tuple[str, str]]:
        """Names and MD5 checksums."""
        from torchvision.datasets import CIFAR10

        return [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]

    def _table(self, root: Path, train: bool) -> ImageTable:
        import torch
        from torchvision.datasets import CIFAR10

        from ganbench.datasets.images import ImageTable

        read = CIFAR10(root, train=train, download=False)  # unpickles files, which is why they are checked first
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        return ImageTable(images, torch.tensor(read.targets, dtype=torch.int64))


# -- celeba ------------------------------------------------------------------------------------------------------------

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
            raise SettingError(self.name, "size", self.size)
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

        for _, md5, file in CelebA.file_list:
            path = root / CelebA.base_folder / file
            fault = None if path.suffix == ".zip" else checksum_fault(path, md5)
            if fault:
                raise self.broken(path, fault)
        folder = root / CelebA.base_folder / "img_align_celeba"
        if not folder.is_dir():
            raise self.broken(folder, MISSING)
        faces = sum(1 for _ in folder.glob("*.jpg"))
        if faces != FACES:
            text = f"holds {faces} pictures instead of {FACES} (delete it first)"
            raise self.broken(folder, Fault("size", text))

    def _table(self, root: Path, split: str) -> ImageTable:
        import torch
        from torchvision.datasets import CelebA

        from ganbench.datasets.images import ImageTable, read_pictures_once

        home = root / CelebA.base_folder
        paths = [home / "img_align_celeba" / f for f in CelebA(root, split=split, target_type=[]).filename]
        images = read_pictures_once(paths, self.size, home / f"ganbench-{split}-{self.size}.npy")
        return ImageTable(images, torch.zeros(len(images), dtype=torch.int64))
