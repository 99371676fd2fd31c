"""Image files as arrays of equal size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from ganbench.errors import DataError


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
            f"{path} cannot be read as an image ({about}: {reason}): mend it or take it out of the folder"
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
