"""Anybody's images: a folder of files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import DataError, UsageError
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.paths import expand_home

if TYPE_CHECKING:
    from ganbench.interfaces.dataset import Population

MOST_SAMPLES = 10_000
REMEDY = "--set image-folder.path=FOLDER"


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """All image files of a folder and the folders in it, in the order of their paths.

    Links to folders are followed, each folder once. Hidden files and all that lies in hidden folders are left out, as
    is whatever does not end like an image that Pillow decodes; the run says how much that was.

    Every image becomes RGB (grey is repeated, transparency shows black, an animation gives its first frame). Fractions
    from 0 to 1 and 12 or 16 bits become 8; whole numbers of 32 bits are refused, as nothing says which is white. The
    shorter side is resized to ``size``, bicubically and with antialiasing, and the middle is cut out. Names of
    sub-folders are not used as classes. There is no test split: metrics compare with the training images.

    Attributes:
        path: the folder; a relative one starts from the current directory. It may be moved: what is in it counts.
        size: height and width that training sees, in pixels.
    """

    name = "image-folder"
    places = ("path",)
    path: str = ""
    size: int = 32

    def load(self, root: Path) -> Population:
        """Decode every file; ``root`` is not read.

        Raises:
            UsageError: for a missing path or a size below 1.
            DataError: for a missing or empty folder, and for a broken file.
        """
        import torch

        from ganbench.datasets.images import Images, ImageTable, read_pictures

        search = self._search()
        pictures = read_pictures(sorted(search.files), self.size)
        table = ImageTable(pictures, torch.zeros(len(pictures), dtype=torch.int64))
        population = Images(table, table, 0, min(len(table), MOST_SAMPLES), "inception-v3-compat")
        if search.skipped:
            population.remarks = (f"image-folder: {len(table)} images below {self.path}; skipped: {search.left_out()}",)
        return population

    def _search(self) -> Search:
        from ganbench.datasets.images import readable_suffixes

        if not self.path or self.size < 1:
            raise UsageError(
                f"image-folder needs a folder and a size of at least 1, but path is {self.path!r} and size is "
                f"{self.size}: use {REMEDY}",
                subject=f"image-folder.{'size' if self.path else 'path'}",
                remedy=REMEDY,
            )
        folder = Path(expand_home(self.path, "image-folder.path"))
        if not folder.is_dir():
            sentence = f"image-folder: {folder.absolute()} is not a folder: use {REMEDY}"
            raise DataError(sentence, subject=folder.absolute(), code="missing", remedy=REMEDY)
        search = Search(readable_suffixes())
        search.walk(folder)
        if not search.files:
            skipped = f" (skipped: {search.left_out()})" if search.skipped else ""
            raise DataError(
                f"image-folder: {folder.absolute()} holds no file that ends in .png, .jpg or as other images do"
                f"{skipped}: use {REMEDY}",
                subject=folder.absolute(),
                code="empty",
                remedy=REMEDY,
            )
        return search


@dataclass
class Search:
    """The images of a folder, and how much else there is.

    Attributes:
        suffixes: how names of images end, in lower case.
        files: the images, in no order.
        skipped: what was left out, in words, and how often.
    """

    suffixes: Collection[str]
    files: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def left_out(self) -> str:
        """What was left out, in one phrase; the most frequent first."""
        return ", ".join(f"{number} {kind}" for kind, number in self.skipped.most_common())

    def walk(self, folder: Path) -> None:
        """Take in a folder. Links come last, so that a folder which can be read without one is read without."""
        waiting = [folder]
        while waiting:
            waiting = sorted(link for start in waiting for link in self._below(start))

    def _below(self, start: Path) -> list[Path]:
        """Take in what lies in a folder and in real folders below it; the links to further folders come back."""
        links = []
        for place, folders, names in os.walk(start, onerror=self._unreadable):
            about = os.stat(place)
            if (about.st_dev, about.st_ino) in self._seen:
                self.skipped["links to folders that are read already"] += 1
                folders.clear()
                continue
            self._seen.add((about.st_dev, about.st_ino))
            shown = [name for name in folders if not name.startswith(".")]
            self._skip("hidden folders", len(folders) - len(shown))
            linked = {name for name in shown if os.path.islink(os.path.join(place, name))}
            links += [Path(place, name) for name in linked]
            folders[:] = [name for name in shown if name not in linked]
            for name in names:
                self._take(Path(place, name))
        return links

    def _take(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            self._skip("hidden files")
        elif suffix not in self.suffixes:
            self._skip(f"{suffix} files" if suffix else "files without an ending")
        elif not path.is_file():
            self._skip("links that lead nowhere" if path.is_symlink() else "special files")
        else:
            self.files.append(path)

    def _unreadable(self, error: OSError) -> None:
        self._skip("folders that cannot be opened")

    def _skip(self, kind: str, number: int = 1) -> None:
        if number:
            self.skipped[kind] += number
