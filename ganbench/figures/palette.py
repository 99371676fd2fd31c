"""Colours: one look for each objective, the same in every figure, told apart without seeing colours too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# What is not data. The page replaces exactly these by its own ink and paper, which differ between light and dark.
INK, QUIET, LINE, PAPER = "#26313d", "#66727f", "#d5dbe1", "#ffffff"

# Okabe & Ito (2008), without black, and without yellow, which white paper swallows; a brown in its place.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#9a6a4f")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")

OWN = {"gan": 0, "wgan": 1, "nsgan": 2, "noisegan": 3}  # these keep their colours from study to study

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """How an objective is drawn."""

    colour: str
    dash: Dash
    marker: str


Looks = Mapping[str, Look]


def looks(objectives: Iterable[str]) -> dict[str, Look]:
    """A look for each objective; 42 differ. First-party names keep theirs, the others follow in alphabetical order."""
    names = sorted(set(objectives))
    taken = {OWN[name] for name in names if name in OWN}
    free = iter(i for i in range(len(names) + len(OWN)) if i not in taken)
    return {name: _look(OWN[name] if name in OWN else next(free)) for name in names}


def _look(number: int) -> Look:
    round_, colour = divmod(number, len(COLOURS))
    return Look(COLOURS[colour], DASHES[round_ % len(DASHES)], MARKERS[(colour + round_) % len(MARKERS)])


def short(text: str, most: int = 26) -> str:
    """A name that fits: its beginning and its end, with an ellipsis between."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"
