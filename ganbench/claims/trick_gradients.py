"""The −log D trick: its gradient grows and is noisy (claim 10), and is stronger than the minimax one (claim 11)."""

from __future__ import annotations

import numpy as np

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.frozen_generator import (
    FROZEN_PIXELS,
    FROZEN_RING,
    FROZEN_SURFACE,
    PIXELS,
    SURFACE,
    UNTRAINED,
)
from ganbench.claims.gradient_courses import growth, mean, orders
from ganbench.claims.trick_training import EARLY as EARLY_STEPS
from ganbench.claims.trick_training import PLACES, STEPS, TRICK_TRAINING

LEAST = 6  # seeds
EARLY = (10, 50, 100)  # updates of a critic

WATCHED = {case.name: case.steps for case in (UNTRAINED, *SURFACE, *PIXELS[1:])}
GROWS = {
    name: Rule(
        f"{name}: grows",
        f"log10 of the gradient of −log D after {steps:,} critic updates over that at the start",
        above=1,
        least_seeds=LEAST,
    )
    for name, steps in WATCHED.items()
}
NOISIER = {
    name: Rule(
        f"{name}: noisier",
        f"log10 of the relative variance of minibatch gradients after {steps:,} critic updates over that at the start",
        above=0,
        least_seeds=LEAST,
    )
    for name, steps in WATCHED.items()
}
STRONGER = {
    case.name: Rule(
        case.name,
        "log10 of the gradient of −log D over that of log(1 − D), after 100 critic updates",
        above=1,
        least_seeds=LEAST,
    )
    for case in (UNTRAINED, SURFACE[0], PIXELS[0])
}
BETTER = Rule(
    "trained by SGD", "final sliced W1, log(1 − D) minus −log D by seed, mean over datasets", above=0, least_seeds=LEAST
)


def decide_growth(measurements: Measurements) -> list[Finding]:
    """Claim 10: two rules for each frozen generator."""
    findings = []
    for name, steps in WATCHED.items():
        arm = f"{name}/nsgan"
        findings.append(GROWS[name].judge(growth(measurements, arm, steps).to_list()))
        noisier = growth(measurements, arm, steps, quantity="grad_noise").to_list()
        levels = [mean(measurements, "grad_noise", arm, at) for at in (0, steps)]
        note = f"Trace of the covariance over the squared norm of the mean: {levels[0]:.2g} to {levels[1]:.2g}"
        findings.append(NOISIER[name].judge(noisier, note))
    return findings


def ratios(measurements: Measurements, name: str, at: float) -> list[float]:
    """log10 of the trick's gradient over the minimax gradient, at the same critic, by seed."""
    trick, minimax = (orders(values(measurements, "grad_norm", f"{name}/{o}", at)) for o in ("nsgan", "gan"))
    return [float(x) for x in trick - minimax]


def decide_strength(measurements: Measurements) -> list[Finding]:
    """Claim 11: the ratio on each dataset, and the training."""
    findings = []
    for name, rule in STRONGER.items():
        course = ", ".join(f"{np.mean(ratios(measurements, name, at)):.1f} after {at}" for at in EARLY)
        findings.append(rule.judge(ratios(measurements, name, EARLY[-1]), f"Means: {course}"))
    return [*findings, decide_training(measurements)]


def decide_training(measurements: Measurements) -> Finding:
    """SGD decides; what Adam makes of the same gradients stands beside it."""
    places = [place for place in PLACES if (measurements["arm"] == f"{place}/gan/sgd").any()]
    by_place = [differences(measurements, place, "sgd") for place in places]
    return BETTER.judge(np.mean(by_place, axis=0).tolist(), "; ".join(told(measurements, place) for place in places))


def differences(measurements: Measurements, place: str, how: str) -> list[float]:
    """Final sliced W1 of gan minus that of nsgan, by seed."""
    minimax, trick = (values(measurements, "sliced_w1", f"{place}/{o}/{how}", STEPS) for o in ("gan", "nsgan"))
    return [float(x) for x in minimax - trick]


