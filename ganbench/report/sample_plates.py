"""Figures of samples and of critics over the plane."""

from __future__ import annotations

import numpy as np

from ganbench.figures.landscapes import Array, draw_landscape
from ganbench.figures.palette import INK, short
from ganbench.figures.plates import Panel, Plate
from ganbench.figures.samples import draw_images, draw_points
from ganbench.report.gallery import N_IMAGES, Gallery
from ganbench.report.landscape import CRITIC_STEPS
from ganbench.report.material import Section
from ganbench.report.measures import Measure
from ganbench.report.story import Story, draw, panel


def sample_story(section: Section, gallery: Gallery, measure: Measure | None) -> Story:
    """Samples of the median seed of each objective, real ones beside them; critics over the plane."""
    missing = Story(missing=gallery.missing)
    if not gallery.shown:
        return missing
    shape = gallery.real.shape[1:]
    if len(shape) == 1 and shape[0] != 2:
        return missing + Story(missing=(f"Samples are not shown: they are points in {shape[0]} dimensions.",))
    panels = _points(section, gallery) if len(shape) == 1 else _images(section, gallery)
    by = f"the median seed by {measure.title} at the last step" if measure else "a middle seed"
    caption = (
        f"What {by} of each objective draws: the stored last generator on the latents of its evaluations, the first "
        "that come, not chosen. n = 1 seed an objective, so nothing here has an interval. Real samples beside them."
    )
    seeds = ", ".join(f"{name} seed {shown.seed}" for name, shown in list(gallery.shown.items())[:12])
    kind = "Points in the plane over the real ones" if len(shape) == 1 else "Sheets of generated images"
    alt = f"{kind}: {seeds}; real samples in the first panel."
    plate = Plate(f"{section.name}-samples", "Samples", caption, alt, panels)
    return Story((plate,)) + _landscapes(section, gallery) + missing


def _images(section: Section, gallery: Gallery) -> tuple[Panel, ...]:
    def sheet(title: str, images: Array, colour: str) -> Panel:
        return panel(title, draw(draw_images, images[:N_IMAGES]), colour=colour, height=3.1, width=3.0)

    sheets = [sheet("real", gallery.real, INK)]
    for name, shown in gallery.shown.items():
        sheets.append(sheet(f"{short(name, 20)}, seed {shown.seed}", shown.samples, section.looks[name].colour))
    return tuple(sheets)


def _points(section: Section, gallery: Gallery) -> tuple[Panel, ...]:
    limits = _limits(gallery.real)

    def scatter(title: str, samples: Array, colour: str) -> Panel:
        drawn = draw(draw_points, samples, gallery.real, limits, colour)
        return panel(title, drawn, entries=3, colour=colour, height=3.6, width=3.4)

    panels = [scatter("real", np.empty((0, 2)), INK)]
    for name, shown in gallery.shown.items():
        panels.append(scatter(f"{short(name, 20)}, seed {shown.seed}", shown.samples, section.looks[name].colour))
    return tuple(panels)


def _limits(real: Array) -> tuple[float, float, float, float]:
    """A square around the real samples with a margin of a quarter."""
    low, high = real.min(axis=0), real.max(axis=0)
    (x, y), half = (low + high) / 2, 0.75 * float((high - low).max())
    return x - half, x + half, y - half, y + half


def _landscapes(section: Section, gallery: Gallery) -> Story:
    learnt = {name: shown for name, shown in gallery.shown.items() if shown.landscape is not None}
    if not learnt:
        return Story()
    panels = []
    for name, shown in learnt.items():
        colour = section.looks[name].colour
        drawn = draw(draw_landscape, shown.landscape, colour)
        title = f"{short(name, 20)}, seed {shown.seed}"
        panels.append(panel(title, drawn, entries=4, colour=colour, height=3.9, width=4.6))
    caption = (
        f"A fresh critic after {CRITIC_STEPS} updates against the stored last generator (critics of the training are "
        "not stored). Shades: its score over the plane, each panel on its own scale. Arrows: where the generator's "
        "loss sends each sample, all of one length. n = 1 seed an objective."
    )
    sizes = {n: np.linalg.norm(s.landscape.arrows, axis=1) for n, s in learnt.items() if s.landscape is not None}
    alt = "Scores of critics over the plane, arrows on generated samples. Median gradient norm: "
    alt += ", ".join(f"{name} {np.median(norms):.2g}" for name, norms in sizes.items()) + "."
    return Story((Plate(f"{section.name}-landscapes", "What a critic sees", caption, alt, tuple(panels), columns=2),))
