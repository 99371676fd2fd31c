"""Images in memory: tables of pixels, image files, and stacks of three grey images."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from ganbench.errors import DataError
from ganbench.interfaces.dataset import Population
from ganbench.metrics.evaluators.coordinates import RepeatedGrey
from ganbench.rng import generator

if TYPE_CHECKING:
    from ganbench.interfaces.metric import Evaluator


# -- tables of images --------------------------------------------------------------------------------------------------

KEYED_AT_ONCE = 512  # images: as int64, and so eight times as large


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Images as they lie in their files, with their labels.

    Attributes:
        images: (n, channels, height, width), uint8.
        labels: (n,), int64; zeros where there are none.
        white: the value of a white pixel; black is 0.
    """

    images: Tensor
    labels: Tensor
    white: int = 255

    def __len__(self) -> int:
        return len(self.images)

    def scaled(self, indices: Tensor) -> Tensor:
        """The images at some indices, from black at -1 to white at 1: float32."""
        return self.images[indices].float() / (self.white / 2) - 1

    def shuffled(self, n: int) -> Tensor:
        """The first n indices of a fixed permutation: files are often sorted by class, writer or difficulty."""
        return torch.randperm(len(self), generator=generator(0, "reference"))[:n]

    def to(self, device: torch.device) -> ImageTable:
        """The same images on another device."""
        return ImageTable(self.images.to(device), self.labels.to(device), self.white)

    def keys(self) -> Tensor:
        """One number an image, (n,), int64, on the CPU: the same for equal pixels.

        Two images that differ have the same one by chance only, which is 2^-64.
        """
        pixels = self.images.flatten(1)
        factors = torch.randint(-(2**63), 2**63 - 1, pixels.shape[1:], generator=generator(0, "image-keys"))
        factors = factors.to(pixels.device)
        return torch.cat([(part * factors).sum(dim=1) for part in pixels.split(KEYED_AT_ONCE)]).cpu()

    def digest(self) -> bytes:
        """blake2b of shape, pixels and labels."""
        state = hashlib.blake2b(f"{tuple(self.images.shape)} {self.white}".encode(), digest_size=16)
        state.update(self.images.reshape(-1).numpy().data)
        state.update(self.labels.reshape(-1).numpy().data)
        return state.digest()


def fingerprint(*tables: ImageTable, text: str = "") -> str:
    """Changes whenever a pixel, a label or the text does."""
    return hashlib.blake2b(b"".join(t.digest() for t in tables) + text.encode(), digest_size=16).hexdigest()