def told(measurements: Measurements, place: str) -> str:
    """Medians of every arm, early and at the end, and what real samples have."""
    arms = {f"{o} {how}": f"{place}/{o}/{how}" for how in ("sgd", "adam") for o in ("gan", "nsgan")}
    medians = [f"{name} {_medians(measurements, arm)}" for name, arm in arms.items()]
    floor = values(measurements, "floor", f"{place}/gan/sgd").iloc[0]
    return f"Medians on {place} after {EARLY_STEPS} and {STEPS:,} steps: {', '.join(medians)}; real samples {floor:.2g}"


def _medians(measurements: Measurements, arm: str) -> str:
    found = [values(measurements, "sliced_w1", arm, at).median() for at in (EARLY_STEPS, STEPS)]
    return " to ".join(f"{median:.3g}" for median in found)


FROZEN = (
    "Generators (MLP of two hidden layers of 128) and fresh critics (the same, without batch normalisation; gan's "
    "loss, Adam 1e-3, betas .5 and .999, batch 128) are those of mm-vanishes-disjoint and mm-vanishes-trained-1-10-25: "
    "both generator losses are differentiated at the very same critics, on one fixed batch of latents (512; digits: "
    "449). "
)

CLAIMS = (
    Claim(
        number=10,
        id="ns-grows-and-is-noisy",
        sentence="With −log D the norm of the generator's gradient grows as the critic gets better, and so does the "
        "variance of its minibatch estimates.",
        source="Arjovsky & Bottou (2017), figure 3 and theorem 2.6",
        protocol="ring with an untrained generator, 1,000 critic updates; ring64 with generators of 0, 300 and 900 "
        "steps and digits with those of 300 and 900, 2,000 updates. "
        + FROZEN
        + "Relative variance: trace of the covariance of 32 minibatch gradients of 64 latents each over the squared "
        "norm of their mean, on the same latents at both ends. 10 seeds (full: 20).",
        rules=tuple(rule for name in WATCHED for rule in (GROWS[name], NOISIER[name])),
        caveat="Theorem 2.6 gives gradients of a Cauchy distribution, but supposes that the critic's errors are white "
        "Gaussian noise, which those of a sigmoid cannot be; the authors say themselves that this is too strong. Only "
        "growth and noise are judged. The absolute variance may grow while the relative one does not.",
        experiments=(FROZEN_RING, FROZEN_SURFACE, FROZEN_PIXELS),
        decide=decide_growth,
    ),
    Claim(
        number=11,
        id="ns-stronger-than-mm-early",
        sentence="Early in training −log D gives much stronger gradients than log(1 − D), with the same fixed point.",
        source="Goodfellow et al. (2014), section 3",
        protocol="Ratio of gradients: untrained generators on ring, ring64 and digits, after 100 critic updates, 10 "
        "seeds (full: 20). "
        + FROZEN
        + "Training: 3,000 pairs of updates on ring (full: on ring64 and digits, too), critic by Adam 1e-3, generator "
        "by SGD 1e-2 (judged) and by Adam 1e-3; sliced W1 of 2,500 samples, 100 directions; 8 seeds (full: 20), "
        "paired. The rate of SGD was 1e-1 until a pilot on other seeds, in which the minimax loss threw several "
        "generators far out of the plane.",
        rules=(*STRONGER.values(), BETTER),
        caveat="The ratio is (1 − D)/D sample by sample, so it says how sure the critic is. That the fixed point is "
        "the same follows from D = 1/2 there and is not measured. The objections to the Jensen-Shannon divergence are "
        "about the minimax game; what is used in practice is the trick (Fedus et al., 2018).",
        experiments=(FROZEN_RING, FROZEN_SURFACE, FROZEN_PIXELS, TRICK_TRAINING),
        decide=decide_strength,
    ),
)
