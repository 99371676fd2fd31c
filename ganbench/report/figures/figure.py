"""A figure with its caption and alternative text, and sets of figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ganbench.report.figures.style import INK, new_figure
from ganbench.report.sections import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


# -- figure ------------------------------------------------------------------------------------------------------------

TITLE = 0.35  # inches above the panels

PanelFunction = Callable[["Axes"], "Axes"]


@dataclass(frozen=True)
class Panel:
    """One or several Axes over each other that share their horizontal axis.

    Attributes:
        title: stands above.
        draws: one function an Axes, from top to bottom.
        heights: their shares.
        colour: of the title: an objective's, where the panel is about one.
        width, height: inches.
    """

    title: str
    draws: tuple[PanelFunction, ...]
    heights: tuple[float, ...] = (1.0,)
    colour: str = INK
    width: float = 3.8
    height: float = 3.1


@dataclass(frozen=True)
class FigureSpec:
    """A figure with all that belongs to it.

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
    panels: tuple[Panel, ...]
    columns: int = 3


def draw_panel(panel: Panel, into: Figure | SubFigure) -> None:
    """Draw one panel into a figure or a part of one."""
    axes = into.subplots(len(panel.draws), 1, sharex=True, height_ratios=panel.heights, squeeze=False)[:, 0]
    for draw, ax in zip(panel.draws, axes, strict=True):
        draw(ax)
    for ax in axes[:-1]:
        ax.set_xlabel("")
    axes[0].set_title(panel.title, color=panel.colour, fontweight="bold", wrap=True)


def panel_figure(panel: Panel) -> Figure:
    """A figure of one panel."""
    figure = new_figure(panel.width, panel.height)
    draw_panel(panel, figure)
    return figure


def plate_figure(plate: FigureSpec) -> tuple[Figure, list[SubFigure]]:
    """All panels of a plate in one figure, and the part of it that each is: ``panel-1`` and so on in its SVG."""
    columns = max(1, min(plate.columns, len(plate.panels)))
    rows = [plate.panels[i : i + columns] for i in range(0, len(plate.panels), columns)]
    heights = [max(panel.height for panel in row) for row in rows]
    widths = [max(row[c].width for row in rows if c < len(row)) for c in range(columns)]
    figure = new_figure(sum(widths), sum(heights) + TITLE)
    figure.suptitle(plate.title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    parts = figure.subfigures(len(rows), columns, height_ratios=heights, width_ratios=widths, squeeze=False).ravel()
    used = list(parts[: len(plate.panels)])
    for number, (panel, part) in enumerate(zip(plate.panels, used, strict=True), 1):
        part.set_gid(f"panel-{number}")
        draw_panel(panel, part)
    return figure, used


# -- sets of figures ---------------------------------------------------------------------------------------------------

TOGETHER = 6  # objectives in one panel; more are drawn in several panels


@dataclass(frozen=True)
class FigureSet:
    """Figures, and sentences on those that could not be drawn."""

    plates: tuple[FigureSpec, ...] = ()
    missing: tuple[str, ...] = ()

    def __add__(self, other: FigureSet) -> FigureSet:
        return FigureSet(self.plates + other.plates, self.missing + other.missing)


def no_figure(sentence: str) -> FigureSet:
    """A story without a figure."""
    return FigureSet(missing=(sentence,))


def seeds_in_words(section: Section) -> str:
    """How many trials each objective has: ``5 seeds each``, or one number an objective."""
    counts = section.results.trials.groupby("objective").size()
    if counts.nunique() == 1:
        n, each = int(counts.iloc[0]), " each" if len(counts) > 1 else ""
        return f"n = {n} seed{'s' * (n != 1)}{each}"
    some = [f"{name} {n}" for name, n in list(counts.items())[:8]]
    return "n = " + ", ".join(some) + (f" and so on, {counts.min()} to {counts.max()}" if len(counts) > 8 else "")


def groups(objectives: Sequence[str]) -> list[list[str]]:
    """At most TOGETHER objectives at a time, as evenly as possible."""
    parts = -(-len(objectives) // TOGETHER)
    size = -(-len(objectives) // max(parts, 1))
    return [list(objectives[i : i + size]) for i in range(0, len(objectives), size or 1)]


def draw(function: Any, *arguments: Any, **options: Any) -> PanelFunction:
    """A drawing function with everything but its axes."""
    return partial(_call, function, arguments, options)


def _call(function: Any, arguments: Sequence[Any], options: dict[str, Any], ax: Any) -> Any:
    return function(*arguments, **options, ax=ax)


def panel(title: str, *draws: PanelFunction, entries: int = 2, **options: Any) -> Panel:
    """A panel with room for a legend of so many entries."""
    extra = 0.17 * max(0, -(-entries // 2) - 1)
    height = options.pop("height", 3.1)
    return Panel(title, tuple(draws), height=height + extra, **options)
