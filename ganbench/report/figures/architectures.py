"""Objective by architecture: does a result survive other networks?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from seaborn.utils import relative_luminance

from ganbench.report.figures.style import PAPER, QUIET, axes_or_new, ellipsize

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_robustness(
    values: pd.DataFrame, notes: pd.DataFrame, lower_is_better: bool, log: bool, ax: Axes | None = None
) -> Axes:
    """A table of colours: the darker a field, the better; what is not finite stays empty.

    Args:
        values: one row an objective, one column an architecture.
        notes: the same shape: what stands in each field.
        lower_is_better: direction of the metric.
        log: whether shades follow the logarithm; all values must then be positive.
        ax: where to draw.
    """
    ax = axes_or_new(ax)
    numbers = values.to_numpy(float)
    finite = np.isfinite(numbers)
    scaled = np.log(np.where(finite, numbers, 1)) if log else numbers
    index, columns = (
        [ellipsize(str(name), n) for name in names] for names, n in ((values.index, 22), (values.columns, 16))
    )
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
