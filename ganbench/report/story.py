"""What builders of figures give back, and the phrases that their captions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ganbench.figures.plates import Draw, Panel, Plate
from ganbench.report.material import Section

TOGETHER = 6  # objectives in one panel; more are drawn in several panels


@dataclass(frozen=True)
class Story:
    """Figures, and sentences on those that could not be drawn."""

    plates: tuple[Plate, ...] = ()
    missing: tuple[str, ...] = ()

    def __add__(self, other: Story) -> Story:
        return Story(self.plates + other.plates, self.missing + other.missing)


def lacking(sentence: str) -> Story:
    """A story without a figure."""
    return Story(missing=(sentence,))


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


def draw(function: Any, *arguments: Any, **options: Any) -> Draw:
    """A drawing function with everything but its axes."""
    return partial(_call, function, arguments, options)


def _call(function: Any, arguments: Sequence[Any], options: dict[str, Any], ax: Any) -> Any:
    return function(*arguments, **options, ax=ax)


def panel(title: str, *draws: Draw, entries: int = 2, **options: Any) -> Panel:
    """A panel with room for a legend of so many entries."""
    extra = 0.17 * max(0, -(-entries // 2) - 1)
    height = options.pop("height", 3.1)
    return Panel(title, tuple(draws), height=height + extra, **options)
