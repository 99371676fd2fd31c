"""Samples of every objective, real ones beside them."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from ganbench.report.figures.figure import MOST_IN_WORDS, Figure, Figures, Missing, Panel
from ganbench.report.figures.lines import Array
from ganbench.report.figures.style import INK, QUIET, ellipsize, legend_below, legend_handle

if TYPE_CHECKING:
    from ganbench.report.sample_sets import SampleSet
    from ganbench.report.sections import SectionResult

Limits = tuple[float, float, float, float]  # left, right, bottom, top

N_IMAGES = 64  # of an objective


def image_grid(images: Array, columns: int) -> Array:
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


def draw_images(images: Array, ax: Axes, columns: int = 8) -> Axes:
    """Images in rows.

    Args:
        images: (n, channels, height, width), from black at -1 to white at 1; one or three channels.
        columns: images in a row.
    """
    pixels = image_grid(images, columns)
    grey = pixels.ndim == 2
    opaque = ~np.isnan(pixels if grey else pixels[..., 0])
    colours = np.repeat(pixels[..., None], 3, axis=2) if grey else pixels
    ax.imshow(np.dstack([np.nan_to_num(colours), opaque.astype(float)]), interpolation="nearest", aspect="equal")
    ax.set_axis_off()
    return ax


def draw_points(samples: Array, real: Array, limits: Limits, colour: str, ax: Axes) -> Axes:
    """Samples in the plane over the real ones. Those outside the picture are counted in words.

    Args:
        samples: (n, 2).
        real: (m, 2).
        limits: left, right, bottom, top.
    """
    left, right, bottom, top = limits
    (x, y), (real_x, real_y) = samples.T, real.T
    ax.scatter(real_x, real_y, s=9, color=QUIET, alpha=0.25, lw=0, rasterized=True, label="_real")
    ax.scatter(x, y, s=3.5, color=colour, alpha=0.6, lw=0, rasterized=True, label="_samples")
    inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="", ylabel="")
    dot = {"ls": "", "marker": "o", "ms": 5}
    handles = [legend_handle(QUIET, "real", **dot)]
    if len(samples):
        handles.append(legend_handle(colour, "generated", **dot))
    if not inside.all():
        handles.append(legend_handle(text=f"{(~inside).sum():,} of {len(samples):,} outside", ls="", lw=0))
    legend_below(ax, handles)
    return ax


def sample_figures(result: SectionResult) -> Figures:
    """Samples of the median seed of each objective, real ones beside them."""
    section, samples, metric = result.section, result.samples, result.leading
    yield from map(Missing, samples.missing)
    if not samples.by_objective:
        return
    shape = samples.real.shape[1:]
    points = len(shape) == 1
    if points and shape[0] != 2:
        yield Missing(f"Samples are not shown: they are points in {shape[0]} dimensions.")
        return
    sets = [("real", np.empty((0, 2)) if points else samples.real, INK)]
    for name, sample in samples.by_objective.items():
        sets.append((f"{ellipsize(name, 20)}, seed {sample.seed}", sample.values, section.styles[name].colour))
    panels = _point_panels(sets, samples) if points else _image_panels(sets)
    seed = f"the median seed by {metric.title} at the last step" if metric else "a middle seed"
    caption = (
        f"Samples of {seed} of each objective, with real ones beside them: the stored last generator on the first "
        "latents of its evaluations, not selected. n = 1 seed an objective, so nothing here has an interval."
    )
    seeds = ", ".join(
        f"{name} seed {sample.seed}" for name, sample in list(samples.by_objective.items())[:MOST_IN_WORDS]
    )
    kind = "Points in the plane over the real ones" if points else "Grids of generated images"
    alt = f"{kind}: {seeds}; real samples in the first panel."
    yield Figure(f"{section.name}-samples", "Samples", caption, alt, panels)


Titled = tuple[str, Array, str]  # title, samples, colour


def _image_panels(sets: list[Titled]) -> list[Panel]:
    return [Panel(title, (partial(draw_images, images[:N_IMAGES]),), colour, 3.0) for title, images, colour in sets]


def _point_panels(sets: list[Titled], samples: SampleSet) -> list[Panel]:
    real = samples.real
    low, high = real.min(axis=0), real.max(axis=0)
    (x, y), half = (low + high) / 2, 0.75 * float((high - low).max())  # a square with a margin of a quarter
    draw = partial(draw_points, real=real, limits=(x - half, x + half, y - half, y + half))
    return [
        Panel(title, (partial(draw, points, colour=colour),), colour, 3.4, 3.6, entries=3)
        for title, points, colour in sets
    ]
