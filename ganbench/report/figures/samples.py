"""Samples of every objective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ganbench.report.figures.figure import FigureSet, FigureSpec, Panel, draw, panel
from ganbench.report.figures.landscape import Array, draw_landscape
from ganbench.report.figures.style import INK, QUIET, axes_or_new, ellipsize, legend_below, legend_handle
from ganbench.report.landscape import CRITIC_STEPS
from ganbench.report.sample_sets import N_IMAGES, SampleSet
from ganbench.report.sections import Section
from ganbench.report.text import MetricInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# -- axes --------------------------------------------------------------------------------------------------------------


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
    handles = [legend_handle(QUIET, "real", **dot)] + (
        [legend_handle(colour, "generated", **dot)] if len(samples) else []
    )
    if len(samples) and not inside.all():
        handles.append(legend_handle(text=f"{(~inside).sum():,} of {len(samples):,} outside", ls="", lw=0))
    legend_below(ax, handles)
    return ax


# -- figures -----------------------------------------------------------------------------------------------------------


def sample_story(section: Section, gallery: SampleSet, measure: MetricInfo | None) -> FigureSet:
    """Samples of the median seed of each objective, real ones beside them; critics over the plane."""
    missing = FigureSet(missing=gallery.missing)
    if not gallery.shown:
        return missing
    shape = gallery.real.shape[1:]
    if len(shape) == 1 and shape[0] != 2:
        return missing + FigureSet(missing=(f"Samples are not shown: they are points in {shape[0]} dimensions.",))
    panels = _points(section, gallery) if len(shape) == 1 else _images(section, gallery)
    by = f"the median seed by {measure.title} at the last step" if measure else "a middle seed"
    caption = (
        f"What {by} of each objective draws: the stored last generator on the latents of its evaluations, the first "
        "that come, not chosen. n = 1 seed an objective, so nothing here has an interval. Real samples beside them."
    )
    seeds = ", ".join(f"{name} seed {shown.seed}" for name, shown in list(gallery.shown.items())[:12])
    kind = "Points in the plane over the real ones" if len(shape) == 1 else "Sheets of generated images"
    alt = f"{kind}: {seeds}; real samples in the first panel."
    plate = FigureSpec(f"{section.name}-samples", "Samples", caption, alt, panels)
    return FigureSet((plate,)) + _landscapes(section, gallery) + missing


def _images(section: Section, gallery: SampleSet) -> tuple[Panel, ...]:
    def sheet(title: str, images: Array, colour: str) -> Panel:
        return panel(title, draw(draw_images, images[:N_IMAGES]), colour=colour, height=3.1, width=3.0)

    sheets = [sheet("real", gallery.real, INK)]
    for name, shown in gallery.shown.items():
        sheets.append(sheet(f"{ellipsize(name, 20)}, seed {shown.seed}", shown.samples, section.styles[name].colour))
    return tuple(sheets)


def _points(section: Section, gallery: SampleSet) -> tuple[Panel, ...]:
    limits = _limits(gallery.real)

    def scatter(title: str, samples: Array, colour: str) -> Panel:
        drawn = draw(draw_points, samples, gallery.real, limits, colour)
        return panel(title, drawn, entries=3, colour=colour, height=3.6, width=3.4)

    panels = [scatter("real", np.empty((0, 2)), INK)]
    for name, shown in gallery.shown.items():
        panels.append(scatter(f"{ellipsize(name, 20)}, seed {shown.seed}", shown.samples, section.styles[name].colour))
    return tuple(panels)


def _limits(real: Array) -> tuple[float, float, float, float]:
    """A square around the real samples with a margin of a quarter."""
    low, high = real.min(axis=0), real.max(axis=0)
    (x, y), half = (low + high) / 2, 0.75 * float((high - low).max())
    return x - half, x + half, y - half, y + half


def _landscapes(section: Section, gallery: SampleSet) -> FigureSet:
    learnt = {name: shown for name, shown in gallery.shown.items() if shown.landscape is not None}
    if not learnt:
        return FigureSet()
    panels = []
    for name, shown in learnt.items():
        colour = section.styles[name].colour
        drawn = draw(draw_landscape, shown.landscape, colour)
        title = f"{ellipsize(name, 20)}, seed {shown.seed}"
        panels.append(panel(title, drawn, entries=4, colour=colour, height=3.9, width=4.6))
    caption = (
        f"A fresh critic after {CRITIC_STEPS} updates against the stored last generator (critics of the training are "
        "not stored). Shades: its score over the plane, each panel on its own scale. Arrows: where the generator's "
        "loss sends each sample, all of one length. n = 1 seed an objective."
    )
    sizes = {n: np.linalg.norm(s.landscape.arrows, axis=1) for n, s in learnt.items() if s.landscape is not None}
    alt = "Scores of critics over the plane, arrows on generated samples. Median gradient norm: "
    alt += ", ".join(f"{name} {np.median(norms):.2g}" for name, norms in sizes.items()) + "."
    return FigureSet(
        (FigureSpec(f"{section.name}-landscapes", "What a critic sees", caption, alt, tuple(panels), columns=2),)
    )
