"""Gradients of the generator that last as the critic learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.claim import Claim, Rule, RuleResult
from ganbench.claims.effects import drop, growth
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.fixed_generators import NormalPair, critics, slopes
from ganbench.claims.frozen_generator import (
    ADAM,
    BATCH,
    CLIP,
    FROZEN_RING,
    FROZEN_SURFACE,
    LONG,
    SHORT,
    SIGMA,
    SURFACE,
    UNTRAINED,
    WEIGHT,
)
from ganbench.claims.lab import objective
from ganbench.datasets.points import Points
from ganbench.datasets.synthetic import gaussian_mixture
from ganbench.engine.cohort import Cohort
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.objective import Objective

# -- two gaussians -----------------------------------------------------------------------------------------------------

CENTRE, DEVIATION = 2.0, 0.5
STEPS = 3000  # updates of a critic
END = 4.0  # the fit is made on [-4, 4]
PLACES = 801
VANISHED = 1e-3  # slopes below are as good as none

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RealGaussian(Dataset):
    """N(2, .5²) on the line."""

    name = "bell"

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""
        sample = partial(gaussian_mixture, torch.tensor([[CENTRE]]), DEVIATION)
        return Points(sample, torch.empty(0, 1), torch.empty(0), repr(self))


class NarrowNormal(nn.Module):
    """Latents (batch, 1) to θ + z/2: N(θ, .5²)."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the latents' shape."""
        made: Tensor = self.theta + DEVIATION * z
        return made


@dataclass(frozen=True)
class NarrowPair(NormalPair):
    """N(θ, .5²) against an MLP critic of two hidden layers of 128 ReLU units."""

    name = "narrow-pair"

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """The shifted normal."""
        return NarrowNormal()


def chosen(name: str) -> Objective:
    """An objective with the settings of the frozen generators' critics."""
    fields = {"gan": {}, "wgan": {"clip": CLIP}, "wgan-gp": {"weight": WEIGHT}}[name]
    return objective(name, optimizer=ADAM, **fields)


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """What the slopes of one objective's critics are like; the part is the objective."""
    seeds = profile.replications(profile.pick(10, 20))
    trained = critics(RealGaussian(), NarrowPair(), chosen(part), seeds, [-CENTRE], STEPS, BATCH)
    line, fake = torch.linspace(-END, END, PLACES), fake_places()
    on_line, on_fake = (_at(trained, places) for places in (line, fake))
    return [
        row(quantity, value, arm=part, seed=seed, at=STEPS)
        for k, seed in enumerate(seeds)
        for quantity, value in _described(line, *(each[k] for each in (*on_line, *on_fake)))
    ]


def fake_places(n: int = 2000) -> Tensor:
    """Quantiles of N(−2, .5²) that cut its mass into n equal pieces: (n,)."""
    shares = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    places: Tensor = torch.special.ndtri(shares) * DEVIATION - CENTRE
    return places.float()


def _at(trained: Cohort, places: Tensor) -> tuple[Floats, Floats]:
    """Scores and their slopes by seed, at places (n,): (seeds, n) each."""
    found, gradients = slopes(trained, places[:, None].expand(len(trained.seeds), -1, -1).clone())
    return found.double().numpy(), gradients[..., 0].double().numpy()


def _described(
    line: Tensor, scores: Floats, gradients: Floats, fake_scores: Floats, fake_gradients: Floats
) -> Iterator[tuple[str, float]]:
    """The numbers of one critic.

    ``r2``: of the linear fit of its score on [-4, 4]; ``least_slope``: the smallest slope there over the largest, in
    size; ``flat``: share of the fake mass where its slope is below a thousandth of that largest one; ``saturated`` and
    ``saturated_loss``: share of the fake mass where the slopes of D = σ(score) and of log(1 − D) are below 1e-3.
    """
    sizes, at_fake = np.abs(gradients), np.abs(fake_gradients)
    yield "r2", fit(line.double().numpy(), scores)
    yield "least_slope", float(sizes.min() / sizes.max())
    yield "flat", float((at_fake < VANISHED * sizes.max()).mean())
    yield "saturated", float((classifier_slope(fake_scores, at_fake) < VANISHED).mean())
    yield "saturated_loss", float((sigmoid(fake_scores) * at_fake < VANISHED).mean())


def fit(x: Floats, y: Floats) -> float:
    """R² of the linear fit of y on x, (n,) each; NaN where y never changes."""
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(y) else np.nan


def sigmoid(scores: Floats) -> Floats:
    """σ, elementwise."""
    from scipy.special import expit

    found: Floats = expit(scores)
    return found


def classifier_slope(scores: Floats, score_slopes: Floats) -> Floats:
    """|dD/dx| of D = σ(score), elementwise: σ(s) σ(−s) |ds/dx|."""
    return sigmoid(scores) * sigmoid(-scores) * score_slopes


TWO_GAUSSIANS = Experiment("two-gaussians", ("gan", "wgan", "wgan-gp"), run, 0.9)


# -- lasting gradients -------------------------------------------------------------------------------------------------

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


def decide_critics(measurements: Measurements) -> list[RuleResult]:
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


def decide_noise(measurements: Measurements) -> list[RuleResult]:
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
