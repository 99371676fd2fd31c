"""The critic's estimate of the distance against the quality of the samples."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ganbench.analysis.scores import dominant_protocol
from ganbench.analysis.statistics import correlation_interval
from ganbench.report.figures.figure import MOST_IN_WORDS, Figure, Figures, Missing, Panel, seeds_in_words
from ganbench.report.figures.lines import MOST_VECTORS, by_trial, draw_seeds
from ganbench.report.figures.style import Style, ellipsize, legend_below, legend_handle, log_axis, plain_axis

if TYPE_CHECKING:
    from ganbench.report.sections import MetricInfo, SectionResult

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

    rhos = {}
    for trial, rows in table.groupby("trial", sort=True, observed=True):
        varied = len(rows) >= 4 and rows["estimate"].nunique() > 1 and rows["value"].nunique() > 1
        rhos[str(trial)] = float(spearmanr(rows["estimate"], rows["value"]).statistic) if varied else float("nan")
    return pd.Series(rhos, dtype=float)


def draw_estimates(
    table: pd.DataFrame, style: Style, correlation: str, value_label: str, estimate_label: str, ax: Axes
) -> Axes:
    """The estimate over the quality, one path a seed from its first evaluation (small) to its last (large).

    An estimate that tracks quality gives a rising path.

    Args:
        table: one objective's, from ``estimates_at``.
        correlation: what to write into the legend.
        value_label, estimate_label: of the axes.
    """
    lines = list(by_trial(table.sort_values("step"), "value", "estimate").values())
    draw_seeds(lines, style.colour, 0.6, 0.4, ax)
    sizes = {"size": "step", "sizes": (6, 46)} if table["step"].nunique() > 1 else {"s": 30}
    sns.scatterplot(
        data=table, x="value", y="estimate", color=style.colour, alpha=0.75, linewidth=0, legend=False, ax=ax,
        rasterized=len(lines) > MOST_VECTORS, **sizes,
    )  # fmt: skip
    ax.set(xlabel=value_label, ylabel=estimate_label)
    wide = len(table) > 0 and (table["value"] > 0).all() and table["value"].max() > 5 * table["value"].min()
    (log_axis if wide else plain_axis)(ax.xaxis)
    plain_axis(ax.yaxis)
    sizes_of_dots = {"first evaluation": 2.5, "last": 6.5}
    handles = [legend_handle(style.colour, text, ls="", marker="o", ms=ms) for text, ms in sizes_of_dots.items()]
    legend_below(ax, [*handles, legend_handle(text=correlation, ls="", lw=0)])
    return ax


def estimate_figures(result: SectionResult) -> Figures:
    """The critic's estimate against the leading metric, one panel an objective."""
    section, metric = result.section, result.leading
    if metric is None:
        return
    rows, steps = dominant_protocol(section.results.evaluations, metric.name), section.results.steps
    panels, correlations = [], {}
    for objective in section.objectives:
        own = rows[(rows["objective"] == objective) & (rows["step"] > 0)]
        readings = steps.loc[(steps["objective"] == objective).to_numpy(), ["trial", "step", "estimate"]]
        table = estimates_at(own, readings[readings["trial"].isin(own["trial"])])
        if len(table):
            correlations[objective] = _correlation(table, metric)
            label = result.estimate_labels.get(objective, "critic's estimate")
            style = section.styles[objective]
            draw = partial(draw_estimates, table, style, correlations[objective], metric.axis, label)
            panels.append(Panel(ellipsize(objective), (draw,), style.colour, entries=4))
    if not panels:
        yield Missing("The critic's estimate is not drawn against quality: no evaluation has both.")
        return
    caption = (
        f"The critic's estimate of the distance (median of that reading over the last {WINDOW} steps up to each "
        f"evaluation) over {metric.title}, one path a seed ({seeds_in_words(section.results.trials)}), from small dots "
        "to large. ρ: Spearman's correlation in the course of training, Fisher-z mean over seeds with 95 % interval, "
        "signed so that +1 means that the estimate falls as quality rises. A trend over time that both share raises ρ."
    )
    listed = "; ".join(f"{objective}: {text}" for objective, text in list(correlations.items())[:MOST_IN_WORDS])
    alt = f"The critic's estimate over quality. {listed}."
    yield Figure(f"{section.name}-estimates", "Does the critic's estimate track quality?", caption, alt, panels)


def _correlation(table: pd.DataFrame, metric: MetricInfo) -> str:
    rhos = rank_correlations(table).dropna() * (1 if metric.lower else -1)
    if rhos.empty:
        return "ρ needs four evaluations"
    if len(rhos) == 1:
        return f"ρ = {rhos.iloc[0]:.2f}, n = 1"
    interval = correlation_interval(list(rhos))
    return f"ρ = {interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}], n = {interval.n}"
