"""Effects of the claims suite against their thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.report.figures.figure import FigureSet, FigureSpec, draw, no_figure, panel
from ganbench.report.figures.style import COLOURS, INK, LINE, QUIET, axes_or_new, ellipsize, legend_below, legend_handle

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# -- axes --------------------------------------------------------------------------------------------------------------

MARKS = {
    "reproduced": (COLOURS[2], "o"),
    "not reproduced": (COLOURS[1], "X"),
    "inconclusive": (QUIET, "s"),
}


MOST_LETTERS = 72  # of a claim and its rule, in axes WIDTH inches wide
WIDTH = 5.4
BESIDE = 0.05  # of the axes' width, for the mark


def draw_verdicts(verdicts: pd.DataFrame, ax: Axes | None = None, room: int = 0) -> Axes:
    """Two lines for every rule: verdict as colour and shape, claim and rule; effect with interval, threshold, seeds.

    Args:
        verdicts: the verdicts table.
        ax: where to draw.
        room: for how many rules, where panels side by side are to have lines of one height.
    """
    ax = axes_or_new(ax)
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(max(len(verdicts), room) - 0.45, -0.55))
    line: dict[str, Any] = {"va": "center", "fontsize": 7.5, "in_layout": False}
    rows: Any = verdicts.itertuples()
    for place, row in enumerate(rows):
        colour, marker = MARKS[row.verdict]
        style: dict[str, Any] = {
            "marker": marker,
            "ms": 8,
            "ls": "",
            "mec": INK,
            "mew": 0.4,
            "label": f"_{row.verdict}",
        }
        ax.plot(BESIDE / 3, place, color=colour, **style)
        name = ellipsize(f"{row.claim}: {row.rule}", MOST_LETTERS)
        found = f"{effect_text(row)}; wanted {ellipsize(str(row.threshold), 18)}; n = {row.n}"
        ax.text(BESIDE, place - 0.2, name, fontweight="bold", **line)
        ax.text(BESIDE, place + 0.2, found, **line)
        ax.axhline(place - 0.5, color=LINE, lw=0.8)
    mark = {"ls": "", "ms": 7, "mec": INK, "mew": 0.4}
    legend_below(ax, [legend_handle(colour, name, marker=marker, **mark) for name, (colour, marker) in MARKS.items()])
    return ax


def effect_text(row: object) -> str:
    """Effect with its interval; a calculated number has none, and one that could not be computed is a dash."""
    effect, low, high = (float(getattr(row, name)) for name in ("effect", "low", "high"))
    if effect != effect:
        return "–"
    return f"{effect:.4g}" if low == high else f"{effect:.3g} [{low:.3g}, {high:.3g}]"


# -- figure ------------------------------------------------------------------------------------------------------------

MOST_ROWS = 20  # in one panel


def verdict_story(verdicts: pd.DataFrame | None) -> FigureSet:
    """All verdicts in one picture."""
    if verdicts is None:
        return no_figure("Verdicts on claims are not here: this folder has no verdicts.parquet (`ganbench reproduce`).")
    if verdicts.empty:
        return no_figure("Verdicts on claims are not here: the verdict table has no rows.")
    parts = [verdicts[start : start + MOST_ROWS] for start in range(0, len(verdicts), MOST_ROWS)]
    room = len(parts[0])
    drawn = [draw(draw_verdicts, part, room=room) for part in parts]
    panels = tuple(panel("", one, width=WIDTH, height=0.8 + 0.36 * room) for one in drawn)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(verdicts["verdict"].value_counts().items()))
    caption = (
        f"One line a rule ({len(verdicts)} of {verdicts['claim'].nunique()} claims): {counts}. Effects are means over "
        "replications with 95 % intervals in the rule's own unit, n is the number of replications, and a rule holds "
        "when the whole interval lies within what was wanted."
    )
    title, alt = "Verdicts on claims of the literature", f"A list of verdicts: {counts}."
    return FigureSet((FigureSpec("verdicts", title, caption, alt, panels, columns=2),))
