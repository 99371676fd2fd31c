"""Datasets that are files, and that torchvision can download."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ganbench.dataset import Dataset
from ganbench.datasets.root import check_known
from ganbench.errors import DataError


@dataclass(frozen=True)
class Download(Dataset):
    """A dataset that ``ganbench data fetch`` brings; loading it never touches the network."""

    @abstractmethod
    def fetch(self, root: Path) -> None:
        """Download what is missing or broken below ``root``, check it, and leave the rest alone.

        Raises:
            DataError: if it cannot be downloaded, or is broken afterwards.
        """

    def broken(self, path: Path, fault: str) -> DataError:
        """The error for a file that is not as it should be, with the command that mends it."""
        check_known(path)
        return DataError(f"{self.name}: {path.absolute()} {fault}: run `ganbench data fetch {self.name}`")

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
                f"{root.absolute()} by hand"
            ) from error
