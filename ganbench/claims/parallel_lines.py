"""Claim 4: between parallel lines the Jensen-Shannon divergence is flat and the Wasserstein distance linear."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements
from ganbench.claims.line_estimates import LINE_ESTIMATES

APART = 0.1 - 1e-9  # |θ| from which on the lines are apart
LEAST = 6  # seeds

SLOPES = {
    "transport": Rule("W by transport", "slope of exact W1 against |theta|, by seed", 0.9, 1.1, LEAST),
    "critic": Rule("W by a critic", "slope of the WGAN-GP estimate against |theta|, by seed", 0.8, 1.2, LEAST),
}
LEVEL = Rule("JS is large", "mean JS estimate where |theta| >= .1, in nats, by seed", above=0.66, least_seeds=LEAST)
FLAT = Rule(
    "JS is flat", "size of the slope of the JS estimate where |theta| >= .1, by seed", below=0.05, least_seeds=LEAST
)


def course(measurements: Measurements, arm: str, least: float = 0.0) -> pd.DataFrame:
    """Estimates where |θ| is at least ``least``: one row a seed, one column a θ."""
    chosen = measurements[(measurements["arm"] == arm) & (measurements["at"].abs() >= least)]
    return chosen.pivot(index="seed", columns="at", values="value").sort_index(axis=1)


def slopes(table: pd.DataFrame) -> list[float]:
    """Least-squares slope of each row against |θ|; NaN where an estimate is not finite."""
    distances = np.abs(table.columns.to_numpy(dtype=float))
    finite = np.isfinite(table.to_numpy()).all(axis=1)
    fitted = [
        np.polyfit(distances, run, 1)[0] if ok else np.nan for run, ok in zip(table.to_numpy(), finite, strict=True)
    ]
    return [float(slope) for slope in fitted]


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    linear = [_linear(rule, measurements, arm) for arm, rule in SLOPES.items()]
    apart = course(measurements, "js", APART)
    spread = apart.to_numpy().std(axis=1, ddof=1).mean()
    level = LEVEL.judge(
        list(apart.mean(axis=1, skipna=False)),
        f"log 2 is .6931. Mean over seeds of the standard deviation over theta: {spread:.2g}. {_by_distance(apart)}",
    )
    return [*linear, level, FLAT.judge([abs(slope) for slope in slopes(apart)])]


def _linear(rule: Rule, measurements: Measurements, arm: str) -> Finding:
    table = course(measurements, arm)
    return rule.judge(slopes(table), _by_distance(table))


def _by_distance(table: pd.DataFrame) -> str:
    means = table.mean().groupby(lambda theta: abs(theta)).mean()
    return "Means by |theta|: " + ", ".join(f"{theta:g}: {mean:.3g}" for theta, mean in means.items())


CLAIMS = (
    Claim(
        number=4,
        id="parallel-lines-js-flat-w-linear",
        sentence="Between parallel lines at a distance |theta| > 0 the Jensen-Shannon divergence is log 2 whatever "
        "the distance, and the Wasserstein distance is |theta|.",
        source="Arjovsky, Chintala & Bottou (2017), example 1 and figure 1",
        protocol="Real points (0, y), generated points (theta, y), y uniform on [0, 1]; theta at 0, .1, .25, .5, .75 "
        "and 1 to both sides, 6 seeds (full: 21 values from -1 to 1, 10 seeds; the quick sizes were cut for their "
        "cost, before any run was judged). At each theta: exact optimal transport of 2,000 samples of either line; "
        "the WGAN-GP estimate, weight 10, Adam 1e-3 with betas 0 and .9, 300 critic steps (full: 1,500); the JS "
        "estimate L/2 + log 2 of gan, Adam 1e-3, 400 critic steps (full: 2,000). Critics are MLPs of two hidden "
        "layers of 128, batch 128 of fresh samples, read on 2,000 held-out samples of either line. Slopes by least "
        "squares against |theta|.",
        rules=(*SLOPES.values(), LEVEL, FLAT),
        caveat="KL is infinite and has no estimate. A critic that is trained too little gives a smooth JS estimate "
        "that falls towards theta = 0, which is why standard GANs can learn here all the same (claim 19).",
        experiments=(LINE_ESTIMATES,),
        decide=decide,
    ),
)
