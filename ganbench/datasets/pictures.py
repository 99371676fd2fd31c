"""Image files as arrays of equal size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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


def _read_picture(path: Path, size: int) -> NDArray[np.uint8]:
    """One file as RGB, its shorter side resized to ``size``, the middle cut out: (size, size, 3)."""
    try:
        with Image.open(path) as file:
            picture = _as_rgb(ImageOps.exif_transpose(file))
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise DataError(f"{path} cannot be read as an image ({error}): mend it or take it out of the folder") from error
    return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC))


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Grey becomes three equal channels, a palette its colours; what is transparent shows black."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        opaque = Image.new("RGBA", picture.size, "black")
        return Image.alpha_composite(opaque, picture.convert("RGBA")).convert("RGB")
    if picture.mode.startswith("I;16"):  # 16 bits of grey, which ``convert`` would clip to white
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture.convert("RGB")
