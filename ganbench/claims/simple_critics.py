"""Clipped critics are too simple for the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.claim import Claim, Rule
from ganbench.claims.effects import difference
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.lab import AgainstMlp, cohort, objective, population
from ganbench.datasets.synthetic import Grid, Ring
from ganbench.engine.cohort import Cohort
from ganbench.interfaces.objective import Optimizer
from ganbench.metrics.transport import exact_distance
from ganbench.rng import generator

# -- noisy data --------------------------------------------------------------------------------------------------------

DATA: dict[str, Ring | Grid] = {"ring": Ring(), "grid": Grid()}
ARMS: dict[str, dict[str, Any]] = {
    "wgan": {"clip": 0.01, "optimizer": Optimizer("rmsprop", lr=5e-4)},
    "wgan-gp": {"optimizer": Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9)},
}
PARTS = tuple(f"{data}-{arm}" for arm in reversed(ARMS) for data in DATA)
NEAR = 0.95  # of the clipping constant
POINTS = 2000  # at which scores are averaged
OT_POINTS = 1000


class Noised(nn.Module):
    """Latents (batch, 3) to a mode's centre plus the data's own noise and a unit normal. Nothing is learnt.

    Attributes:
        still: one number that nothing depends on, since a player has weights.
    """

    def __init__(self, centres: Tensor, sigma: float) -> None:
        super().__init__()
        self.centres, self.spread = centres, math.hypot(sigma, 1.0)
        self.still = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        """Points (batch, 2)."""
        n = len(self.centres)
        modes = (torch.special.ndtr(z[:, 0]) * n).long().clamp(max=n - 1)
        return self.centres[modes] + self.spread * z[:, 1:] + 0 * self.still


def noised(data: str) -> Noised:
    """The data plus noise."""
    return Noised(DATA[data].centres(), DATA[data].sigma)


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one objective on one distribution."""
    data, _, arm = part.partition("-")
    return list(measure(data, arm, profile.replications(profile.pick(6, 10)), profile.pick(1500, 15000)))


def measure(data: str, arm: str, seeds: Sequence[int], updates: int) -> Iterator[dict[str, Any]]:
    """Train critics. ``at_bound`` and ``kurtosis`` are of the weights, ``ratio`` and ``slope_spread`` of the scores."""
    trained = critics(data, arm, seeds, updates)
    w1 = distance(data)
    for k, seed in enumerate(seeds):
        weights = {name: w[k].cpu() for name, w in trained.critic.weights.items()}
        numbers = about_weights(weights, ARMS[arm].get("clip", math.inf))
        numbers |= about_scores(trained, weights, data, seed, w1)
        yield from (row(quantity, value, arm=f"{arm}, {data}", seed=seed) for quantity, value in numbers.items())


def critics(data: str, arm: str, seeds: Sequence[int], updates: int) -> Cohort:
    """Critics after so many updates, each on fresh samples; the generator is never moved."""
    networks = AgainstMlp(3, partial(noised, data), depth=3)
    trained = cohort(DATA[data], networks, objective(arm, **ARMS[arm]), seeds, updates)
    clock = trained.clock(1)
    for batch in trained.sampler.first_critic_batches(updates):
        trained.update_critic(batch, clock)
    return trained


def about_weights(weights: dict[str, Tensor], clip: float) -> dict[str, float]:
    """The share of weights and biases beyond .95 of the bound, and the excess kurtosis of the matrices' entries."""
    from scipy.stats import kurtosis

    everything = torch.cat([w.flatten() for w in weights.values()]).double().numpy()
    matrices = torch.cat([w.flatten() for w in weights.values() if w.ndim == 2]).double().numpy()
    return {"at_bound": float((np.abs(everything) > NEAR * clip).mean()), "kurtosis": float(kurtosis(matrices))}


def about_scores(trained: Cohort, weights: dict[str, Tensor], data: str, seed: int, w1: float) -> dict[str, float]:
    """``ratio``: (E f(real) − E f(fake)) / (K W1), where K is the largest slope of f seen.

    ``slope_spread``: standard deviation of f's slope over real points, over K.
    """
    real, fake, share = _points(data, seed)
    between = real + share * (fake - real)

    def score(x: Tensor) -> Tensor:
        scores: Tensor = torch.func.functional_call(trained.critic.network, weights, (x,))
        return scores.sum()

    slopes = [torch.func.grad(score)(x).norm(dim=1) for x in (real, fake, between)]
    steepest = float(torch.cat(slopes).max())
    gap = float(score(real) - score(fake)) / len(real)
    return {"ratio": gap / (steepest * w1), "slope_spread": float(slopes[0].std()) / steepest}


