"""Which mode each seed lost, and when."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ganbench.report.figures.figure import Figure, Figures, Missing, Panel, seeds_in_words
from ganbench.report.figures.style import INK, LINE, PAPER, QUIET, Style, ellipsize, legend_below

if TYPE_CHECKING:
    from ganbench.report.sections import SectionResult

MOST_NUMBERS = 6  # under the columns
MOST_ROWS = 120  # seeds times modes; beyond that, seeds are counted together


def mode_matrix(modes: pd.DataFrame) -> pd.DataFrame:
    """For every seed and mode (rows) and every evaluated step (columns) whether the mode was captured."""
    table = modes.astype({"captured": float})
    return table.pivot_table(index=["seed", "mode"], columns="step", values="captured", observed=True, dropna=False)


def draw_modes(modes: pd.DataFrame, style: Style, ax: Axes) -> Axes:
    """One row a seed and mode, one column an evaluation; with very many rows, the share of seeds that hold each mode.

    A field has the objective's colour while the mode is held, and is dark where the seed had held it before and
    has lost it.

    Args:
        modes: one objective's rows of the modes table.
    """
    table = mode_matrix(modes)
    every = max(1, -(-table.shape[1] // MOST_NUMBERS))  # evaluations to a written step, so that numbers do not touch
    if len(table) > MOST_ROWS:
        shares = table.groupby(level="mode").mean()
        cmap, bar = sns.light_palette(style.colour, as_cmap=True), {"label": "share of seeds that hold it"}
        sns.heatmap(shares, cmap=cmap, vmin=0, vmax=1, cbar_kws=bar, xticklabels=every, ax=ax)
        ax.set(xlabel="generator step", ylabel="mode")
        return ax
    states = table.to_numpy(float)
    before = np.maximum.accumulate(np.nan_to_num(states), axis=1)
    states = np.where((states == 0) & (before == 1), 2.0, states)
    colours = ListedColormap([LINE, style.colour, INK])
    grid: dict[str, Any] = {"cbar": False, "linewidths": 0.4, "linecolor": PAPER, "xticklabels": every}
    sns.heatmap(pd.DataFrame(states, columns=table.columns), cmap=colours, vmin=0, vmax=2, ax=ax, **grid)
    _label_seeds(table, ax)
    labels = {"held": style.colour, "lost": INK, "never": LINE}
    legend_below(ax, [Patch(color=colour, label=label) for label, colour in labels.items()])
    return ax


def _label_seeds(table: pd.DataFrame, ax: Axes) -> None:
    """The seed beside its block of rows, with a line between blocks."""
    seeds = table.index.get_level_values("seed").to_numpy()
    starts = np.flatnonzero(np.append(True, seeds[1:] != seeds[:-1])) if len(seeds) else np.empty(0, int)
    ends = np.append(starts[1:], len(seeds))
    ax.set_yticks((starts + ends) / 2, [f"seed {seed}" for seed in seeds[starts]], rotation=0)
    for start in starts[1:]:
        ax.axhline(start, color=QUIET, lw=1)
    ax.set(xlabel="generator step", ylabel="modes of each seed")
    ax.tick_params(length=0)


def mode_figures(result: SectionResult) -> Figures:
    """The modes that each seed holds over training, one panel an objective."""
    section, modes = result.section, result.section.results.modes
    if modes.empty:
        yield Missing(
            "Which mode each seed lost, and when, is not drawn: no trial has counts of single modes (these data have "
            "no known ones, or an older ganbench wrote the results)."
        )
        return
    panels = []
    for objective in section.objectives:
        own = modes[modes["objective"] == objective]
        if len(own):
            style, rows = section.styles[objective], own.groupby(["seed", "mode"]).ngroups
            draw = partial(draw_modes, own, style)
            panels.append(Panel(ellipsize(objective), (draw,), style.colour, height=min(2 + 0.06 * rows, 7.5)))
    caption = (
        f"One row a mode of every seed ({seeds_in_words(section.results.trials)}), one column an evaluation. Coloured "
        "while the mode is captured, dark where it had been captured before and is lost, light where it never was."
    )
    last = modes[modes["step"] == modes.groupby("trial", observed=True)["step"].transform("max")]
    shares = last.groupby("objective", observed=True)["captured"].mean()
    alt = "Coloured fields for the modes that each seed holds at each evaluation. Share of modes held at the end: "
    alt += ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + "."
    yield Figure(f"{section.name}-lost-modes", "Which mode each seed lost, and when", caption, alt, panels)
