"""Figures as data: panels with a title, a caption and alternative text, and how panels become one picture.

A module of this package has functions ``draw_x(table, ..., ax)``, which only draw, and one ``x_figures``, which yields
figures of a section's tables, or why there are none. ``report/build.py`` lists the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.figure import SubFigure

from ganbench.analysis.export import number_text
from ganbench.report.figures.style import INK, new_figure

TITLE = 0.35  # inches above the panels
LEGEND_ROW = 0.17  # inches
MOST_OBJECTIVES = 6  # in one panel; more are drawn in several panels
MOST_IN_WORDS = 12  # numbers of objectives in alternative text


@dataclass(frozen=True)
class Panel:
    """One or several Axes above each other that share their horizontal axis.

    Attributes:
        title: stands above.
        draws: functions that draw into an Axes, their argument ``ax``, from top to bottom.
        colour: of the title: an objective's, where the panel is about one.
        width: inches.
        height: inches, with a legend of one row.
        heights: shares of the Axes.
        entries: of the legend, two a row.
    """

    title: str
    draws: tuple[Callable[..., Axes], ...]
    colour: str = INK
    width: float = 3.8
    height: float = 3.1
    heights: tuple[float, ...] = (1.0,)
    entries: int = 2

    @property
    def full_height(self) -> float:
        """Inches, with all rows of the legend."""
        return self.height + LEGEND_ROW * max(0, -(-self.entries // 2) - 1)


@dataclass(frozen=True)
class Figure:
    """A figure with everything that the page says of it.

    Attributes:
        name: of its files and its place in the page.
        title: one line.
        caption: what is drawn, how many, which interval.
        alt: what the picture shows, for readers who cannot see it.
        panels: from left to right, from top to bottom.
        columns: of panels, in the files; the page arranges them by its width.
    """

    name: str
    title: str
    caption: str
    alt: str
    panels: Sequence[Panel]
    columns: int = 3


class Missing(str):
    """A sentence of the page: which figure is not drawn, or not drawn whole, and why."""

    __slots__ = ()


Figures = Iterator[Figure | Missing]  # what the figure functions yield


def compose(figure: Figure) -> tuple[Picture, list[SubFigure]]:
    """All panels in one picture, and the part of it that each is: ``panel-1`` and so on in its SVG."""
    columns = max(1, min(figure.columns, len(figure.panels)))
    rows = [figure.panels[i : i + columns] for i in range(0, len(figure.panels), columns)]
    heights = [max(panel.full_height for panel in row) for row in rows]
    widths = [max(row[c].width for row in rows if c < len(row)) for c in range(columns)]
    picture = new_figure(sum(widths), sum(heights) + TITLE)
    picture.suptitle(figure.title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    parts = picture.subfigures(len(rows), columns, height_ratios=heights, width_ratios=widths, squeeze=False).ravel()
    used = list(parts[: len(figure.panels)])
    for number, (panel, part) in enumerate(zip(figure.panels, used, strict=True), 1):
        part.set_gid(f"panel-{number}")
        _draw_panel(panel, part)
    return picture, used


def _draw_panel(panel: Panel, into: SubFigure) -> None:
    axes = into.subplots(len(panel.draws), 1, sharex=True, height_ratios=panel.heights, squeeze=False)[:, 0]
    for draw, ax in zip(panel.draws, axes, strict=True):
        draw(ax=ax)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    axes[0].set_title(panel.title, color=panel.colour, fontweight="bold", wrap=True)


def seeds_in_words(trials: pd.DataFrame) -> str:
    """How many trials each objective has: ``5 seeds each``, or one number an objective."""
    counts = trials.groupby("objective").size()
    if counts.nunique() == 1:
        n, each = int(counts.iloc[0]), " each" if len(counts) > 1 else ""
        return f"n = {n} seed{'s' * (n != 1)}{each}"
    some = [f"{name} {n}" for name, n in list(counts.items())[:8]]
    return "n = " + ", ".join(some) + (f" and so on, {counts.min()} to {counts.max()}" if len(counts) > 8 else "")


def named_numbers(numbers: Iterable[tuple[object, float]]) -> str:
    """The first names with their numbers, for alternative text: ``gan 0.1, wgan 2``."""
    return ", ".join(f"{name} {number_text(number)}" for name, number in list(numbers)[:MOST_IN_WORDS])


def groups(objectives: Sequence[str]) -> list[list[str]]:
    """At most MOST_OBJECTIVES at a time, as evenly as possible."""
    parts = -(-len(objectives) // MOST_OBJECTIVES)
    size = -(-len(objectives) // max(parts, 1))
    return [list(objectives[i : i + size]) for i in range(0, len(objectives), size or 1)]
