"""Objective by architecture: does a result hold with other networks?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from seaborn.utils import relative_luminance

from ganbench.analysis.export import number_text
from ganbench.report.figures.figure import Figure, Figures, Missing, Panel
from ganbench.report.figures.style import PAPER, QUIET, ellipsize

if TYPE_CHECKING:
    from ganbench.report.sections import MetricInfo, SectionResult


def draw_robustness(values: pd.DataFrame, notes: pd.DataFrame, lower_is_better: bool, log: bool, ax: Axes) -> Axes:
    """A table of colours: the darker a field, the better; what is not finite stays empty.

    Args:
        values: one row an objective, one column an architecture.
        notes: the same shape: what stands in each field.
        lower_is_better: direction of the metric.
        log: whether shades follow the logarithm; all values must then be positive.
    """
    numbers = values.to_numpy(float)
    finite = np.isfinite(numbers)
    scaled = np.log(np.where(finite, numbers, 1)) if log else numbers
    index = [ellipsize(str(name), 22) for name in values.index]
    columns = [ellipsize(str(name), 16) for name in values.columns]
    shades = pd.DataFrame(np.where(finite, scaled, np.nan), index=index, columns=columns)
    cmap = sns.color_palette("crest_r" if lower_is_better else "crest", as_cmap=True)
    sns.heatmap(shades, cmap=cmap, annot=False, cbar=False, linewidths=2, linecolor=PAPER, ax=ax)
    mesh = ax.collections[0]
    mesh.update_scalarmappable()
    faces = np.asarray(mesh.get_facecolor()).reshape(*shades.shape, 4)
    for (row, column), note in np.ndenumerate(notes.to_numpy(object)):
        light = relative_luminance(faces[row, column]) > 0.4
        colour = QUIET if not finite[row, column] else "#262626" if light else "#fefefe"
        ax.text(column + 0.5, row + 0.5, note, ha="center", va="center", fontsize=8, color=colour)
    ax.grid(visible=False)
    ax.set(xlabel="", ylabel="")
    ax.set_xticklabels(columns, rotation=0)
    ax.set_yticklabels(index, rotation=0)
    ax.tick_params(length=0)
    return ax


def robustness_figures(results: Sequence[SectionResult]) -> Figures:
    """Objective by architecture, one panel a dataset, by the leading metric of each."""
    by_dataset: dict[str, list[SectionResult]] = {}
    for result in results:
        if result.rankings:
            by_dataset.setdefault(str(result.section.results.trials["dataset"].iloc[0]), []).append(result)
    panels = []
    for dataset, own in by_dataset.items():
        if len(own) > 1:
            metric = next(iter(own[0].rankings))
            panels.append(_panel(dataset, metric, [result for result in own if result.leading == metric]))
        else:
            yield Missing(
                f"Robustness to the networks is not drawn for {dataset}: all its trials have one architecture."
            )
    if not panels:
        return
    caption = (
        "Interquartile mean of the last-step values, seeds that diverged or failed counted as worst; n and how many "
        "did so in brackets. Darker is better, each panel on its own scale; intervals stand in the figures above."
    )
    alt = "A table of colours, objective by architecture: " + "; ".join(panel.title for panel in panels) + "."
    yield Figure("robustness", "Does the result hold with other networks?", caption, alt, panels, columns=2)


def _panel(dataset: str, metric: MetricInfo, results: Sequence[SectionResult]) -> Panel:
    values, notes = pd.DataFrame(dtype=float), pd.DataFrame(dtype=object)
    for result in results:
        column = result.section.title.removeprefix(f"{dataset} · ")
        for s in result.rankings[metric].standings:
            bad = s.counts["diverged"] + s.counts["failed"]
            lost = f", {bad} lost" if bad else ""
            values.loc[s.objective, column] = s.interval.estimate
            notes.loc[s.objective, column] = f"{number_text(s.interval.estimate)}\n({len(s.values)}{lost})"
    values, notes = values.sort_index(), notes.sort_index().fillna("")
    finite = values.to_numpy()[np.isfinite(values.to_numpy())]
    log = metric.log and bool((finite > 0).all())
    draw = partial(draw_robustness, values, notes, metric.lower, log)
    width, height = 2.2 + 1.0 * len(values.columns), 0.9 + 0.45 * len(values)
    return Panel(f"{dataset}: {metric.axis}", (draw,), width=width, height=height)
