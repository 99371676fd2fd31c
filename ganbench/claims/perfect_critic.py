"""Claim 6: a critic soon tells a frozen generator's samples from real ones, however long the generator was trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.frozen_generator import FROZEN_PIXELS, FROZEN_SURFACE, MIDDLE, PIXELS, SURFACE
from ganbench.claims.gradient_courses import course

PERFECT, SOON = 0.99, 200
LEAST = 6  # seeds
NAMES = tuple(case.name for case in (*SURFACE, *PIXELS))

ACCURATE = {
    name: Rule(f"{name}: accurate", "held-out accuracy after 1,000 critic updates", above=PERFECT, least_seeds=LEAST)
    for name in NAMES
}
FAST = {
    name: Rule(
        f"{name}: fast",
        "first reading with a held-out accuracy of .99, median over seeds, in critic updates",
        below=SOON + 1,  # 200 is soon enough
        least_seeds=LEAST,
    )
    for name in NAMES
}


def first_hits(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """The first moment at which each seed's critic was accurate enough, by seed; infinite where none was."""
    table = course(measurements, "accuracy", arm, MIDDLE)
    return table.apply(lambda run: next((at for at, found in run.items() if found >= PERFECT), math.inf), axis=1)


def decide_fast(rule: Rule, hits: pd.Series[Any]) -> Finding:
    """The median counts, as the rule says; the range over the seeds stands beside it."""
    from ganbench.statistics import Interval

    median = float(np.median(hits))
    told = f"From {hits.min():g} to {hits.max():g}"
    return rule.judge_interval(Interval(median, median, median, len(hits), "median"), note=told)


def decide(measurements: Measurements) -> list[Finding]:
    """Two rules for each frozen generator."""
    findings = []
    for name in NAMES:
        arm = f"{name}/gan"
        findings.append(ACCURATE[name].judge(values(measurements, "accuracy", arm, MIDDLE).to_list()))
        findings.append(decide_fast(FAST[name], first_hits(measurements, arm)))
    return findings


CLAIMS = (
    Claim(
        number=6,
        id="perfect-discriminator",
        sentence="Against a frozen generator the critic's error goes to zero and its accuracy to one within few "
        "updates, however long the generator was trained.",
        source="Arjovsky & Bottou (2017), figure 1 and theorems 2.1 and 2.2",
        protocol="Two datasets on which real samples fill no volume: ring64 (the ring, sigma .05, on a curved surface "
        "in 64 dimensions) and digits (8x8 images, a quarter of them held out). MLP generator of two hidden layers of "
        "128 with a latent of 8 (and tanh for images), trained by nsgan for 0, 300 and 900 steps (Adam 1e-3, betas .5 "
        "and .999, batch 128), then frozen. A fresh critic of two hidden layers of 128, without batch normalisation, "
        "learns by gan with the same Adam. Accuracy is read on 512 (digits: 449) real samples that it is not trained "
        "on and as many fixed fake ones, after 0, 1, 2, 5, 10, 20, 50 ... updates, so a first hit is rounded up to the "
        "next reading. 10 seeds (full: 20).",
        rules=tuple(rule for name in NAMES for rule in (ACCURATE[name], FAST[name])),
        caveat="In the plane, where generated and real samples overlap, this fails: see vanishing-needs-non-overlap. "
        "The accuracy of the figure is that on training batches; a critic can learn a finite training set by heart, "
        "hence the held-out samples here.",
        experiments=(FROZEN_SURFACE, FROZEN_PIXELS),
        decide=decide,
    ),
)
