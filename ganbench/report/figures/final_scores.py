"""Where training ended: scores of every seed, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ganbench.analysis.ranking import Ranking
from ganbench.analysis.statistics import Interval
from ganbench.report.figures.figure import Figure, Figures, Missing, Panel, named_numbers, seeds_in_words
from ganbench.report.figures.style import (
    DASHED,
    INK,
    QUIET,
    Styles,
    ellipsize,
    legend_below,
    legend_handle,
    log_axis,
    plain_axis,
)

if TYPE_CHECKING:
    from ganbench.report.sections import MetricInfo, SectionResult


def draw_final_scores(
    values: pd.DataFrame,
    intervals: Mapping[str, Interval],
    endings: Mapping[str, str],
    styles: Styles,
    label: str,
    floor: float,
    log: bool,
    ax: Axes,
) -> Axes:
    """Every seed as a point, the interquartile mean as a bar with its interval, how trials ended in words.

    Args:
        values: last-step values with the columns objective and value.
        intervals: by objective, from top to bottom; one that is not finite is said in words.
        endings: by objective what stands below its name, such as ``n = 5, 2 diverged``.
        label: of the metric's axis.
        floor: what a perfect sampler scores; NaN where that is unknown.
        log: whether the axis is logarithmic, if all values are positive.
    """
    order = list(intervals)
    finite = values[np.isfinite(values["value"].astype(float)) & values["objective"].isin(order)]
    palette = {name: styles[name].colour for name in order}
    sns.stripplot(
        data=finite.astype({"objective": object}), x="value", y="objective", order=order, hue="objective",
        hue_order=order, palette=palette, jitter=False, alpha=0.55, size=4.5, legend=False, ax=ax,
    )  # fmt: skip
    handles = [
        legend_handle(QUIET, "one seed", ls="", marker="o", ms=4.5),
        legend_handle(QUIET, "interquartile mean, 95 %", lw=3, marker="d", ms=6, mec=INK),
    ]
    if np.isfinite(floor):
        ax.axvline(floor, color=QUIET, lw=1.2, ls=DASHED)
        handles.append(legend_handle(QUIET, "perfect sampler", lw=1.2, ls=DASHED))
    ax.set(xlabel=label, ylabel="", ylim=(len(order) - 0.5, -0.5))
    ax.set_yticks(range(len(order)), [f"{ellipsize(name, 20)}\n{endings.get(name, '')}".strip() for name in order])
    ends = [x for i in intervals.values() for x in (i.low, i.high, i.estimate) if np.isfinite(x)]
    positive = bool((finite["value"] > 0).all()) and all(x > 0 for x in ends)
    (log_axis if log and positive and len(finite) else plain_axis)(ax.xaxis)
    ax.update_datalim([(x, 0) for x in ends])
    ax.autoscale_view(scaley=False)
    for place, (name, interval) in enumerate(intervals.items()):
        _draw_interval(place, interval, styles[name].colour, ax)
    legend_below(ax, handles)
    return ax


def _draw_interval(place: int, interval: Interval, colour: str, ax: Axes) -> None:
    """The bar from low to high below the points, and a diamond at the estimate; infinite ends leave the picture."""
    y, ends = place + 0.24, np.array([interval.low, interval.high])
    edges = np.array(ax.get_xlim())
    if not np.isnan(ends).any() and np.isfinite(ends).any():
        ax.plot(np.clip(ends, *edges), [y, y], color=colour, lw=3, solid_capstyle="butt", label="_interval")
        for end, edge, marker in zip(ends, edges, "<>", strict=True):
            if np.isinf(end):
                ax.plot(edge, y, marker=marker, ms=7, color=colour, clip_on=False, ls="", label="_endless")
    if np.isfinite(interval.estimate):
        ax.plot([interval.estimate], [y], color=colour, marker="d", ms=7, mec=INK, mew=0.8, ls="", label="_estimate")
    ax.set_xlim(edges[0], edges[1])


def final_score_figures(result: SectionResult) -> Figures:
    """Final quality, one panel a metric."""
    if not result.rankings:
        yield Missing("Final quality is not drawn: no trial has a value of any metric.")
        return
    section, rankings = result.section, list(result.rankings.values())
    panels = [_panel(metric, ranking, section.styles) for metric, ranking in result.rankings.items()]
    methods = sorted({s.interval.method for ranking in rankings for s in ranking.standings})
    caption = (
        f"Values at the last step. Points: every seed ({seeds_in_words(section.results.trials)}); diamond and bar: "
        f"interquartile mean and its 95 % interval ({'; '.join(methods)}). Seeds that diverged or failed have no point "
        "but count as the worst; where they are too many for a finite mean, there is no diamond. Dashed: a perfect "
        "sampler."
    )
    first = rankings[0]
    means = named_numbers((s.objective, s.interval.estimate) for s in first.standings)
    alt = f"Last-step values of every seed, {len(panels)} metrics. Interquartile means of {first.metric}: {means}."
    yield Figure(f"{section.name}-finals", "Where training ended", caption, alt, panels)


def _panel(metric: MetricInfo, ranking: Ranking, styles: Styles) -> Panel:
    values = pd.concat(
        [pd.DataFrame({"objective": s.objective, "value": s.values.to_numpy()}) for s in ranking.standings]
    )
    intervals = {s.objective: s.interval for s in ranking.standings}
    endings = {s.objective: s.counted for s in ranking.standings}
    longest = max(text.count("\n") for text in endings.values())
    draw = partial(draw_final_scores, values, intervals, endings, styles, metric.axis, ranking.floor, metric.log)
    return Panel(metric.title, (draw,), height=1.4 + (0.42 + 0.13 * longest) * len(intervals))
