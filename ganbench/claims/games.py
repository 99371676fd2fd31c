"""Games of two numbers: x times y, and the Dirac-GAN."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ganbench.claims.claim import Claim, Rule
from ganbench.claims.effects import largest, select
from ganbench.claims.experiment import Experiment, Measurements, Profile, row
from ganbench.claims.lab import objective
from ganbench.rng import stream
from ganbench.testing.dynamics import XY_GAME, Schedule, random_starts, simulate
from ganbench.testing.toys import objective_field

# -- game runs ---------------------------------------------------------------------------------------------------------

STARTS = 50  # a seed, uniform in [-2, 2]²
XY = "xy"
XY_RATE = 0.1
XY_STEPS = 1000

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", {}),
    "nsgan": ("nsgan", {}),
    "wgan": ("wgan", {"clip": 1.0}),
    "wgan-gp": ("wgan-gp", {"weight": 0.35}),
    "noisegan": ("noisegan", {"sigma": 0.7, "anneal_until": 0}),
    "nsgan-r1": ("nsgan-r1", {"gamma": 0.3}),
    "nsgan-r1-critical": ("nsgan-r1", {"gamma": 1.0}),
    "r3gan": ("r3gan", {"gamma": 0.3}),
    "dragan": ("dragan", {"weight": 0.35}),
    **{
        name: (name, {})
        for name in (
            *("lsgan", "hinge", "rpgan", "ragan", "label-smoothing", "feature-matching", "fgan-kl", "fgan-reverse-kl"),
            *("fgan-pearson", "fgan-neyman", "fgan-hellinger", "fgan-js", "fgan-tv"),
        )
    },
}
"""Arm to objective and settings; what is not set is its default."""

BATCH = {"noisegan": 1000}  # points of either kind; one elsewhere, as all real ones are at 0 and all others at θ

SCHEDULES = {
    "simultaneous": Schedule(simultaneous=True),
    "1:1": Schedule(generator_first=True),
    "1:5": Schedule(n_critic=5, generator_first=True),
}
"""As in the notebook of Mescheder et al. (2018), where the generator opens an alternating step."""


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one game, from 50 starts a seed; one seed unless asked for more."""
    play = xy if part == XY else dirac
    return [each for seed in profile.replications(1) for each in play(part, seed)]


def xy(part: str, seed: int) -> Iterator[dict[str, Any]]:
    """Of simultaneous steps in xy: ``growth``, the largest deviation of any step's growth from √(1 + r²), by start."""
    starts = random_starts(STARTS, _rng(seed))
    radius = simulate(XY_GAME, *starts, Schedule(simultaneous=True), XY_STEPS, XY_RATE).radius
    deviations = np.abs(radius[1:] / radius[:-1] - np.sqrt(1 + XY_RATE**2)).max(axis=0)
    averaged = averaging(*starts)
    for number in range(STARTS):
        yield row("growth", deviations[number], arm=part, seed=seed, at=number)
        yield row("stretch", radius[-1, number] / radius[0, number], arm=part, seed=seed, at=number)
        yield row("stretch", averaged[number], arm="xy with historical averaging", seed=seed, at=number)


def averaging(y: Any, x: Any, weight: float = 1.0) -> Any:
    """How far the last of 1,000 steps in xy is from the origin, over the first, with historical averaging: (starts,).

    Salimans et al. (2016), Section 3.3: each player's cost gains η times its squared distance from the mean of all it
    has been, the mean being held still.

    Args:
        y, x: starts, (starts,).
        weight: η.
    """
    first, means = np.hypot(y, x), [y, x]
    for step in range(1, XY_STEPS + 1):
        y, x = (
            y + XY_RATE * (x - 2 * weight * (y - means[0])),
            x - XY_RATE * (y + 2 * weight * (x - means[1])),
        )
        means = [mean + (now - mean) / (step + 1) for mean, now in zip(means, (y, x), strict=True)]
    return np.hypot(y, x) / first


