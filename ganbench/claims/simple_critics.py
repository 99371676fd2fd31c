"""Claim 24: a clipped critic ends up at its bounds, and sees less than a penalised one."""

from __future__ import annotations

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.noisy_data import DATA, EXPERIMENT

AT_BOUND = {
    data: Rule(
        f"at the bound, {data}",
        "share of the clipped critic's weights beyond .95 of the constant, by seed",
        above=0.5,
        least_seeds=6,
    )
    for data in DATA
}
TAILS = {
    data: Rule(
        f"two-valued, {data}", "excess kurtosis of the weights, wgan-gp minus wgan, by seed", above=0.0, least_seeds=6
    )
    for data in DATA
}
SEES = {
    data: Rule(
        f"sees less, {data}",
        "score gap over the largest slope seen and over W1, wgan-gp minus wgan, by seed",
        above=0.2,
        least_seeds=6,
    )
    for data in DATA
}


def decide(measurements: Measurements) -> list[Finding]:
    """Three findings for each distribution."""
    return [finding for data in DATA for finding in _decide(measurements, data)]


def _decide(measurements: Measurements, data: str) -> list[Finding]:
    def both(quantity: str) -> tuple[list[float], list[float]]:
        clipped, penalised = (values(measurements, quantity, f"{arm}, {data}") for arm in ("wgan", "wgan-gp"))
        return list(clipped), list(penalised)

    def difference(quantity: str) -> list[float]:
        return [p - c for c, p in zip(*both(quantity), strict=True)]

    return [
        AT_BOUND[data].judge(both("at_bound")[0]),
        TAILS[data].judge(difference("kurtosis"), _means("excess kurtosis", *both("kurtosis"))),
        SEES[data].judge(difference("ratio"), _spread(*both("ratio"), *both("slope_spread"))),
    ]


def _means(what: str, clipped: list[float], penalised: list[float]) -> str:
    means = (sum(x) / len(x) for x in (clipped, penalised))
    return "{}: wgan {:.3g}, wgan-gp {:.3g}".format(what, *means)


def _spread(
    clipped: list[float], penalised: list[float], clipped_spread: list[float], penalised_spread: list[float]
) -> str:
    spread = _means("standard deviation of slopes at real points", clipped_spread, penalised_spread)
    return f"{_means('share of W1 seen', clipped, penalised)}; {spread}"


CLAIMS = (
    Claim(
        number=24,
        id="clipped-critic-is-too-simple",
        sentence="Clipping drives a critic's weights to two values and makes it blind to much of the distribution; a "
        "gradient penalty does neither.",
        source="Gulrajani et al. (2017), section 3.1 and figures 1a and 1b, right",
        protocol="ring (sigma .02) and grid (sigma .05) against the same with a unit normal added, which is the "
        "generator at rest; critics of three hidden ReLU layers of 128 without normalisation, batch 128, 1,500 updates "
        "(full: 15,000), 6 seeds (full: 10). wgan with clip .01 and RMSprop 5e-4, wgan-gp with weight 10 and Adam "
        "1e-3 (0, .9): ten times the papers' rates, for a hundredth of their updates. Share of W1: mean score gap at "
        "2,000 fresh points of each over the largest slope at these points and between them, over the exact W1 of "
        "1,000 of each. Kurtosis: of the entries of the weight matrices.",
        rules=tuple(rule for data in DATA for rule in (AT_BOUND[data], TAILS[data], SEES[data])),
        caveat="Initial weights go up to .088, or .71 in the first layer, so the first clipping itself puts most of "
        "them at a bound of .01; after 1,500 updates they have had time to leave it. Layers of one critic start at "
        "different scales, which alone gives weights that are not clipped long tails. The largest slope seen is a "
        "lower bound on the Lipschitz constant, which flatters both arms. The swiss roll is left out.",
        experiments=(EXPERIMENT,),
        decide=decide,
    ),
)
