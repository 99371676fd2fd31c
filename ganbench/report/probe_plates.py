"""Figures of the probe: the vanishing gradient, the critic's accuracy, the noise of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from ganbench.figures.plates import Draw, Panel, Plate
from ganbench.figures.probes import draw_gradient_noise, draw_probe_accuracy, draw_probe_norms
from ganbench.formats import number_text
from ganbench.report.material import Section
from ganbench.report.story import Story, draw, groups, lacking, panel

CLASSIC = {"gan": "minimax", "nsgan": "−log D", "noisegan": "instance noise", "wgan": "WGAN"}


def probe_story(section: Section) -> Story:
    """The frozen-generator experiment, one panel an age."""
    probes = section.results.probes
    if probes.empty:
        return lacking("The vanishing-gradient probe is not drawn: no trial was probed (see `ganbench run --probe`).")
    return Story((_vanishing(section, probes), _noise(section, probes)), tuple(_absent(probes)))


def _vanishing(section: Section, probes: pd.DataFrame) -> Plate:
    zeros = int((probes["generator_grad_norm"] == 0).sum())
    caption = (
        "Generators at rest, of the ages above the panels, each with a fresh critic that learns; nothing else moves. "
        "Above: L2 norm of the generator's gradient on one fixed batch, both axes logarithmic (0: the critic before "
        f"its first step). Beneath: the critic's accuracy on samples it is not trained on; dashed: guessing. "
        f"{_seeds(probes)} {zeros:,} of {len(probes):,} norms are exactly zero. Arjovsky & Bottou (2017), figure 2."
    )
    panels = _panels(section, probes, _norms_and_accuracy, 4.3, (2.0, 1.3))
    alt = "Gradient norm of frozen generators while a fresh critic learns, critic accuracy beneath. " + _change(probes)
    return Plate(f"{section.name}-probe", "Does the gradient vanish as the critic learns?", caption, alt, panels)


def _noise(section: Section, probes: pd.DataFrame) -> Plate:
    missing = "" if _has(probes, "nsgan") else " −log D (nsgan), which that paper is about, is not among them."
    caption = (
        "Trace of the covariance of the generator's minibatch gradients over the squared norm of their mean, in the "
        "same experiment; dashed: as much noise as signal. Rising noise with a rising norm is what is predicted of "
        f"−log D: Arjovsky & Bottou (2017), theorem 2.6 and figure 3.{missing} {_seeds(probes)}"
    )
    panels = _panels(section, probes, lambda rows, looks: (draw(draw_gradient_noise, rows, looks),), 3.1, (1.0,))
    alt = "Noise of the generator's gradient while a fresh critic learns. "
    last = probes[probes["critic_step"] == probes["critic_step"].max()]
    medians = last.groupby("objective", observed=True)["generator_grad_noise"].median()
    alt += (
        "Median at the last critic step: "
        + ", ".join(f"{n} {number_text(v)}" for n, v in list(medians.items())[:12])
        + "."
    )
    return Plate(f"{section.name}-gradient-noise", "How noisy is the generator's gradient?", caption, alt, panels)


Drawn = Callable[[pd.DataFrame, object], Sequence[Draw]]


def _panels(
    section: Section, probes: pd.DataFrame, drawn: Drawn, height: float, heights: tuple[float, ...]
) -> tuple[Panel, ...]:
    found = []
    for part in groups(sorted(probes["objective"].unique())):
        for age, rows in probes[probes["objective"].isin(part)].groupby("generator_step", sort=True):
            title = f"generator after {age:,} steps"
            draws = drawn(rows, section.looks)
            found.append(panel(title, *draws, entries=len(part), height=height, heights=heights))
    return tuple(found)


def _norms_and_accuracy(rows: pd.DataFrame, looks: object) -> Sequence[Draw]:
    return draw(draw_probe_norms, rows, looks, legend=False), draw(draw_probe_accuracy, rows, looks)


def _seeds(probes: pd.DataFrame) -> str:
    counts = probes.groupby("objective", observed=True)["trial"].nunique()
    n = f"{counts.min()}" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"
    return f"Thin: every seed (n = {n} an objective); bold: the median; no interval, since every seed is shown."


def _change(probes: pd.DataFrame) -> str:
    """By what factor the median norm has changed from its peak to the last critic step, worst age first."""
    medians = probes.groupby(["objective", "generator_step", "critic_step"], observed=True)[
        "generator_grad_norm"
    ].median()
    told = []
    for objective, series in medians.groupby(level=0, observed=True):
        drops = [g.iloc[-1] / g.max() for _, g in series.groupby(level=1) if g.max() > 0]
        told += [f"{objective} {min(drops):.2g}"] if drops else []
    return "Last norm over the highest one, at the age where least is left: " + ", ".join(told[:12]) + "."


def _has(probes: pd.DataFrame, name: str) -> bool:
    return any(str(o).partition("[")[0] == name for o in probes["objective"].unique())


def _absent(probes: pd.DataFrame) -> list[str]:
    names = [f"{text} ({name})" for name, text in CLASSIC.items() if not _has(probes, name)]
    if not names:
        return []
    return [f"The probe shows what was run: {', '.join(names)} would complete the comparison of the literature."]
