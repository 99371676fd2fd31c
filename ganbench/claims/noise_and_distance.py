"""Claim 5: noise and the divergence of the noised distributions bound the Wasserstein distance."""

from __future__ import annotations

import math
from typing import Any

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Experiment, Measurements, Profile, row
from ganbench.exhibits.noise_bound import CutNoise, lines_bound, points_bound

THETAS = (0.1, 0.2, 0.5, 1.0, 2.0)
SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
CASES = {"points": points_bound, "lines": lines_bound}

THEOREM = Rule("theorem 3.3", "cases of 60 in which the distance is above its bound", below=1)
LEMMA = Rule("lemma 4", "noise levels of 6 at which noise moves a point further than its standard deviation", below=1)


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """``slack``, bound minus distance, and ``tightness``, distance over bound, at each θ; both of lemma 4 too."""
    rows = []
    for sigma in SIGMAS:
        noise, arm = CutNoise(sigma), f"sigma {sigma:g}"
        deviation = math.sqrt(noise.variance)
        rows.append(row("lemma slack", deviation - noise.mean_absolute, arm=arm))
        rows.append(row("lemma tightness", noise.mean_absolute / deviation, arm=arm))
        for theta in THETAS:
            for case, bound in CASES.items():
                found = bound(theta, sigma)
                rows.append(row("slack", found.bound - found.w1, arm=f"{case}, {arm}", at=theta))
                rows.append(row("tightness", found.tightness, arm=f"{case}, {arm}", at=theta))
    return rows


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    return [_count(THEOREM, measurements, ""), _count(LEMMA, measurements, "lemma ")]


def _count(rule: Rule, measurements: Measurements, prefix: str) -> Finding:
    """Violations; a slack that is NaN is one."""
    slack, ratio = (measurements[measurements["quantity"] == prefix + q]["value"] for q in ("slack", "tightness"))
    told = f"Distance over bound from {ratio.min():.2g} to {ratio.max():.2g} in {len(slack)} cases"
    return rule.judge_exact(int((~(slack >= 0)).sum()), told)


CLAIMS = (
    Claim(
        number=5,
        id="noise-bound-thm33",
        sentence="The Wasserstein distance is at most 2 sqrt(V) + 2 C sqrt(JS) of the noised distributions, where V "
        "is the noise's variance; noise alone moves a distribution by at most sqrt(V).",
        source="Arjovsky & Bottou (2017), theorem 3.3 and lemma 4",
        protocol="Two points on a line and two parallel lines in the plane, .1, .2, .5, 1 and 2 apart; Gaussian noise "
        "of standard deviation .05, .1, .2, .5, 1 and 2 on each coordinate, cut off at four deviations, since the "
        "theorem wants a ball that holds both noised distributions. The divergence is computed by quadrature, the "
        "distance is known.",
        rules=(THEOREM, LEMMA),
        caveat="A theorem cannot fail; this checks its reading here. The bound is very loose, and with Gaussian noise "
        "that is not cut off its constant C is infinite, so it promises nothing in practice.",
        experiments=(Experiment("noise-bound", ("all",), run, 0.05),),
        decide=decide,
    ),
)
