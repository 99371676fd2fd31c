"""What the critic says of the distance against how good the samples are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection

from ganbench.report.figures.gradients import MOST_VECTORS
from ganbench.report.figures.lines import by_trial
from ganbench.report.figures.style import Style, axes_or_new, legend_below, legend_handle, log_axis, plain_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW = 101  # steps of the median filter: Arjovsky, Chintala & Bottou (2017), figures 3 and 4


def estimates_at(evaluations: pd.DataFrame, steps: pd.DataFrame, window: int = WINDOW) -> pd.DataFrame:
    """Evaluations with ``estimate``: the median of that reading over the last ``window`` steps up to each.

    Args:
        evaluations: of one metric, with the columns trial, step and value; step 0 has no reading and is left out.
        steps: readings of the same trials.
        window: steps.
    """
    ordered = steps.sort_values(["trial", "step"], ignore_index=True)
    smooth = ordered.groupby("trial", observed=True)["estimate"].rolling(window, min_periods=1).median()
    readings = ordered[["trial", "step"]].assign(estimate=smooth.droplevel(0))
    readings = readings[readings["step"].isin(evaluations["step"].unique())]
    table = evaluations.merge(readings.astype({"trial": evaluations["trial"].dtype}), on=["trial", "step"])
    return table.dropna(subset=["estimate", "value"]).reset_index(drop=True)


def rank_correlations(table: pd.DataFrame) -> pd.Series[float]:
    """Spearman's correlation of estimate and value in the course of training, one a trial; NaN below 4 moments."""
    from scipy.stats import spearmanr

    found = {}
    for trial, rows in table.groupby("trial", sort=True, observed=True):
        varied = len(rows) >= 4 and rows["estimate"].nunique() > 1 and rows["value"].nunique() > 1
        found[str(trial)] = float(spearmanr(rows["estimate"], rows["value"]).statistic) if varied else float("nan")
    return pd.Series(found, dtype=float)


def draw_estimates(
    table: pd.DataFrame,
    look: Style,
    correlation: str = "",
    value: str = "value",
    estimate: str = "critic's estimate",
    ax: Axes | None = None,
) -> Axes:
    """The estimate over the quality, one path a seed from its first evaluation (small) to its last (large).

    An estimate that tracks quality gives a rising path.

    Args:
        table: one objective's, from ``estimates_at``.
        look: of the objective.
        correlation: what to write into the corner.
        value, estimate: labels of the axes.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    lines = list(by_trial(table.sort_values("step"), "value", "estimate").values())
    many = len(lines) > MOST_VECTORS
    ax.add_collection(LineCollection(lines, colors=look.colour, linewidths=0.6, alpha=0.4, rasterized=many))
    sizes = {"size": "step", "sizes": (6, 46)} if table["step"].nunique() > 1 else {"s": 30}
    sns.scatterplot(
        data=table, x="value", y="estimate", color=look.colour, alpha=0.75, linewidth=0, legend=False, ax=ax,
        rasterized=many, **sizes,
    )  # fmt: skip
    ax.set(xlabel=value, ylabel=estimate)
    wide = len(table) > 0 and (table["value"] > 0).all() and table["value"].max() > 5 * table["value"].min()
    (log_axis if wide else plain_axis)(ax.xaxis)
    plain_axis(ax.yaxis)
    dot = {"ls": "", "marker": "o"}
    handles = [
        legend_handle(look.colour, "first evaluation", ms=2.5, **dot),
        legend_handle(look.colour, "last", ms=6.5, **dot),
    ]
    if correlation:
        handles.append(legend_handle(text=correlation, ls="", lw=0))
    legend_below(ax, handles)
    return ax
