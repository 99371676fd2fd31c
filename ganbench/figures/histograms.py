"""Which mode each seed lost, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ganbench.figures.canvas import axes_or_new, legend_below
from ganbench.figures.palette import INK, LINE, PAPER, QUIET, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERS = 6  # under the columns
MOST_ROWS = 120  # seeds times modes; beyond that, seeds are counted together


def held(histograms: pd.DataFrame) -> pd.DataFrame:
    """For every trial and mode (rows) and every evaluated step (columns) whether the mode was captured."""
    table = histograms.astype({"captured": float})
    return table.pivot_table(index=["seed", "mode"], columns="step", values="captured", observed=True, dropna=False)


def draw_histograms(histograms: pd.DataFrame, look: Look, ax: Axes | None = None) -> Axes:
    """One row a seed and mode, one column an evaluation; with very many rows, the share of seeds that hold each mode.

    A field has the objective's colour while the mode is held, and is dark where the seed had held it before and
    has lost it.

    Args:
        histograms: one objective's rows of the modes table: seed, step, mode, captured.
        look: of the objective.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    table = held(histograms)
    if len(table) > MOST_ROWS:
        return _draw_shares(table, look, ax)
    states = table.to_numpy(float)
    before = np.maximum.accumulate(np.nan_to_num(states), axis=1)
    states = np.where((states == 0) & (before == 1), 2.0, states)
    colours = ListedColormap([LINE, look.colour, INK])
    shown = pd.DataFrame(states, columns=table.columns)
    style: dict[str, Any] = {"cbar": False, "linewidths": 0.4, "linecolor": PAPER, "xticklabels": _every(table)}
    sns.heatmap(shown, cmap=colours, vmin=0, vmax=2, ax=ax, **style)
    _label_seeds(table, ax)
    patches = [Patch(color=look.colour, label="held"), Patch(color=INK, label="lost"), Patch(color=LINE, label="never")]
    legend_below(ax, patches)
    return ax


def _draw_shares(table: pd.DataFrame, look: Look, ax: Axes) -> Axes:
    shares = table.groupby(level="mode").mean()
    cmap = sns.light_palette(look.colour, as_cmap=True)
    bar = {"label": "share of seeds that hold it"}
    sns.heatmap(shares, cmap=cmap, vmin=0, vmax=1, cbar_kws=bar, xticklabels=_every(table), ax=ax)
    ax.set(xlabel="generator step", ylabel="mode")
    return ax


def _every(table: pd.DataFrame) -> int:
    """How many evaluations there are to a written step, so that the numbers do not touch."""
    return max(1, -(-table.shape[1] // MOST_NUMBERS))


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
