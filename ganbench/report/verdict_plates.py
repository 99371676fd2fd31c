"""The figure of the claims suite."""

from __future__ import annotations

import pandas as pd

from ganbench.figures.plates import Plate
from ganbench.figures.verdicts import WIDTH, draw_verdicts
from ganbench.report.story import Story, draw, lacking, panel

MOST_ROWS = 20  # in one panel


def verdict_story(verdicts: pd.DataFrame | None) -> Story:
    """All verdicts in one picture."""
    if verdicts is None:
        return lacking("Verdicts on claims are not here: this folder has no verdicts.parquet (`ganbench reproduce`).")
    if verdicts.empty:
        return lacking("Verdicts on claims are not here: the verdict table has no rows.")
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
    return Story((Plate("verdicts", title, caption, alt, panels, columns=2),))