class Images(Population):
    """Images drawn from a table with replacement. Tickets are its indices, int64.

    Args:
        real: what training draws from.
        held_out: what metrics compare with, kept on the CPU; the table itself where there is no test split.
        n_modes: how many classes are known; 0 where none are.
        n_samples: how many samples an evaluation draws unless the study says otherwise.
        evaluator: the name of what measures samples, as ``ganbench.metrics.evaluators.load`` knows it.
    """

    def __init__(self, real: ImageTable, held_out: ImageTable, n_modes: int, n_samples: int, evaluator: str) -> None:
        self.real, self.held_out, self._apart = real, held_out, held_out is not real
        self.n_modes, self.n_samples = n_modes, n_samples
        self.sample_shape = tuple(real.images.shape[1:])
        self.fingerprint = fingerprint(real) if held_out is real else fingerprint(real, held_out)
        self._evaluator = evaluator

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Indices of images, on the CPU: int64 of the given shape."""
        return torch.randint(len(self.real), shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The images at some indices, in [-1, 1]: (*tickets' shape, channels, height, width)."""
        return self.real.scaled(tickets.to(self.real.images.device))

    def to(self, device: torch.device) -> Self:
        """The same population with its table on another device."""
        moved = copy.copy(self)
        moved.real = self.real.to(device)
        return moved

    def reference(self, n: int) -> Tensor:
        """The first n images of a fixed permutation of the held-out table, or all, on the CPU."""
        return self.held_out.scaled(self.held_out.shuffled(n))

    @property
    def reference_is_apart(self) -> bool:
        """Whether there is a test split; moving to another device does not change it."""
        return self._apart

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """Images of the test split; without one, of at most a quarter of the table, which the population then lacks.

        No image that training draws is among them, a copy of it in another file included.

        Raises:
            DataError: there are no two different images, or the test split holds training images alone.
        """
        if not self._apart:
            return self._cut(n)
        order = self.held_out.shuffled(len(self.held_out))
        unseen = order[~torch.isin(self.held_out.keys()[order], self.real.keys())][:n]
        if not len(unseen):
            sentence = f"all {len(order)} images of the test split are training images, too: say --no-probe"
            raise DataError(sentence, code="seen", remedy="--no-probe")
        return self, self.held_out.scaled(unseen)

    def _cut(self, n: int) -> tuple[Population, Tensor]:
        """The table without some images, and these."""
        keys = self.real.keys()
        order = self.real.shuffled(len(keys))
        distinct = order[np.sort(np.unique(keys[order].numpy(), return_index=True)[1])]
        if len(distinct) < 2:
            raise DataError(
                f"{len(keys)} images, all alike, leave none that the probe's critic is not trained on: say --no-probe, "
                "or give more images",
                code="alike",
                remedy="--no-probe",
            )
        held = distinct[: max(1, min(n, len(distinct) // 4))]
        kept = order[~torch.isin(keys[order], keys[held])].to(self.real.images.device)
        rest = copy.copy(self)
        rest.real = ImageTable(self.real.images[kept], self.real.labels[kept], self.real.white)
        return rest, self.real.scaled(held.to(self.real.images.device)).cpu()

    def evaluator(self) -> Evaluator:
        """The classifier or feature extractor that knows these images."""
        from ganbench.metrics import evaluators

        return evaluators.load(self._evaluator)


class GreyImages(Images):
    """Grey images that an evaluator of colour images measures."""

    def evaluator(self) -> Evaluator:
        """The evaluator, which gets the one channel three times."""
        return RepeatedGrey(super().evaluator())


# -- image files -------------------------------------------------------------------------------------------------------


def read_pictures(paths: Sequence[Path], size: int) -> Tensor:
    """Many files, decoded in threads: (n, 3, size, size), uint8.

    Raises:
        DataError: for the first file that cannot be read.
    """
    images = np.empty((len(paths), 3, size, size), np.uint8)
    with ThreadPoolExecutor() as threads:
        for i, pixels in enumerate(threads.map(partial(_read_picture, size=size), paths)):
            images[i] = pixels.transpose(2, 0, 1)
    return torch.from_numpy(images)


def read_pictures_once(paths: Sequence[Path], size: int, kept: Path) -> Tensor:
    """What read_pictures gives, kept in one file for the next time, where its folder can be written.

    Args:
        paths: of the files; they must not change once read.
        size: height and width of the result.
        kept: where to keep it, as a plain array.
    """
    try:
        known = np.load(kept, allow_pickle=False)
    except (OSError, ValueError):  # absent, or cut off
        known = np.empty(0)
    if known.shape == (len(paths), 3, size, size) and known.dtype == np.uint8:
        return torch.from_numpy(known)
    images = read_pictures(paths, size)
    _keep(images.numpy(), kept)
    return images


def _keep(images: NDArray[np.uint8], path: Path) -> None:
    """Write through a rename, so that a reader finds the whole file or none; no room or no right is no error."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            np.save(file, images, allow_pickle=False)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


# Formats that the image library names but does not decode, or hands to another program.
UNDECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
SIGNED = frozenset({"FITS", "MCIDAS"})  # formats whose 16 bits may stand for numbers below zero
WHITE_IS_ZERO, PHOTOMETRIC, BITS = 0, 262, 258  # of TIFF


@cache
def _formats() -> list[str]:
    """All formats that are decoded, in the order in which a file is compared with them: the common ones first."""
    Image.preinit()
    Image.init()
    return [name for name in Image.ID if name not in UNDECODED]


def readable_suffixes() -> frozenset[str]:
    """How the names of files end that the image library decodes, in lower case, with the dot."""
    known = set(_formats())
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in known)


def _read_picture(path: Path, size: int) -> NDArray[np.uint8]:
    """One file as RGB, its shorter side resized to ``size``, the middle cut out: (size, size, 3)."""
    about = "no known format"
    try:
        with Image.open(path, formats=_formats()) as file:
            about = f"{file.format}, mode {file.mode}"
            picture = _as_rgb(ImageOps.exif_transpose(_as_bytes(file)))
    except Exception as error:  # decoders raise whatever a broken file leads them to
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} cannot be read as an image ({about}: {reason}): mend it or take it out of the folder",
            subject=path,
            code="unreadable",
        ) from error
    return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC))


def _as_bytes(file: Image.Image) -> Image.Image:
    """The same picture with 8 bits a channel; one that has them comes back as it is.

    ``convert`` would clip all that is above 255 to white and leave nothing but black of fractions.

    Raises:
        ValueError: values whose black and white nobody can tell.
    """
    if not file.mode.startswith(("I", "F")):
        return file
    file.load()
    values, white = np.asarray(file), _white(file)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        raise ValueError(f"its values run from {low:g} to {high:g}, outside of 0 to {white}: save it with 8 or 16 bits")
    if file.mode == "F":
        levels = np.rint(values.astype(np.float64) / white * 255)
    else:
        levels = values.astype(np.int64) >> (white.bit_length() - 8)
    tags = getattr(file, "tag_v2", {})
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        levels = 255 - levels
    if isinstance(clear := file.info.get("transparency"), int):
        levels = np.where(values == clear, 0, levels)
    picture = Image.fromarray(levels.astype(np.uint8))
    picture.info |= {name: value for name, value in file.info.items() if name != "transparency"}  # it may be turned
    return picture


def _white(file: Image.Image) -> int:
    """The value of white: 65535 for 16 bits, 4095 for 12, 1 for fractions.

    Raises:
        ValueError: whole numbers of 32 bits, of which nothing says what is white.
    """
    if file.mode == "F":
        return 1
    if file.format == "TIFF" and file.tag_v2.get(BITS) == (12,):  # type: ignore[attr-defined]
        return 4095
    if file.format in ("PNG", "PPM") or (file.mode.startswith("I;16") and file.format not in SIGNED):
        return 65535  # mode I of these two holds 16 bits
    raise ValueError("nothing says which of its whole numbers is white: save it with 8 or 16 bits")


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Grey becomes three equal channels, a palette its colours; what is transparent shows black."""
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        opaque = Image.new("RGBA", picture.size, "black")
        return Image.alpha_composite(opaque, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


# -- stacks of three grey images ---------------------------------------------------------------------------------------


class Stacks(Images):
    """Triples of grey images as colour images, composed when they are taken. Tickets are indices of triples.

    Args:
        real: the grey images of training.
        held_out: those that reference triples are made of.
        n_triples: how many training triples there are; they are the same for every seed.
        n_modes: how many combinations of classes there are.
        n_samples: how many samples an evaluation draws unless the study says otherwise.
        evaluator: the name of what measures samples.
    """

    def __init__(
        self, real: ImageTable, held_out: ImageTable, n_triples: int, n_modes: int, n_samples: int, evaluator: str
    ) -> None:
        super().__init__(real, held_out, n_modes, n_samples, evaluator)
        self.triples = torch.randint(len(real), (n_triples, 3), generator=generator(0, "stacks"))
        self.sample_shape = (3, *real.images.shape[2:])
        self.fingerprint = f"{self.fingerprint}/{n_triples} triples"

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Indices of triples, on the CPU: int64 of the given shape."""
        return torch.randint(len(self.triples), shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The colour images of some triples, in [-1, 1]: (*tickets' shape, 3, height, width)."""
        return self.real.scaled(self.triples[tickets.to(self.triples.device)]).squeeze(-3)

    def to(self, device: torch.device) -> Self:
        """The same population with its tables on another device."""
        moved = super().to(device)
        moved.triples = self.triples.to(device)
        return moved

    def reference(self, n: int) -> Tensor:
        """Triples of held-out images, drawn from a stream of their own: (n, 3, height, width), on the CPU."""
        return self.held_out.scaled(self._reference_triples(n)).squeeze(-3)

    def _reference_triples(self, n: int) -> Tensor:
        return torch.randint(len(self.held_out), (n, 3), generator=generator(0, "reference"))

    @property
    def reference_is_apart(self) -> bool:
        """Always: the reference's triples are drawn apart from those of training."""
        return True

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """The reference's triples without those that training draws, too.

        Raises:
            DataError: training draws them all.
        """
        triples = self._reference_triples(n)
        seen = _triple_keys(self.real.keys(), self.triples.cpu())
        unseen = triples[~torch.isin(_triple_keys(self.held_out.keys(), triples), seen)]
        if not len(unseen):
            sentence = f"training draws all {n} reference triples, too: say --no-probe"
            raise DataError(sentence, code="seen", remedy="--no-probe")
        return self, self.held_out.scaled(unseen).squeeze(-3)


def _triple_keys(keys: Tensor, triples: Tensor) -> Tensor:
    """One number a triple, (n,), as ``ImageTable.keys`` gives images: their order counts."""
    factors = torch.randint(-(2**63), 2**63 - 1, (3,), generator=generator(0, "triple-keys"))
    return (keys[triples] * factors).sum(dim=1)
