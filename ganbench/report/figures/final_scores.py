"""Where training ended: scores of every seed, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns

from ganbench.analysis.export import number_text
from ganbench.analysis.ranking import Ranking
from ganbench.analysis.scores import dominant_protocol
from ganbench.analysis.statistics import correlation_interval
from ganbench.report.figures.architectures import draw_robustness
from ganbench.report.figures.estimates import WINDOW, draw_estimates, estimates_at, rank_correlations
from ganbench.report.figures.figure import FigureSet, FigureSpec, Panel, draw, no_figure, panel, seeds_in_words
from ganbench.report.figures.style import (
    INK,
    QUIET,
    Styles,
    axes_or_new,
    ellipsize,
    legend_below,
    legend_handle,
    log_axis,
    plain_axis,
)
from ganbench.report.sections import Section
from ganbench.report.text import MetricInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from ganbench.analysis.statistics import Interval


# -- axes --------------------------------------------------------------------------------------------------------------


def draw_finals(
    values: pd.DataFrame,
    intervals: Mapping[str, Interval],
    endings: Mapping[str, str],
    looks: Styles,
    label: str = "value",
    floor: float | None = None,
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Every seed as a point, the interquartile mean as a bar with its interval, how trials ended in words.

    Args:
        values: last-step values with the columns objective and value.
        intervals: by objective, from top to bottom; one that is not finite is said in words.
        endings: by objective what stands below its name, such as ``n = 5, 2 diverged``.
        looks: of the objectives.
        label: of the metric's axis.
        floor: what a perfect sampler scores.
        log: whether the axis is logarithmic.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    order = list(intervals)
    finite = values[np.isfinite(values["value"].astype(float)) & values["objective"].isin(order)]
    palette = {name: looks[name].colour for name in order}
    sns.stripplot(
        data=finite.astype({"objective": object}), x="value", y="objective", order=order, hue="objective",
        hue_order=order, palette=palette, jitter=False, alpha=0.55, size=4.5, legend=False, ax=ax,
    )  # fmt: skip
    if floor is not None:
        ax.axvline(floor, color=QUIET, lw=1.2, ls=(0, (4, 3)))
    ax.set(xlabel=label, ylabel="", ylim=(len(order) - 0.5, -0.5))
    ax.set_yticks(range(len(order)), [f"{ellipsize(name, 20)}\n{endings.get(name, '')}".strip() for name in order])
    ends = [x for i in intervals.values() for x in (i.low, i.high, i.estimate) if np.isfinite(x)]
    positive = bool((finite["value"] > 0).all()) and all(x > 0 for x in ends)
    (log_axis if log and positive and len(finite) else plain_axis)(ax.xaxis)
    ax.update_datalim([(x, 0) for x in ends])
    ax.autoscale_view(scaley=False)
    for place, (name, interval) in enumerate(intervals.items()):
        _draw_interval(place, interval, looks[name].colour, ax)
    legend_below(ax, _keys(floor))
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
        style: dict[str, Any] = {"marker": "d", "ms": 7, "mec": INK, "mew": 0.8, "ls": ""}
        ax.plot([interval.estimate], [y], color=colour, label="_estimate", **style)
    ax.set_xlim(edges[0], edges[1])


def _keys(floor: float | None) -> list[Line2D]:
    handles = [
        legend_handle(QUIET, "one seed", ls="", marker="o", ms=4.5),
        legend_handle(QUIET, "interquartile mean, 95 %", lw=3, marker="d", ms=6, mec=INK),
    ]
    if floor is not None:
        handles.append(legend_handle(QUIET, "perfect sampler", lw=1.2, ls=(0, (4, 3))))
    return handles


# -- figures -----------------------------------------------------------------------------------------------------------


def finals_story(section: Section, rankings: Mapping[MetricInfo, Ranking]) -> FigureSet:
    """Final quality, one panel a metric."""
    if not rankings:
        return no_figure("Final quality is not drawn: no trial has a value of any metric.")
    panels = tuple(_final(section, measure, ranking) for measure, ranking in rankings.items())
    first = next(iter(rankings.values()))
    methods = sorted({s.interval.method for r in rankings.values() for s in r.standings})
    caption = (
        f"Values at the last step. Points: every seed ({seeds_in_words(section)}); diamond and bar: interquartile mean "
        f"and its 95 % interval ({'; '.join(methods)}). Seeds that diverged or failed have no point but count as the "
        "worst; where they are too many for a finite mean, there is no diamond. Dashed: a perfect sampler."
    )
    told = [f"{s.objective} {number_text(s.interval.estimate)}" for s in first.standings[:12]]
    alt = f"Last-step values of every seed, {len(panels)} metrics. "
    alt += f"Interquartile means of {first.metric}: " + ", ".join(told)
    return FigureSet((FigureSpec(f"{section.name}-finals", "Where training ended", caption, alt + ".", panels),))


def _final(section: Section, measure: MetricInfo, ranking: Ranking) -> Panel:
    values = pd.concat(
        [pd.DataFrame({"objective": s.objective, "value": s.values.to_numpy()}) for s in ranking.standings]
    )
    intervals = {s.objective: s.interval for s in ranking.standings}
    endings = {s.objective: s.counted for s in ranking.standings}
    longest = max(text.count("\n") for text in endings.values())
    floor = ranking.floor if np.isfinite(ranking.floor) else None
    drawn = draw(draw_finals, values, intervals, endings, section.styles, measure.axis, floor, measure.log)
    return panel(measure.title, drawn, height=1.4 + (0.42 + 0.13 * longest) * len(intervals))


def estimate_story(section: Section, measure: MetricInfo, kinds: Mapping[str, str]) -> FigureSet:
    """The critic's estimate against a metric, one panel an objective.

    Args:
        section: what to draw.
        measure: the metric that stands for quality.
        kinds: by objective, what its estimate is.
    """
    rows = dominant_protocol(section.results.evaluations, measure.metric)
    panels, told = [], []
    for objective in section.objectives:
        own = rows[(rows["objective"] == objective) & (rows["step"] > 0)]
        steps = section.results.steps
        steps = steps.loc[(steps["objective"] == objective).to_numpy(), ["trial", "step", "estimate"]]
        table = estimates_at(own, steps[steps["trial"].isin(own["trial"])])
        if len(table):
            found = _correlation(table, measure)
            look, label = section.styles[objective], kinds.get(objective, "critic's estimate")
            drawn = draw(draw_estimates, table, look, found, measure.axis, label)
            panels.append(panel(ellipsize(objective), drawn, entries=4, colour=look.colour))
            told.append(f"{objective}: {found}")
    if not panels:
        return no_figure("The critic's estimate is not drawn against quality: no evaluation has both.")
    caption = (
        f"What the critic says of the distance (median of that reading over the last {WINDOW} steps up to each "
        f"evaluation) over {measure.title}, one path a seed ({seeds_in_words(section)}), from small dots to large. ρ: "
        "Spearman's correlation in the course of training, Fisher-z mean over seeds with 95 % interval, signed so that "
        "+1 means that the estimate falls as quality rises. A trend that both share over time lifts ρ."
    )
    name = f"{section.name}-estimates"
    alt = "The critic's estimate over quality. " + "; ".join(told[:12]) + "."
    return FigureSet((FigureSpec(name, "Does the critic's estimate track quality?", caption, alt, tuple(panels)),))


def _correlation(table: pd.DataFrame, measure: MetricInfo) -> str:
    rhos = rank_correlations(table).dropna() * (1 if measure.lower else -1)
    if rhos.empty:
        return "ρ needs four evaluations"
    if len(rhos) == 1:
        return f"ρ = {rhos.iloc[0]:.2f}, n = 1"
    found = correlation_interval(list(rhos))
    return f"ρ = {found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}], n = {found.n}"


def robustness_story(ranked: Sequence[tuple[Section, MetricInfo, Ranking]]) -> FigureSet:
    """Objective by architecture, one panel a dataset, by the leading metric of each."""
    by_dataset: dict[str, list[tuple[Section, MetricInfo, Ranking]]] = {}
    for entry in ranked:
        by_dataset.setdefault(str(entry[0].results.trials["dataset"].iloc[0]), []).append(entry)
    several = {dataset: found for dataset, found in by_dataset.items() if len(found) > 1}
    missing = tuple(
        f"Robustness to the networks is not drawn for {dataset}: all its trials have one architecture."
        for dataset in by_dataset if dataset not in several
    )  # fmt: skip
    if not several:
        return FigureSet(missing=missing)
    panels = tuple(_grid(dataset, found) for dataset, found in several.items())
    caption = (
        "Interquartile mean of the last-step values, seeds that diverged or failed counted as worst; n and how many "
        "did so in brackets. Darker is better, each panel on its own scale; intervals stand in the figures above."
    )
    alt = "A table of colours, objective by architecture: " + "; ".join(p.title for p in panels) + "."
    return FigureSet(
        (FigureSpec("robustness", "Does it survive other networks?", caption, alt, panels, columns=2),), missing
    )


def _grid(dataset: str, found: Sequence[tuple[Section, MetricInfo, Ranking]]) -> Panel:
    measure = found[0][1]
    same = [(s, r) for s, m, r in found if m.metric == measure.metric]
    values, notes = pd.DataFrame(dtype=float), pd.DataFrame(dtype=object)
    for section, ranking in same:
        column = section.title.removeprefix(f"{dataset} · ")
        for s in ranking.standings:
            bad = s.counts["diverged"] + s.counts["failed"]
            values.loc[s.objective, column] = s.interval.estimate
            notes.loc[s.objective, column] = f"{number_text(s.interval.estimate)}\n({len(s.values)}" + (
                f", {bad} lost)" if bad else ")"
            )
    values, notes = values.sort_index(), notes.sort_index().fillna("")
    finite = values.to_numpy()[np.isfinite(values.to_numpy())]
    log = measure.log and bool((finite > 0).all())
    drawn = draw(draw_robustness, values, notes, measure.lower, log)
    height, width = 0.9 + 0.45 * len(values), 2.2 + 1.0 * len(values.columns)
    return panel(f"{dataset}: {measure.axis}", drawn, height=height, width=width)
