"""Two Gaussians far apart on a line, and critics trained to tell them apart: where their slopes vanish.

Arjovsky, Chintala & Bottou (2017), figure 2. The figure's means and deviations are not stated; here the generator makes
N(−2, .5²) and real samples come from N(2, .5²).
"""

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

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.frozen_generator import ADAM, BATCH, CLIP, WEIGHT
from ganbench.claims.known_pairs import NormalPair, critics, slopes
from ganbench.claims.laboratory import objective
from ganbench.cohort import Cohort
from ganbench.dataset import Dataset, Population
from ganbench.datasets.points import Points
from ganbench.distributions import gaussian_mixture
from ganbench.objective import Objective

CENTRE, DEVIATION = 2.0, 0.5
STEPS = 3000  # updates of a critic
END = 4.0  # the fit is made on [-4, 4]
PLACES = 801
VANISHED = 1e-3  # slopes below are as good as none

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bell(Dataset):
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
    trained = critics(Bell(), NarrowPair(), chosen(part), seeds, [-CENTRE], STEPS, BATCH)
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
