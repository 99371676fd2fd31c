"""Claim 1: optimal transport is one number, whether by the primal program, by the dual one or by the CDFs on a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ganbench.claims.claim import Claim, Rule
from ganbench.claims.effects import select
from ganbench.claims.exact.transport import (
    FOUR_BINS,
    FOUR_BINS_OPTIMUM,
    MOONCAKE_OPTIMUM,
    MOONCAKE_PLANS,
    MOONCAKES,
    SEVEN_BINS,
    SEVEN_BINS_OPTIMUM,
    SolverAgreement,
    TransportProblem,
    agreement,
    cost_of,
    infeasibility,
    line_distance,
    random_agreements,
)
from ganbench.claims.experiment import Experiment, Measurements, Profile, row
from ganbench.rng import stream

RANDOM = 50  # problems


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements; the random problems are those of one seed."""
    return [*worked(), *plans(), *randomly(profile.replications(1))]


def worked() -> Iterator[dict[str, Any]]:
    """``gap`` and ``error`` of the three worked problems, with the error against the known optimum."""
    problems: dict[str, tuple[SolverAgreement, float]] = {
        "mooncakes": (agreement(MOONCAKES), MOONCAKE_OPTIMUM[0]),
        "four bins": (_on_a_line(FOUR_BINS), FOUR_BINS_OPTIMUM),
        "seven bins": (_on_a_line(SEVEN_BINS), SEVEN_BINS_OPTIMUM),
    }
    for name, (solved, known) in problems.items():
        yield row("gap", solved.gap, arm=name)
        yield row("error", abs(solved.primal - known), arm=name)


def _on_a_line(given: TransportProblem) -> SolverAgreement:
    return agreement(given, line_distance(np.arange(len(given.rows)), given.rows, given.columns))


def plans() -> Iterator[dict[str, Any]]:
    """``error`` of the stated cost of two plans, how ``infeasible`` they are, and their ``excess`` over the optimum."""
    optimum = agreement(MOONCAKES).primal
    for number, (stated, plan) in enumerate(MOONCAKE_PLANS, 1):
        cost = cost_of(MOONCAKES, plan)
        yield row("error", abs(cost - stated), arm=f"plan {number}")
        yield row("infeasible", infeasibility(MOONCAKES, plan), arm=f"plan {number}")
        yield row("excess", cost / optimum - 1, arm=f"plan {number}")


def randomly(seeds: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """``gap`` of random problems, 50 a seed."""
    for seed in seeds:
        rng = np.random.default_rng(stream(seed, "transport-problems"))
        for number, solved in enumerate(random_agreements(RANDOM, rng)):
            yield row("gap", solved.gap, arm="random", seed=seed, at=number)


def worst(measurements: Measurements, quantity: str) -> float:
    """The largest value of a quantity in all problems."""
    return float(measurements.groupby("quantity")["value"].max()[quantity])


def excess_note(measurements: Measurements) -> str:
    """What each plan costs above the optimum."""
    excess = ", ".join(f"{share:.1%}" for share in select(measurements, "excess")["value"])
    return f"The plans cost {excess} more than the optimum"


RULES = (
    Rule.exact(
        "all ways agree",
        "largest difference between two ways of solving one problem, of 53",
        partial(worst, quantity="gap"),
        note=lambda measurements: f"{len(select(measurements, 'gap'))} problems",
        below=1e-6,
    ),
    Rule.exact(
        "worked answers",
        "largest error of 823, 5 and .9, and of the two plans' 872.5 and 940.5",
        partial(worst, quantity="error"),
        below=1e-6,
    ),
    Rule.exact(
        "the plans are feasible",
        "largest mass by which one of the two plans breaks a constraint",
        partial(worst, quantity="infeasible"),
        below=1e-6,
    ),
    Rule.exact(
        "the plans are not optimal",
        "what the cheaper plan costs above the optimum, as a share",
        lambda measurements: select(measurements, "excess")["value"].min(),
        note=excess_note,
        above=1e-6,
    ),
)

CLAIMS = (
    Claim(
        number=1,
        id="em-duality-examples",
        sentence="The earth mover's distance is the value of the primal linear program, of the dual one, and, on a "
        "line, of the area between the CDFs.",
        source="Kantorovich-Rubinstein duality (Villani 2003, theorems 1.3 and 1.14); worked examples of tutorials on "
        "WGAN",
        protocol="Three worked problems (100 mooncakes from four bakeries to three shops, four bins, seven bins) and "
        "50 random ones of 2 to 9 atoms a side, half in the plane and half on a line. Each is solved by SciPy's "
        "linear program in its primal and in its dual form, by POT's network simplex and, on a line, by the CDFs.",
        rules=RULES,
        caveat="Exact up to rounding: nothing here is estimated. The two plans of the mooncakes are examples of "
        "transport; what they cost is not the distance.",
        experiments=(Experiment("transport-duality", ("all",), run, 0.05),),
    ),
)
