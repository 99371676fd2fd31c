"""Claim 27: which games of two numbers gradient descent brings to their equilibrium."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements
from ganbench.claims.game_runs import GAME_RUNS, SCHEDULES, SETTINGS, XY

NEAR, FAR = 0.05, 0.1  # radii: converged below, not converged above
ENOUGH = 0.95  # of the starts; .95 of 50 is not a whole number, so that "more than" and "at least" agree

GROWTH = Rule("xy spirals out", "largest deviation of the growth of any step from sqrt(1.01)", below=1e-9)


def _rule(arm: str, converges: bool) -> Rule:
    told = f"{'' if converges else 'not '}converged"
    where = f"below {NEAR}" if converges else f"above {FAR}"
    return Rule(f"{arm} {told}", f"least share of starts that end {where}, of three schedules", above=ENOUGH)


WANDERING = {arm: _rule(arm, converges=False) for arm in ("gan", "nsgan", "wgan", "wgan-gp")}
CONVERGING = {arm: _rule(arm, converges=True) for arm in ("noisegan", "nsgan-r1", "nsgan-r1-critical")}


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    wandering = [_share(rule, measurements, arm, converges=False) for arm, rule in WANDERING.items()]
    converging = [_share(rule, measurements, arm, converges=True) for arm, rule in CONVERGING.items()]
    return [_growth(measurements), *wandering, *converging]


def _growth(measurements: Measurements) -> Finding:
    found = measurements[measurements["quantity"] == "growth"]["value"]
    stretch = measurements[measurements["quantity"] == "stretch"].groupby("arm")["value"].median()
    others = [arm for arm in SETTINGS if arm not in WANDERING | CONVERGING]
    radii = "; ".join(f"{arm} {_medians(measurements, arm)}" for arm in others)
    note = (
        f"In 1,000 steps the radius grows by {stretch[XY]:.4g}; with historical averaging by "
        f"{stretch['xy with historical averaging']:.3g}. Dirac-GANs without a rule, median radius ("
        f"{', '.join(SCHEDULES)}): {radii}"
    )
    return GROWTH.judge_exact(found.max(skipna=False), note)


def _share(rule: Rule, measurements: Measurements, arm: str, converges: bool) -> Finding:
    """The least share over the schedules; a radius that is not finite has not converged."""
    shares = []
    for schedule in SCHEDULES:
        radius = _radii(measurements, f"{arm}/{schedule}")
        shares.append(float((radius < NEAR).mean() if converges else (~(radius <= FAR)).mean()))
    end, half = (_medians(measurements, arm, quantity) for quantity in ("radius", "halfway"))
    return rule.judge_exact(min(shares), f"Median radius {end} ({', '.join(SCHEDULES)}); halfway {half}")


def _radii(measurements: Measurements, arm: str, quantity: str = "radius") -> pd.Series[float]:
    return measurements[(measurements["quantity"] == quantity) & (measurements["arm"] == arm)]["value"]


def _medians(measurements: Measurements, arm: str, quantity: str = "radius") -> str:
    radii = [_radii(measurements, f"{arm}/{schedule}", quantity).fillna(np.inf).median() for schedule in SCHEDULES]
    return ", ".join(f"{radius:.2g}" for radius in radii)


CLAIMS = (
    Claim(
        number=27,
        id="nash-xy-and-dirac",
        sentence="Simultaneous gradient descent on xy diverges; on the Dirac-GAN, GAN, WGAN and WGAN-GP with finitely "
        "many critic updates do not converge, whereas instance noise and a zero-centred gradient penalty do.",
        source="Salimans et al. (2016), section 3; Mescheder, Geiger & Nowozin (2018) and their notebook",
        protocol="xy: 1,000 simultaneous steps at rate .1 from 50 starts. Dirac-GAN (real mass at 0, generator at "
        "theta, critic psi x): the objectives' own losses, rate .2, 500 steps from 50 starts uniform in [-2, 2] "
        "squared; simultaneous, and alternating with one and five critic updates a step, the generator first as in "
        "the notebook. wgan: clip 1. wgan-gp: weight .35, the notebook's .7 / 2, because the default of 10 diverges "
        "at this rate by its step size alone. noisegan: sigma .7 without annealing, 1,000 points a batch. nsgan-r1: "
        "gamma .3, and 1, the critical one. The radius is the mean over the last 100 steps: below .05 has converged, "
        "above .1 has not; a rule asks for at least 95 % of the starts under each schedule. Further objectives are "
        "measured without a rule, those that carry a state are left out.",
        rules=(GROWTH, *WANDERING.values(), *CONVERGING.values()),
        caveat="One dimension and a linear critic. With critic updates without end WGAN converges. Not converging "
        "within 500 steps is not diverging: nsgan comes closer ever more slowly. Instance noise ends in a floor that "
        "its batch sets: it falls as one over the root of the batch, and at 100 points some starts would end above "
        ".05.",
        experiments=(GAME_RUNS,),
        decide=decide,
    ),
)