def _points(data: str, seed: int, purpose: str = "noisy-data") -> tuple[Tensor, Tensor, Tensor]:
    """Fresh real and generated points, (n, 2) each, and shares of the way between them, (n, 1)."""
    rng = generator(seed, purpose)
    real = population(DATA[data]).draw((POINTS,), rng)
    fake = noised(data)(torch.randn(POINTS, 3, generator=rng)).detach()
    return real, fake, torch.rand(POINTS, 1, generator=rng)


def distance(data: str) -> float:
    """Exact 1-Wasserstein distance of the real and the generated distribution, from 1,000 points of each."""
    real, fake, _ = (x.double().numpy()[:OT_POINTS] for x in _points(data, 0, "noisy-data-distance"))
    points: tuple[NDArray[np.float64], NDArray[np.float64]] = (fake, real)
    return exact_distance(*points)


NOISY_DATA = Experiment("noisy-data", PARTS, run, 0.6)


# -- simple critics ----------------------------------------------------------------------------------------------------


def means_note(measurements: Measurements, data: str, texts: dict[str, str]) -> str:
    """Means of quantities under both objectives, NaN where one value is; ``texts`` names each quantity."""

    def mean(quantity: str, arm: str) -> float:
        return float(values(measurements, quantity, f"{arm}, {data}").mean(skipna=False))

    return "; ".join(
        f"{text}: wgan {mean(quantity, 'wgan'):.3g}, wgan-gp {mean(quantity, 'wgan-gp'):.3g}"
        for quantity, text in texts.items()
    )


def rules(data: str) -> tuple[Rule, ...]:
    """What clipping does to the critics of one distribution, and a penalty does not."""
    seen = {"ratio": "share of W1 seen", "slope_spread": "standard deviation of slopes at real points"}
    return (
        Rule(
            f"at the bound, {data}",
            "share of the clipped critic's weights beyond .95 of the constant, by seed",
            partial(values, quantity="at_bound", arm=f"wgan, {data}"),
            above=0.5,
        ),
        Rule(
            f"two-valued, {data}",
            "excess kurtosis of the weights, wgan-gp minus wgan, by seed",
            partial(difference, quantity="kurtosis", first=f"wgan-gp, {data}", second=f"wgan, {data}"),
            note=partial(means_note, data=data, texts={"kurtosis": "excess kurtosis"}),
            above=0.0,
        ),
        Rule(
            f"sees less, {data}",
            "score gap over the largest slope seen and over W1, wgan-gp minus wgan, by seed",
            partial(difference, quantity="ratio", first=f"wgan-gp, {data}", second=f"wgan, {data}"),
            note=partial(means_note, data=data, texts=seen),
            above=0.2,
        ),
    )


CLAIMS = (
    Claim(
        number=24,
        id="clipped-critic-is-too-simple",
        sentence="Clipping drives a critic's weights to two values and makes it blind to much of the distribution; a "
        "gradient penalty does neither.",
        source="Gulrajani et al. (2017), section 3.1 and figures 1a and 1b, right",
        protocol="ring (sigma .02) and grid (sigma .05) against the same with a unit normal added, which is the "
        "frozen generator; critics of three hidden ReLU layers of 128 without normalisation, batch 128, 1,500 updates "
        "(full: 15,000), 6 seeds (full: 10). wgan with clip .01 and RMSprop 5e-4, wgan-gp with weight 10 and Adam "
        "1e-3 (0, .9): ten times the papers' rates, for a hundredth of their updates. Share of W1: mean score gap at "
        "2,000 fresh points of each over the largest slope at these points and between them, over the exact W1 of "
        "1,000 of each. Kurtosis: of the entries of the weight matrices.",
        rules=tuple(rule for data in DATA for rule in rules(data)),
        caveat="Initial weights go up to .088, or .71 in the first layer, so the first clipping itself puts most of "
        "them at a bound of .01; after 1,500 updates they have had time to leave it. Layers of one critic start at "
        "different scales, which alone gives weights that are not clipped long tails. The largest slope seen is a "
        "lower bound on the Lipschitz constant, which flatters both arms. The swiss roll is left out.",
        experiments=(NOISY_DATA,),
    ),
)
