"""Claim 30: whether objectives still differ when each has been tuned with the same budget."""

from __future__ import annotations

import numpy as np

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.tuned_objectives import EXPERIMENT, OBJECTIVES
from ganbench.statistics import Floats, rows_interval

SHRINKAGE = Rule(
    "differences shrink",
    "range over the objectives of mean log sliced W1, tuned over default",
    below=0.7,
    least_seeds=6,
)


def shrinkage(tables: Floats) -> Floats:
    """Range of the tuned means over that of the default ones.

    Args:
        tables: log distances: (..., seeds, 2, objectives), default before tuned.
    """
    ranges = np.ptp(tables.mean(axis=-3), axis=-1)
    quotient: Floats = ranges[..., 1] / ranges[..., 0]
    return quotient


def by_seed(measurements: Measurements) -> Floats:
    """Log distances of the seeds whose distances are all finite: (seeds, 2, objectives)."""
    arms = set(measurements["arm"])
    names = [name for name in OBJECTIVES if f"{name}/default" in arms]
    columns = [[values(measurements, "log_w1", f"{name}/{how}") for name in names] for how in ("default", "tuned")]
    return np.array(columns, dtype=float).transpose(2, 0, 1)


def decide(measurements: Measurements) -> list[Finding]:
    """The one finding."""
    table = by_seed(measurements)
    whole = table[np.isfinite(table).all(axis=(1, 2))]
    if len(whole) < len(table):
        why = f"{len(table) - len(whole)} of {len(table)} seeds diverged under some objective: there is no range"
        return [SHRINKAGE.gate_failed(why, len(whole))]
    (default, tuned), spread = table.mean(axis=0), table.std(axis=0, ddof=1).mean(axis=1)
    note = (
        f"Range of the means, in logs: default {np.ptp(default):.2f}, tuned {np.ptp(tuned):.2f}; standard deviation "
        f"between seeds: default {spread[0]:.2f}, tuned {spread[1]:.2f}. " + _told(measurements, default, tuned)
    )
    return [SHRINKAGE.judge_interval(rows_interval(table, shrinkage, "ratio of ranges"), note=note)]


def _told(measurements: Measurements, default: Floats, tuned: Floats) -> str:
    names = [name for name in OBJECTIVES if (measurements["arm"] == f"{name}/default").any()]
    pairs = zip(names, np.exp(default), np.exp(tuned), strict=True)
    return "Sliced W1: " + ", ".join(f"{name} {a:.3g} to {b:.3g}" for name, a, b in pairs)


CLAIMS = (
    Claim(
        number=30,
        id="tuning-equalises",
        sentence="With the same budget for tuning, objectives differ far less than with their default settings.",
        source="Lucic et al. (2018), Are GANs created equal?, section 6: a counter-claim to all rankings of objectives",
        protocol="ring (8 modes, sigma .02), MLP of two hidden layers of 128, batch 128, 400 generator steps (full: "
        "2,000); nsgan, lsgan, hinge, wgan (full: wgan-gp, too). Random search of 6 candidates (full: 12), the default "
        "among them: learning rates of both players 10^-4.5 to 10^-2, the same ones for every objective; Adam's beta1 "
        "0, .5 or .9; of wgan instead the clipping constant, 10^-2.5 to 10^-.5, with RMSprop. Chosen by the mean log "
        "of sliced W1 (2,500 samples, 100 directions) over 2 seeds (full: 3); judged on 10 others (full: 20). "
        "Percentile bootstrap over the seeds, paired.",
        rules=(SHRINKAGE,),
        caveat="The paper searches 100 settings on images and finds no objective that is consistently better; here it "
        "is a plane, a short run and a small search. A default that was made for long runs, as wgan's, loses more by "
        "a short one than its objective is to blame for, which is the claim's point.",
        experiments=(EXPERIMENT,),
        decide=decide,
    ),
)
