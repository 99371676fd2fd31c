"""Samples as they are: images in a sheet, points over the real ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ganbench.figures.canvas import axes_or_new, key, legend_below
from ganbench.figures.landscapes import Array
from ganbench.figures.palette import QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def sheet(images: Array, columns: int) -> Array:
    """Images (n, channels, height, width) in rows, a pixel apart: (height, width) or (height, width, 3).

    Values of -1 to 1 become 0 to 1, what lies outside is cut as a screen would; gaps are NaN.
    """
    n, channels, height, width = images.shape
    rows = math.ceil(n / columns)
    canvas = np.full((channels, rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for place, image in enumerate(images):
        top, left = (place // columns) * (height + 1), (place % columns) * (width + 1)
        canvas[:, top : top + height, left : left + width] = np.clip((image + 1) / 2, 0, 1)
    return canvas[0] if channels == 1 else canvas[:3].transpose(1, 2, 0)


def draw_images(images: Array, columns: int = 8, ax: Axes | None = None) -> Axes:
    """A sheet of images.

    Args:
        images: (n, channels, height, width), from black at -1 to white at 1; one or three channels.
        columns: images in a row.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    pixels = sheet(images, columns)
    grey = pixels.ndim == 2
    opaque = ~np.isnan(pixels if grey else pixels[..., 0])
    colours = np.repeat(pixels[..., None], 3, axis=2) if grey else pixels
    ax.imshow(np.dstack([np.nan_to_num(colours), opaque.astype(float)]), interpolation="nearest", aspect="equal")
    ax.set_axis_off()
    return ax


def draw_points(
    samples: Array, real: Array, limits: tuple[float, float, float, float], colour: str, ax: Axes | None = None
) -> Axes:
    """Samples in the plane over the real ones. Those outside the picture are counted in words.

    Args:
        samples: (n, 2).
        real: (m, 2).
        limits: left, right, bottom, top.
        colour: of the samples.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    left, right, bottom, top = limits
    (x, y), (real_x, real_y) = samples.T, real.T
    ax.scatter(real_x, real_y, s=9, color=QUIET, alpha=0.25, lw=0, rasterized=True, label="_real")
    ax.scatter(x, y, s=3.5, color=colour, alpha=0.6, lw=0, rasterized=True, label="_samples")
    inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="", ylabel="")
    dot = {"ls": "", "marker": "o", "ms": 5}
    handles = [key(QUIET, "real", **dot)] + ([key(colour, "generated", **dot)] if len(samples) else [])
    if len(samples) and not inside.all():
        handles.append(key(text=f"{(~inside).sum():,} of {len(samples):,} outside", ls="", lw=0))
    legend_below(ax, handles)
    return ax