def dirac(part: str, seed: int) -> Iterator[dict[str, Any]]:
    """``radius``: mean distance from the equilibrium after each of the last 100 of 500 steps, by start; rate .2.

    ``halfway``: the same of steps 151 to 250.
    """
    name, fields = SETTINGS[part]
    for schedule, moves in SCHEDULES.items():
        field = objective_field(objective(name, **fields), BATCH.get(name, 1), stream(seed, "dirac-draw"))
        path = simulate(field, *random_starts(STARTS, _rng(seed)), moves)
        radii = {"radius": path.tail_radius(), "halfway": path.radius[151:251].mean(axis=0)}
        for quantity, radius in radii.items():
            for number in range(STARTS):
                yield row(quantity, radius[number], arm=f"{part}/{schedule}", seed=seed, at=number)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(stream(seed, "starts"))


GAME_RUNS = Experiment("game-runs", (*SETTINGS, XY), run, 0.2)


# -- two number games --------------------------------------------------------------------------------------------------

NEAR, FAR = 0.05, 0.1  # radii: converged below, not converged above
ENOUGH = 0.95  # of the starts; .95 of 50 is not a whole number, so that "more than" and "at least" agree

WANDERING = ("gan", "nsgan", "wgan", "wgan-gp")
CONVERGING = ("noisegan", "nsgan-r1", "nsgan-r1-critical")


def growth_note(measurements: Measurements) -> str:
    """How far xy spirals out, with and without historical averaging, and the games without a rule."""
    stretch = select(measurements, "stretch").groupby("arm")["value"].median()
    others = [arm for arm in SETTINGS if arm not in (*WANDERING, *CONVERGING)]
    radii = "; ".join(f"{arm} {median_radii(measurements, arm)}" for arm in others)
    return (
        f"In 1,000 steps the radius grows by {stretch[XY]:.4g}; with historical averaging by "
        f"{stretch['xy with historical averaging']:.3g}. Dirac-GANs without a rule, median radius ("
        f"{', '.join(SCHEDULES)}): {radii}"
    )


def least_share(measurements: Measurements, arm: str, converges: bool) -> float:
    """The least share of starts over the schedules; a radius that is not finite has not converged."""
    radii = [select(measurements, "radius", f"{arm}/{schedule}")["value"] for schedule in SCHEDULES]
    return min(float((radius < NEAR).mean() if converges else (~(radius <= FAR)).mean()) for radius in radii)


def radii_note(measurements: Measurements, arm: str) -> str:
    """How far from the equilibrium the game ends, and is halfway."""
    end, half = (median_radii(measurements, arm, quantity) for quantity in ("radius", "halfway"))
    return f"Median radius {end} ({', '.join(SCHEDULES)}); halfway {half}"


def median_radii(measurements: Measurements, arm: str, quantity: str = "radius") -> str:
    """The median over the starts under each schedule."""
    radii = [select(measurements, quantity, f"{arm}/{schedule}")["value"] for schedule in SCHEDULES]
    return ", ".join(f"{radius.fillna(np.inf).median():.2g}" for radius in radii)


def share_rule(arm: str, converges: bool) -> Rule:
    """Whether nearly all starts of a game converge, or nearly none."""
    name, where = ("converged", f"below {NEAR}") if converges else ("not converged", f"above {FAR}")
    return Rule.exact(
        f"{arm} {name}",
        f"least share of starts that end {where}, of three schedules",
        partial(least_share, arm=arm, converges=converges),
        note=partial(radii_note, arm=arm),
        above=ENOUGH,
    )


RULES = (
    Rule.exact(
        "xy spirals out",
        "largest deviation of the growth of any step from sqrt(1.01)",
        partial(largest, quantity="growth"),
        note=growth_note,
        below=1e-9,
    ),
    *(share_rule(arm, converges=False) for arm in WANDERING),
    *(share_rule(arm, converges=True) for arm in CONVERGING),
)

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
        rules=RULES,
        caveat="One dimension and a linear critic. With critic updates without end WGAN converges. Not converging "
        "within 500 steps is not diverging: nsgan comes closer ever more slowly. Instance noise ends in a floor that "
        "its batch sets: it falls as one over the root of the batch, and at 100 points some starts would end above "
        ".05.",
        experiments=(GAME_RUNS,),
    ),
)
