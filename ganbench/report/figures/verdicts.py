"""Effects of the claims suite against their thresholds."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from ganbench.report.figures.figure import Figure, Figures, Missing, Panel
from ganbench.report.figures.style import COLOURS, INK, LINE, QUIET, ellipsize, legend_below, legend_handle

MARKS = {
    "reproduced": (COLOURS[2], "o"),
    "not reproduced": (COLOURS[1], "X"),
    "inconclusive": (QUIET, "s"),
}
MOST_LETTERS = 72  # of a claim and its rule, in axes WIDTH inches wide
MOST_ROWS = 20  # in one panel
WIDTH = 5.4
BESIDE = 0.05  # of the axes' width, for the mark


def draw_verdicts(verdicts: pd.DataFrame, room: int, ax: Axes) -> Axes:
    """Two lines for every rule: verdict as colour and shape, claim and rule; effect with interval, threshold, seeds.

    Args:
        verdicts: the verdicts table.
        room: for how many rules, so that lines of panels side by side have one height.
    """
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(max(len(verdicts), room) - 0.45, -0.55))
    text: dict[str, Any] = {"va": "center", "fontsize": 7.5, "in_layout": False}
    rows: Any = verdicts.itertuples()
    for place, row in enumerate(rows):
        colour, marker = MARKS[row.verdict]
        ax.plot(BESIDE / 3, place, color=colour, marker=marker, ms=8, ls="", mec=INK, mew=0.4, label=f"_{row.verdict}")
        name = ellipsize(f"{row.claim}: {row.rule}", MOST_LETTERS)
        numbers = f"{effect_text(row)}; wanted {ellipsize(str(row.threshold), 18)}; n = {row.n}"
        ax.text(BESIDE, place - 0.2, name, fontweight="bold", **text)
        ax.text(BESIDE, place + 0.2, numbers, **text)
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


def verdict_figures(verdicts: pd.DataFrame | None) -> Figures:
    """All verdicts in one picture."""
    if verdicts is None:
        yield Missing("Verdicts on claims are not here: this folder has no verdicts.parquet (`ganbench reproduce`).")
        return
    if verdicts.empty:
        yield Missing("Verdicts on claims are not here: the verdict table has no rows.")
        return
    parts = [verdicts[start : start + MOST_ROWS] for start in range(0, len(verdicts), MOST_ROWS)]
    room = len(parts[0])
    height = 0.8 + 0.36 * room
    panels = [Panel("", (partial(draw_verdicts, part, room),), width=WIDTH, height=height) for part in parts]
    counts = ", ".join(f"{n} {name}" for name, n in sorted(verdicts["verdict"].value_counts().items()))
    caption = (
        f"One line a rule ({len(verdicts)} of {verdicts['claim'].nunique()} claims): {counts}. Effects are means over "
        "replications with 95 % intervals in the rule's own unit, n is the number of replications, and a rule holds "
        "when the whole interval lies within what was wanted."
    )
    title, alt = "Verdicts on claims of the literature", f"A list of verdicts: {counts}."
    yield Figure("verdicts", title, caption, alt, panels, columns=2)
