"""What keeps the generator's gradient alive as the critic learns: Wasserstein critics (claim 12), noise (claim 13)."""

from __future__ import annotations

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.frozen_generator import (
    FROZEN_RING,
    FROZEN_SURFACE,
    LONG,
    SHORT,
    SIGMA,
    SURFACE,
    UNTRAINED,
)
from ganbench.claims.gradient_courses import drop, growth
from ganbench.claims.two_gaussians import STEPS, TWO_GAUSSIANS

LEAST = 6  # seeds
START = 100  # updates, after which a critic has learnt something
CRITICS = ("wgan", "wgan-gp")

LINEAR = Rule("clipped critic is linear", "R² of the critic's linear fit on [-4, 4]", above=0.95, least_seeds=LEAST)
SATURATED = Rule(
    "classifier saturates", "share of the fake mass where the slope of D is below 1e-3", above=0.9, least_seeds=LEAST
)
STEADY = {
    f"{case.name}/{name}": Rule(
        f"{case.name}: {name}",
        "log10 of the generator's gradient after 400 critic updates over that after 100",
        above=-0.7,
        below=0.7,
        least_seeds=LEAST,
    )
    for case in (UNTRAINED, *SURFACE)
    for name in CRITICS
}
ALIVE = {
    case.name: Rule(
        case.name,
        "orders of magnitude lost since the peak after 2,000 critic updates, without noise minus with it, by seed",
        above=1,
        least_seeds=LEAST,
    )
    for case in SURFACE[1:]
}


def decide_critics(measurements: Measurements) -> list[Finding]:
    """Claim 12: the shape of critics on the line, and the gradients of frozen generators."""
    linear, saturated = (
        values(measurements, quantity, arm, STEPS).to_list() for quantity, arm in (("r2", "wgan"), ("saturated", "gan"))
    )
    findings = [LINEAR.judge(linear, told_lines(measurements)), SATURATED.judge(saturated, told_gan(measurements))]
    return findings + [
        rule.judge(growth(measurements, arm, SHORT, START).to_list(), told_minimax(measurements, arm))
        for arm, rule in STEADY.items()
    ]


def told_lines(measurements: Measurements) -> str:
    """What the slopes of both kinds of Wasserstein critics are like, means over the seeds."""
    said = []
    for name in CRITICS:
        fit, least, flat = (_mean(measurements, q, name) for q in ("r2", "least_slope", "flat"))
        said.append(
            f"{name}: R² {fit:.3f}, smallest over largest slope {least:.2g}, flat on {flat:.1%} of the fake mass"
        )
    return "Means: " + "; ".join(said)


def told_gan(measurements: Measurements) -> str:
    """The same for the slope of log(1 − D), and how straight its score is, which is not what saturates."""
    loss, fit = (_mean(measurements, quantity, "gan") for quantity in ("saturated_loss", "r2"))
    return f"Of log(1 − D): {loss:.1%}. R² of its score before the sigmoid: {fit:.3f}"


def told_minimax(measurements: Measurements, arm: str) -> str:
    """What the minimax gradient did on the same generators, up to the next reading."""
    rival, end = f"{arm.partition('/')[0]}/gan", 500
    return f"Minimax from {START} to {end} updates: mean {growth(measurements, rival, end, START).mean():.2f}"


def _mean(measurements: Measurements, quantity: str, arm: str) -> float:
    return float(values(measurements, quantity, arm, STEPS).mean())


def decide_noise(measurements: Measurements) -> list[Finding]:
    """Claim 13; the untrained generator has no rule and stands in the notes."""
    return [
        rule.judge(
            (drop(measurements, f"{name}/gan", LONG) - drop(measurements, noised(name, SIGMA), LONG)).to_list(),
            "; ".join(told_drops(measurements, n) for n in (name, SURFACE[0].name)),
        )
        for name, rule in ALIVE.items()
    ]


def noised(name: str, sigma: float) -> str:
    """The arm with instance noise of a standard deviation."""
    return f"{name}/noisegan[sigma={sigma:g}]"


def told_drops(measurements: Measurements, name: str) -> str:
    """Mean drops at every noise level that was measured."""
    said = [f"none {drop(measurements, f'{name}/gan', LONG).mean():.1f}"]
    levels = [sigma for sigma in (0.25, 0.5, 1.0) if (measurements["arm"] == noised(name, sigma)).any()]
    said += [f"sigma {sigma:g} {drop(measurements, noised(name, sigma), LONG).mean():.1f}" for sigma in levels]
    return f"Mean drops on {name}: {', '.join(said)}"


CRITIC = (
    "MLP of two hidden layers of 128, without batch normalisation, Adam 1e-3 (betas .5 and .999, the same for all "
    "objectives), batch 128"
)

CLAIMS = (
    Claim(
        number=12,
        id="critic-gradient-does-not-vanish",
        sentence="A Wasserstein critic that is trained to optimality gives clean, nearly linear gradients that do not "
        "vanish where a classifier saturates.",
        source="Arjovsky, Chintala & Bottou (2017), figure 2",
        protocol="On a line: real samples N(2, .5²), fake ones N(−2, .5²) (the figure states neither), 3,000 critic "
        "updates of gan, wgan (clip .05) and wgan-gp (weight 10). Frozen generators: ring untrained, and ring64 (the "
        "ring, sigma .05, on a curved surface in 64 dimensions) after 0, 300 and 900 steps of nsgan; 400 updates of "
        f"wgan and wgan-gp; norm over all parameters, on 512 fixed latents. Critics: {CRITIC}. 10 seeds (full: 20).",
        rules=(LINEAR, SATURATED, *STEADY.values()),
        caveat="The scale of a clipped critic is K·W for an unknown K: only changes are judged, and slopes are given "
        "over the largest one. A critic with gradient penalty is not controlled away from the lines between real and "
        "fake samples. The paper trains clipped critics by RMSprop; here the generator rests, so momentum has nothing "
        "to disturb.",
        experiments=(FROZEN_RING, FROZEN_SURFACE, TWO_GAUSSIANS),
        decide=decide_critics,
    ),
    Claim(
        number=13,
        id="noise-restores-gradient",
        sentence="Continuous noise on the critic's inputs, real and fake alike, keeps the minimax gradient alive "
        "however good the critic.",
        source="Arjovsky & Bottou (2017), section 3, theorems 3.1 and 3.2, corollary 3.2; Sønderby et al. (2016)",
        protocol="ring64, generators after 300 and 900 steps of nsgan (judged) and after none (told). gan and noisegan "
        "with a constant sigma of .5 (full: .25 and 1, too), which was fixed before the runs; noise on real and fake "
        f"samples, and the generator's gradient flows through the noised ones. 2,000 critic updates. Critic: "
        f"{CRITIC}. The norm is over all parameters, on 512 fixed latents with fixed noise. 10 seeds (full: 20), "
        "paired.",
        rules=tuple(ALIVE.values()),
        caveat="The noise must be as large as the gap between real and generated samples, so it need not help an "
        "untrained generator; large noise in many dimensions makes estimates noisy (Roth et al., 2017).",
        experiments=(FROZEN_SURFACE,),
        decide=decide_noise,
    ),
)
