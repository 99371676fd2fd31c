"""Figures of training: gradient norms, metrics in its course, modes lost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ganbench.figures.courses import draw_course, with_clocks
from ganbench.figures.gradients import draw_gradient_norms, norm_limits
from ganbench.figures.histograms import draw_histograms
from ganbench.figures.palette import short
from ganbench.figures.plates import Panel, Plate
from ganbench.floors import find_floor
from ganbench.formats import number_text
from ganbench.report.material import Section
from ganbench.report.measures import Measure
from ganbench.report.story import Story, draw, groups, lacking, panel, seeds_in_words
from ganbench.summary import one_protocol

OVER = {"step": "over steps", "samples_seen": "over samples", "seconds": "over seconds"}
PLAYERS = {"generator": "generator_grad_norm", "critic": "critic_grad_norm"}


def gradient_story(section: Section) -> Story:
    """Gradient norms of both players, one panel an objective."""
    if section.results.steps.empty:
        return lacking("Gradient norms are not drawn: no trial has readings of any step.")
    return Story(tuple(_gradients(section, player, column) for player, column in PLAYERS.items()))


def _gradients(section: Section, player: str, column: str) -> Plate:
    steps, trials = section.results.steps, section.results.trials
    limits = norm_limits(steps[column])
    panels = []
    for objective in section.objectives:
        look = section.looks[objective]
        own = steps.loc[(steps["objective"] == objective).to_numpy(), ["trial", "step", column]]
        drawn = draw(draw_gradient_norms, own, trials[trials["objective"] == objective], column, look, limits)
        panels.append(panel(short(objective), drawn, entries=4, colour=look.colour))
    zeros, lost = int((steps[column] == 0).sum()), int((trials["status"] == "diverged").sum())
    caption = (
        f"L2 norm of the loss's gradient by all weights of the {player}, before the optimizer moves, on a logarithmic "
        f"axis. Thin: every seed ({seeds_in_words(section)}); bold: the median over the seeds that are finite at that "
        f"step; no interval, since every seed is shown. {_zeros(zeros, len(steps))} {_lost(lost, len(trials))} "
        "Losses have different units, so compare the courses within an objective rather than heights between them."
    )
    alt = f"Lines of the {player}'s gradient norm over training, one panel for each of {_listed(section.objectives)}. "
    alt += _ranges(steps, column, section.objectives)
    return Plate(f"{section.name}-{player}-gradients", f"Gradient norm of the {player}", caption, alt, tuple(panels))


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


def course_story(section: Section, measure: Measure) -> Story:
    """A metric over steps, over samples seen and over seconds."""
    rows = one_protocol(section.results.evaluations, measure.metric)
    if rows["step"].nunique() < 2:
        return lacking(f"{measure.title} over time is not drawn: it was measured at fewer than two moments.")
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
    return Story((Plate(f"{section.name}-{measure.metric}-course", title, caption, alt, tuple(panels)),))


def _course(
    section: Section, measure: Measure, table: pd.DataFrame, floors: pd.DataFrame, clock: str, part: Sequence[str]
) -> Panel:
    own = table[table["objective"].isin(list(part))].dropna(subset=[clock])
    log = measure.log and bool((own["value"] > 0).all())
    drawn = draw(draw_course, own, floors, section.looks, clock, measure.axis, log)
    return panel(OVER[clock], drawn, entries=len(part) + 1)


def _floor(floors: pd.DataFrame) -> str:
    if floors.empty:
        return "What a perfect sampler would score has not been measured."
    row = floors.iloc[0]
    return (
        f"Dashed: what a perfect sampler scores at this number of samples, {row['value']:.3g} ± "
        f"{row['standard_error']:.2g} (standard error of one evaluation, {row['repetitions']} repetitions)."
    )


def modes_story(section: Section) -> Story:
    """Which mode each seed lost, and when."""
    modes = section.results.modes
    if modes.empty:
        return lacking(
            "Which mode each seed lost, and when, is not drawn: no trial has counts of single modes (these data have "
            "no known ones, or an older ganbench wrote the results)."
        )
    panels = []
    for objective in section.objectives:
        own = modes[modes["objective"] == objective]
        if len(own):
            look, rows = section.looks[objective], own.groupby(["seed", "mode"]).ngroups
            drawn = draw(draw_histograms, own, look)
            panels.append(panel(short(objective), drawn, colour=look.colour, height=min(2 + 0.06 * rows, 7.5)))
    caption = (
        f"One row a mode of every seed ({seeds_in_words(section)}), one column an evaluation. Coloured while the mode "
        "is captured, dark where it had been captured before and is lost, light where it never was."
    )
    alt = "Coloured fields for the modes that each seed holds at each evaluation. " + _losses(modes)
    name = f"{section.name}-lost-modes"
    return Story((Plate(name, "Which mode each seed lost, and when", caption, alt, tuple(panels)),))


def _losses(modes: pd.DataFrame) -> str:
    last = modes[modes["step"] == modes.groupby("trial", observed=True)["step"].transform("max")]
    held = last.groupby("objective", observed=True)["captured"].mean()
    return "Share of modes held at the end: " + ", ".join(f"{name} {share:.0%}" for name, share in held.items()) + "."
