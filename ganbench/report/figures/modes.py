"""Modes over training, and the figures of a section's training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from ganbench.analysis.export import number_text
from ganbench.analysis.scores import dominant_protocol
from ganbench.report.figures.figure import FigureSet, FigureSpec, Panel, draw, groups, no_figure, panel, seeds_in_words
from ganbench.report.figures.gradients import draw_gradient_norms, norm_limits
from ganbench.report.figures.style import INK, LINE, PAPER, QUIET, Style, axes_or_new, ellipsize, legend_below
from ganbench.report.figures.training_curves import draw_course, with_clocks
from ganbench.report.sections import Section
from ganbench.report.text import MetricInfo
from ganbench.runner.floors import find_floor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# -- axes --------------------------------------------------------------------------------------------------------------

MOST_NUMBERS = 6  # under the columns
MOST_ROWS = 120  # seeds times modes; beyond that, seeds are counted together


def held(histograms: pd.DataFrame) -> pd.DataFrame:
    """For every trial and mode (rows) and every evaluated step (columns) whether the mode was captured."""
    table = histograms.astype({"captured": float})
    return table.pivot_table(index=["seed", "mode"], columns="step", values="captured", observed=True, dropna=False)


def draw_histograms(histograms: pd.DataFrame, look: Style, ax: Axes | None = None) -> Axes:
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


def _draw_shares(table: pd.DataFrame, look: Style, ax: Axes) -> Axes:
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


# -- figures of training -----------------------------------------------------------------------------------------------

OVER = {"step": "over steps", "samples_seen": "over samples", "seconds": "over seconds"}
PLAYERS = {"generator": "generator_grad_norm", "critic": "critic_grad_norm"}


def gradient_story(section: Section) -> FigureSet:
    """Gradient norms of both players, one panel an objective."""
    if section.results.steps.empty:
        return no_figure("Gradient norms are not drawn: no trial has readings of any step.")
    return FigureSet(tuple(_gradients(section, player, column) for player, column in PLAYERS.items()))


def _gradients(section: Section, player: str, column: str) -> FigureSpec:
    steps, trials = section.results.steps, section.results.trials
    limits = norm_limits(steps[column])
    panels = []
    for objective in section.objectives:
        look = section.styles[objective]
        own = steps.loc[(steps["objective"] == objective).to_numpy(), ["trial", "step", column]]
        drawn = draw(draw_gradient_norms, own, trials[trials["objective"] == objective], column, look, limits)
        panels.append(panel(ellipsize(objective), drawn, entries=4, colour=look.colour))
    zeros, lost = int((steps[column] == 0).sum()), int((trials["status"] == "diverged").sum())
    caption = (
        f"L2 norm of the loss's gradient by all weights of the {player}, before the optimizer moves, on a logarithmic "
        f"axis. Thin: every seed ({seeds_in_words(section)}); bold: the median over the seeds that are finite at that "
        f"step; no interval, since every seed is shown. {_zeros(zeros, len(steps))} {_lost(lost, len(trials))} "
        "Losses have different units, so compare the courses within an objective rather than heights between them."
    )
    alt = f"Lines of the {player}'s gradient norm over training, one panel for each of {_listed(section.objectives)}. "
    alt += _ranges(steps, column, section.objectives)
    return FigureSpec(
        f"{section.name}-{player}-gradients", f"Gradient norm of the {player}", caption, alt, tuple(panels)
    )


def _zeros(zeros: int, readings: int) -> str:
    if not zeros:
        return "No norm is exactly zero."
    return f"{zeros:,} of {readings:,} norms are exactly zero: triangles at the lower edge."


def _lost(diverged: int, trials: int) -> str:
    return f"{diverged} of {trials} trials diverged: crosses at their last step." if diverged else "No trial diverged."


def _ranges(steps: pd.DataFrame, column: str, objectives: Sequence[str]) -> str:
    last = steps[steps["step"] > 0.9 * steps["step"].max()]
    medians = last.groupby("objective", observed=True)[column].median()
    told = [f"{name} {number_text(medians[name])}" for name in objectives if name in medians.index][:12]
    return f"Median over the last tenth of the steps: {', '.join(told)}." if told else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{len(names)} objectives"


def course_story(section: Section, measure: MetricInfo) -> FigureSet:
    """A metric over steps, over samples seen and over seconds."""
    rows = dominant_protocol(section.results.evaluations, measure.metric)
    if rows["step"].nunique() < 2:
        return no_figure(f"{measure.title} over time is not drawn: it was measured at fewer than two moments.")
    table = with_clocks(rows, section.results.steps)
    protocol = str(rows["protocol"].iloc[0])
    floors = find_floor(section.results.floors, str(rows["dataset"].iloc[0]), protocol)
    clocks = [clock for clock in OVER if table[clock].notna().any()]
    parts = groups(section.objectives)
    panels = [_course(section, measure, table, floors, clock, part) for part in parts for clock in clocks]
    last = rows[rows["step"] == rows["step"].max()].groupby("objective", observed=True)["value"].median()
    caption = (
        f"{measure.axis}; {protocol}. Thin: every seed ({seeds_in_words(section)}); bold: the median over seeds; no "
        f"interval, since every seed is shown. {_floor(floors)} Seconds are those of training alone, shared by the "
        "seeds that were trained together."
    )
    alt = f"{measure.title} over steps, samples seen and seconds. Median at the last evaluation: "
    alt += ", ".join(f"{name} {number_text(value)}" for name, value in list(last.items())[:12]) + "."
    title = f"{measure.title} over steps, samples and seconds"
    return FigureSet((FigureSpec(f"{section.name}-{measure.metric}-course", title, caption, alt, tuple(panels)),))


def _course(
    section: Section, measure: MetricInfo, table: pd.DataFrame, floors: pd.DataFrame, clock: str, part: Sequence[str]
) -> Panel:
    own = table[table["objective"].isin(list(part))].dropna(subset=[clock])
    log = measure.log and bool((own["value"] > 0).all())
    drawn = draw(draw_course, own, floors, section.styles, clock, measure.axis, log)
    return panel(OVER[clock], drawn, entries=len(part) + 1)


def _floor(floors: pd.DataFrame) -> str:
    if floors.empty:
        return "What a perfect sampler would score has not been measured."
    row = floors.iloc[0]
    return (
        f"Dashed: what a perfect sampler scores at this number of samples, {row['value']:.3g} ± "
        f"{row['standard_error']:.2g} (standard error of one evaluation, {row['repetitions']} repetitions)."
    )


def modes_story(section: Section) -> FigureSet:
    """Which mode each seed lost, and when."""
    modes = section.results.modes
    if modes.empty:
        return no_figure(
            "Which mode each seed lost, and when, is not drawn: no trial has counts of single modes (these data have "
            "no known ones, or an older ganbench wrote the results)."
        )
    panels = []
    for objective in section.objectives:
        own = modes[modes["objective"] == objective]
        if len(own):
            look, rows = section.styles[objective], own.groupby(["seed", "mode"]).ngroups
            drawn = draw(draw_histograms, own, look)
            panels.append(panel(ellipsize(objective), drawn, colour=look.colour, height=min(2 + 0.06 * rows, 7.5)))
    caption = (
        f"One row a mode of every seed ({seeds_in_words(section)}), one column an evaluation. Coloured while the mode "
        "is captured, dark where it had been captured before and is lost, light where it never was."
    )
    alt = "Coloured fields for the modes that each seed holds at each evaluation. " + _losses(modes)
    name = f"{section.name}-lost-modes"
    return FigureSet((FigureSpec(name, "Which mode each seed lost, and when", caption, alt, tuple(panels)),))


def _losses(modes: pd.DataFrame) -> str:
    last = modes[modes["step"] == modes.groupby("trial", observed=True)["step"].transform("max")]
    held = last.groupby("objective", observed=True)["captured"].mean()
    return "Share of modes held at the end: " + ", ".join(f"{name} {share:.0%}" for name, share in held.items()) + "."
