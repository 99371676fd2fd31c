"""Claim 20: Wasserstein GANs do not lose modes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, Claim, Rule, RuleResult, by_interval, by_value
from ganbench.claims.effects import select
from ganbench.claims.experiment import Measurements
from ganbench.claims.learning_curves import GRID_REST, GRID_WGAN, RING_NSGAN, RING_WGAN, RING_WGAN_REST

MODES = {"ring": 8, "grid": 25}


class Losses(NamedTuple):
    """How many runs there are, how many lose a mode, and how many of these have collapsed."""

    runs: int
    lost: int
    collapsed: int


def endings(measurements: Measurements, quantity: str, dataset: str, objective: str) -> pd.Series[Any]:
    """A quantity at the end of every run, by seed; empty where nothing was measured."""
    return select(measurements, quantity, f"{dataset}/{objective}").set_index("seed")["value"].sort_index()


def datasets(measurements: Measurements) -> list[str]:
    """The datasets on which both objectives were run to the end."""
    return [d for d in MODES if all(len(endings(measurements, "modes", d, o)) for o in ("wgan", "nsgan"))]


def losses(measurements: Measurements) -> Losses:
    """Of the runs of wgan: those with fewer than all modes by the count of samples in them, and of those near them."""
    modes, near = (
        {d: endings(measurements, quantity, d, "wgan") for d in datasets(measurements)}
        for quantity in ("modes", "modes_near")
    )
    lost, collapsed = (sum(int((n < MODES[d]).sum()) for d, n in counts.items()) for counts in (modes, near))
    return Losses(sum(map(len, modes.values())), lost, collapsed)


def by_single_run(rule: Rule, counts: Losses, note: str) -> RuleResult:
    """A single run that collapses is enough against a sentence that begins with "in no experiment"."""
    from ganbench.analysis.statistics import Interval

    if counts.lost:
        result = by_value(rule, counts.lost, note)
        return replace(result, n=counts.runs, verdict=NOT_REPRODUCED if counts.collapsed else INCONCLUSIVE)
    return by_interval(rule, Interval(0.0, 0.0, 0.0, counts.runs, "count"), note)


def losses_note(measurements: Measurements) -> str:
    """The counts, and where no run loses a mode the largest rate of which that happens with a probability of 5 %."""
    runs, lost, collapsed = losses(measurements)
    bound = "" if lost else f"The rate is below {1 - 0.05 ** (1 / runs):.0%} with 95 % confidence. "
    return f"{bound}{lost} of {runs} runs lose a mode, {collapsed} collapse. {endings_note(measurements, 'wgan')}"


def coverage_differences(measurements: Measurements) -> list[float]:
    """Mean over the datasets of the difference in coverage, by seed."""
    differences = []
    for dataset in datasets(measurements):
        wgan, nsgan = (endings(measurements, "modes", dataset, objective) for objective in ("wgan", "nsgan"))
        differences.append(100 * (wgan - nsgan) / MODES[dataset])
    return list(pd.concat(differences, axis=1).mean(axis=1, skipna=False))


def endings_note(measurements: Measurements, objective: str) -> str:
    """Means of what else was measured at the end."""
    names = {
        "modes": "modes",
        "modes_fair": "modes with 1 % of their share",
        "modes_near": "modes that have not collapsed",
        "high_quality": "good samples",
    }
    notes = []
    for dataset in datasets(measurements):
        means = {q: endings(measurements, q, dataset, objective).mean() for q in (*names, "mode_kl")}
        counted = ", ".join(f"{name} {means[q]:.3g}" for q, name in names.items())
        notes.append(f"{objective} on {dataset}, means: {counted}, KL of the modes {means['mode_kl']:.2g}")
    return "; ".join(notes)


RULES = (
    Rule(
        "no run loses a mode",
        "wgan runs that end without a sample in every mode",
        losses,
        by_single_run,
        losses_note,
        below=1,
        least_seeds=20,
    ),
    Rule(
        "covers more than nsgan",
        "share of modes with a sample, wgan minus nsgan by seed, in percentage points",
        coverage_differences,
        note=partial(endings_note, objective="nsgan"),
        above=5,
    ),
)

CLAIMS = (
    Claim(
        number=20,
        id="wgan-no-mode-collapse",
        sentence="In no experiment does a Wasserstein GAN show mode collapse, and it covers more modes than a "
        "standard GAN.",
        source="Arjovsky, Chintala & Bottou (2017), sections 3 and 4.3",
        protocol="ring (8 modes, sigma .02; full: grid with 25 modes and sigma .05, too), MLP of two hidden layers of "
        "128, batch 128, 2,000 generator steps, 20 seeds. wgan: five critic updates a step, clip .05, RMSprop 5e-4 "
        "for both players, because with the published 5e-5 so few steps leave a generator unconverged, which is no "
        "collapse. nsgan: one critic update a step, Adam 2e-4 with betas .5 and .999. A mode is lost where none of "
        "2,500 samples lies within three standard deviations of it at the last step; a diverged run has lost all. It "
        "has collapsed where, besides, less than 1 % of its fair share of the samples are nearest to it: a "
        "distinction that a first trial on other seeds called for, whose runs of 1,200 and 2,000 steps had few good "
        "samples. The first rule is reproduced if no run of 20 loses a mode (which bounds the rate below 14 %), not "
        "reproduced if one collapses, and left open where modes are lost without collapse, as in an unconverged run. "
        "Under the full profile runs of both datasets count, and coverage is averaged over them. WGAN-GP is not "
        "judged: the sentence is about clipping.",
        rules=RULES,
        caveat="An unconverged generator covers few modes without having collapsed: look at the share of good "
        "samples. The baseline depends strongly on the architecture: the literature's standard GANs find from 1 to "
        "6.3 of the ring's 8 modes.",
        experiments=(RING_WGAN, RING_WGAN_REST, RING_NSGAN, GRID_WGAN, GRID_REST),
    ),
)
