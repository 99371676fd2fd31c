"""Gradients of the generator that last as the critic learns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.claims import frozen_generator as frozen
from ganbench.claims.claim import Claim, Rule
from ganbench.claims.effects import drop, growth, mean, text
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.fixed_generators import ShiftedNormal, critics, slopes
from ganbench.claims.lab import AgainstMlp, endless, objective
from ganbench.datasets.synthetic import gaussian_mixture
from ganbench.engine.cohort import Cohort
from ganbench.interfaces.objective import Objective

# -- two gaussians -----------------------------------------------------------------------------------------------------

CENTRE, DEVIATION = 2.0, 0.5
STEPS = 3000  # updates of a critic
END = 4.0  # the fit is made on [-4, 4]
PLACES = 801
VANISHED = 1e-3  # slopes below are as good as none

Floats = NDArray[np.float64]


REAL = endless(partial(gaussian_mixture, torch.tensor([[CENTRE]]), DEVIATION), 1)  # N(2, .5²)
FAKE = AgainstMlp(1, partial(ShiftedNormal, DEVIATION))


def chosen(name: str) -> Objective:
    """An objective with the settings of the frozen generators' critics."""
    fields = {"gan": {}, "wgan": {"clip": frozen.CLIP}, "wgan-gp": {"weight": frozen.WEIGHT}}[name]
    return objective(name, optimizer=frozen.ADAM, **fields)


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """What the slopes of one objective's critics are like; the part is the objective."""
    seeds = profile.replications(profile.pick(10, 20))
    trained = critics(REAL, FAKE, chosen(part), seeds, [-CENTRE], STEPS, frozen.BATCH)
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
    scores, gradients = slopes(trained, places[:, None].expand(len(trained.seeds), -1, -1).clone())
    return scores.double().numpy(), gradients[..., 0].double().numpy()


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

    probabilities: Floats = expit(scores)
    return probabilities


def classifier_slope(scores: Floats, score_slopes: Floats) -> Floats:
    """|dD/dx| of D = σ(score), elementwise: σ(s) σ(−s) |ds/dx|."""
    return sigmoid(scores) * sigmoid(-scores) * score_slopes


TWO_GAUSSIANS = Experiment("two-gaussians", ("gan", "wgan", "wgan-gp"), run, 0.9)


# -- lasting gradients -------------------------------------------------------------------------------------------------

START = 100  # updates, after which a critic has learnt something
CRITICS = ("wgan", "wgan-gp")


def lines_note(measurements: Measurements) -> str:
    """What the slopes of both kinds of Wasserstein critics are like, means over the seeds."""
    shapes = []
    for name in CRITICS:
        fit, least, flat = (mean(measurements, q, name, STEPS) for q in ("r2", "least_slope", "flat"))
        shapes.append(
            f"{name}: R² {fit:.3f}, smallest over largest slope {least:.2g}, flat on {flat:.1%} of the fake mass"
        )
    return "Means: " + "; ".join(shapes)


def minimax_growth(measurements: Measurements, case: str) -> float:
    """What the minimax gradient did at the same generators up to the next reading, mean over the seeds."""
    return float(growth(measurements, f"{case}/gan", 500, START).mean())


CRITIC_RULES = (
    Rule(
        "clipped critic is linear",
        "R² of the critic's linear fit on [-4, 4]",
        partial(values, quantity="r2", arm="wgan", at=STEPS),
        note=lines_note,
        above=0.95,
    ),
    Rule(
        "classifier saturates",
        "share of the fake mass where the slope of D is below 1e-3",
        partial(values, quantity="saturated", arm="gan", at=STEPS),
        note=text(
            "Of log(1 − D): {:.1%}. R² of its score before the sigmoid: {:.3f}",
            partial(mean, quantity="saturated_loss", arm="gan", at=STEPS),
            partial(mean, quantity="r2", arm="gan", at=STEPS),
        ),
        above=0.9,
    ),
    *(
        Rule(
            f"{case.name}: {name}",
            "log10 of the generator's gradient after 400 critic updates over that after 100",
            partial(growth, arm=f"{case.name}/{name}", at=frozen.SHORT, start=START),
            note=text(f"Minimax from {START} to 500 updates: mean {{:.2f}}", partial(minimax_growth, case=case.name)),
            above=-0.7,
            below=0.7,
        )
        for case in (frozen.UNTRAINED, *frozen.SURFACE)
        for name in CRITICS
    ),
)


def noised(case: str, sigma: float) -> str:
    """The arm with instance noise of a standard deviation."""
    return f"{case}/noisegan[sigma={sigma:g}]"


def gain(measurements: Measurements, case: str) -> pd.Series[Any]:
    """Orders of magnitude that noise saves, by seed."""
    return drop(measurements, f"{case}/gan", frozen.LONG) - drop(measurements, noised(case, frozen.SIGMA), frozen.LONG)


def drops_note(measurements: Measurements, case: str) -> str:
    """Mean drops at every noise level that was measured, and those at the untrained generator, which has no rule."""
    return "; ".join(_drops(measurements, name) for name in (case, frozen.SURFACE[0].name))


def _drops(measurements: Measurements, case: str) -> str:
    arms = {"none": f"{case}/gan"} | {f"sigma {sigma:g}": noised(case, sigma) for sigma in (0.25, 0.5, 1.0)}
    measured = {level: arm for level, arm in arms.items() if level == "none" or (measurements["arm"] == arm).any()}
    means = ", ".join(f"{level} {drop(measurements, arm, frozen.LONG).mean():.1f}" for level, arm in measured.items())
    return f"Mean drops on {case}: {means}"


NOISE_RULES = tuple(
    Rule(
        case.name,
        "orders of magnitude lost since the peak after 2,000 critic updates, without noise minus with it, by seed",
        partial(gain, case=case.name),
        note=partial(drops_note, case=case.name),
        above=1,
    )
    for case in frozen.SURFACE[1:]
)

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
        rules=CRITIC_RULES,
        caveat="The scale of a clipped critic is K·W for an unknown K: only changes are judged, and slopes are given "
        "over the largest one. A critic with gradient penalty is not controlled away from the lines between real and "
        "fake samples. The paper trains clipped critics by RMSprop; here the generator is frozen, so momentum has "
        "nothing to disturb.",
        experiments=(frozen.FROZEN_RING, frozen.FROZEN_SURFACE, TWO_GAUSSIANS),
    ),
    Claim(
        number=13,
        id="noise-restores-gradient",
        sentence="Continuous noise on the critic's inputs, real and fake alike, keeps the minimax gradient alive "
        "however good the critic.",
        source="Arjovsky & Bottou (2017), section 3, theorems 3.1 and 3.2, corollary 3.2; Sønderby et al. (2016)",
        protocol="ring64, generators after 300 and 900 steps of nsgan (judged) and after none (reported). gan and "
        "noisegan with a constant sigma of .5 (full: .25 and 1, too), which was fixed before the runs; noise on real "
        f"and fake samples, and the generator's gradient flows through the noised ones. 2,000 critic updates. Critic: "
        f"{CRITIC}. The norm is over all parameters, on 512 fixed latents with fixed noise. 10 seeds (full: 20), "
        "paired.",
        rules=NOISE_RULES,
        caveat="The noise must be as large as the gap between real and generated samples, so it need not help an "
        "untrained generator; large noise in many dimensions makes estimates noisy (Roth et al., 2017).",
        experiments=(frozen.FROZEN_SURFACE,),
    ),
)
