"""Claim 14: noise belongs on real and on generated samples; on real ones alone it is learned."""

from __future__ import annotations

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.noised_training import NOISED_TRAINING

BOTH = Rule("both sides", "learned scale with noise on both sides; the real one is 1", 0.93, 1.07, least_seeds=6)
REALS = Rule(
    "real samples only",
    "learned scale with noise on real samples only; with it they have 1.118",
    1.07,
    1.17,
    least_seeds=6,
)


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    return [_finding(rule, measurements, arm) for rule, arm in ((BOTH, "both"), (REALS, "reals"))]


def _finding(rule: Rule, measurements: Measurements, arm: str) -> Finding:
    scales, earlier = (values(measurements, quantity, arm) for quantity in ("scale", "earlier"))
    return rule.judge(list(scales), f"Mean over the third of the steps before: {earlier.mean():.3f}")


CLAIMS = (
    Claim(
        number=14,
        id="noise-on-reals-only-is-biased",
        sentence="With noise on real samples only, the generator learns the noised distribution; with noise on both, "
        "the distribution itself.",
        source="Arjovsky & Bottou (2017), section 3 and corollary 3.2, against tutorials that put noise on real "
        "images only",
        protocol="Real samples from N(0, I) in the plane; generator s z + b with a scalar s that starts at .5; MLP "
        "critic of two hidden layers of 128. nsgan-r1 with gamma .1 on samples with noise N(0, .5^2 I), on both sides "
        "or on real ones only; Adam 1e-3 with betas 0 and .99 for both players, batch 64, 1,500 critic and generator "
        "updates in turn, 10 seeds (full: batch 128, 3,000). Scale: mean of |s| over the last third of the steps.",
        rules=(BOTH, REALS),
        caveat="A generator that can take up the noise exactly. Noise on real samples that is annealed leaves no bias "
        "once it has gone.",
        experiments=(NOISED_TRAINING,),
        decide=decide,
    ),
)
