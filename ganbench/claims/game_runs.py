"""Games of two numbers, played out: xy, and the Dirac-GANs of objectives that carry no state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import objective
from ganbench.exhibits.dirac_objective import objective_field
from ganbench.exhibits.dynamics import Schedule, random_starts, simulate
from ganbench.exhibits.xy_game import XY_GAME
from ganbench.streams import stream

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
    found = xy if part == XY else dirac
    return [each for seed in profile.replications(1) for each in found(part, seed)]


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
        found = {"radius": path.tail_radius(), "halfway": path.radius[151:251].mean(axis=0)}
        for quantity, radius in found.items():
            for number in range(STARTS):
                yield row(quantity, radius[number], arm=f"{part}/{schedule}", seed=seed, at=number)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(stream(seed, "starts"))


GAME_RUNS = Experiment("game-runs", (*SETTINGS, XY), run, 0.2)
