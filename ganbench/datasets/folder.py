"""Anybody's images: a folder of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.dataset import Dataset
from ganbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from ganbench.dataset import Population

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """All image files of a folder and the folders in it, in the order of their paths.

    Every image becomes RGB (grey is repeated, transparency shows black, an animation gives its first frame); its
    shorter side is resized to ``size``, bicubically and with antialiasing, and the middle is cut out. Names of
    sub-folders are not used as classes. There is no test split: metrics compare with the training images.

    Attributes:
        path: the folder; a relative one starts from the current directory.
        size: height and width that training sees, in pixels.
    """

    name = "image-folder"
    path: str = ""
    size: int = 32

    def load(self, root: Path) -> Population:
        """Decode every file; ``root`` is not read.

        Raises:
            UsageError: for a missing path or a size below 1.
            DataError: for a missing or empty folder, and for a broken file.
        """
        import torch

        from ganbench.datasets.images import Images, Table
        from ganbench.datasets.pictures import read_pictures

        pictures = read_pictures(self._files(), self.size)
        table = Table(pictures, torch.zeros(len(pictures), dtype=torch.int64))
        return Images(table, table, 0, min(len(table), MOST_SAMPLES), "inception-v3-compat")

    def _files(self) -> list[Path]:
        if not self.path or self.size < 1:
            raise UsageError(
                f"image-folder needs a folder and a size of at least 1, but path is {self.path!r} and size is "
                f"{self.size}: use --set image-folder.path=FOLDER"
            )
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise DataError(f"image-folder: {folder.absolute()} is not a folder: set path to one that holds images")
        files = sorted(p for p in folder.rglob("[!.]*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise DataError(f"image-folder: {folder.absolute()} holds no {', '.join(SUFFIXES)} file: set another path")
        return files
