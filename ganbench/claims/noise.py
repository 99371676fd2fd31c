"""Noise: the bound on the distance, and noise on one side of the critic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganbench.claims.claim import Claim, Rule
from ganbench.claims.effects import mean, select, text
from ganbench.claims.exact.noise_bound import TruncatedGaussian, lines_bound, points_bound
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.fixed_generators import standard_normal
from ganbench.claims.lab import AgainstMlp, cohort, objective, weight_course
from ganbench.engine.cohort import Cohort
from ganbench.interfaces.draw import Draw
from ganbench.interfaces.objective import Critic, Objective, Optimizer

# -- noise and distance ------------------------------------------------------------------------------------------------

THETAS = (0.1, 0.2, 0.5, 1.0, 2.0)
SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
CASES = {"points": points_bound, "lines": lines_bound}


def run_noise_bound(profile: Profile, part: str) -> list[dict[str, Any]]:
    """``slack``, bound minus distance, and ``tightness``, distance over bound, at each θ; both of lemma 4 too."""
    rows = []
    for sigma in SIGMAS:
        noise, arm = TruncatedGaussian(sigma), f"sigma {sigma:g}"
        deviation = math.sqrt(noise.variance)
        rows.append(row("lemma slack", deviation - noise.mean_absolute, arm=arm))
        rows.append(row("lemma tightness", noise.mean_absolute / deviation, arm=arm))
        for theta in THETAS:
            for case, bound in CASES.items():
                proved = bound(theta, sigma)
                rows.append(row("slack", proved.bound - proved.w1, arm=f"{case}, {arm}", at=theta))
                rows.append(row("tightness", proved.tightness, arm=f"{case}, {arm}", at=theta))
    return rows


def violations(measurements: Measurements, prefix: str) -> int:
    """In how many cases a bound does not hold; a slack that is NaN counts."""
    return int((~(select(measurements, f"{prefix}slack")["value"] >= 0)).sum())


def tightness_note(measurements: Measurements, prefix: str) -> str:
    """The range of distance over bound."""
    ratio = select(measurements, f"{prefix}tightness")["value"]
    cases = len(select(measurements, f"{prefix}slack"))
    return f"Distance over bound from {ratio.min():.2g} to {ratio.max():.2g} in {cases} cases"


BOUND_RULES = tuple(
    Rule.exact(name, measure, partial(violations, prefix=prefix), note=partial(tightness_note, prefix=prefix), below=1)
    for name, measure, prefix in (
        ("theorem 3.3", "cases of 60 in which the distance is above its bound", ""),
        ("lemma 4", "noise levels of 6 at which noise moves a point further than its standard deviation", "lemma "),
    )
)


# -- noised training ---------------------------------------------------------------------------------------------------

SIGMA = 0.5
START = 0.5  # the scale that training begins with: outside the intervals of both arms
OPTIMIZER = Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.99)
GAMMA = 0.1
ARMS = {"both": True, "reals": False}  # whether generated samples are noised too


@dataclass(frozen=True)
class Noised(Objective):
    """Another objective, with noise N(0, σ²) of constant strength on real samples, and on generated ones if wanted.

    Attributes:
        inner: the objective that sees the noised samples.
        sigma: standard deviation, in units of the data.
        fakes: whether generated samples get noise; the generator's gradient then flows through them.
    """

    name = "noised"
    traceable = True
    inner: Objective = Objective()
    sigma: float = SIGMA
    fakes: bool = True

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """That of the inner objective."""
        return self.inner.critic_loss(critic, *self._noised(real, fake, draw), draw)

    def generator_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """That of the inner objective."""
        return self.inner.generator_loss(critic, *self._noised(real, fake, draw), draw)

    def _noised(self, real: Tensor, fake: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        noisy = real + self.sigma * draw.normal_like(real)
        return noisy, fake + self.sigma * draw.normal_like(fake) if self.fakes else fake


class ScaledNormal(nn.Module):
    """Latents (batch, d) to s·z + b, (batch, d): N(b, s² I), with a scalar s."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([START]))
        self.shift = nn.Parameter(torch.zeros(dimension))

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the latents' shape."""
        return self.scale * z + self.shift


SCALED_NORMAL = AgainstMlp(2, partial(ScaledNormal, 2))


def run_noised_training(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one arm: 10 seeds."""
    seeds = profile.replications(10)
    inner = objective("nsgan-r1", gamma=GAMMA)
    chosen = Noised(inner=inner, optimizer=OPTIMIZER, fakes=ARMS[part])
    steps, batch_size = profile.pick((1500, 64), (3000, 128))
    trained = cohort(standard_normal(2), SCALED_NORMAL, chosen, seeds, steps, batch_size)
    return list(measure(trained, part))


def measure(trained: Cohort, arm: str) -> Iterator[dict[str, Any]]:
    """``scale``: the mean of |s| over the last third of the steps; ``earlier``: that over the third before it."""
    scales = np.abs(weight_course(trained, "scale"))
    third = len(scales) // 3
    for k, seed in enumerate(trained.seeds):
        yield row("scale", scales[-third:, k].mean(), arm=arm, seed=seed)
        yield row("earlier", scales[-2 * third : -third, k].mean(), arm=arm, seed=seed)


NOISED_TRAINING = Experiment("noised-training", tuple(ARMS), run_noised_training, 0.8)


# -- noise sides -------------------------------------------------------------------------------------------------------


EARLIER = "Mean over the third of the steps before: {:.3f}"

BOTH = Rule(
    "both sides",
    "learned scale with noise on both sides; the real one is 1",
    partial(values, quantity="scale", arm="both"),
    note=text(EARLIER, partial(mean, quantity="earlier", arm="both")),
    above=0.93,
    below=1.07,
)
REALS = Rule(
    "real samples only",
    "learned scale with noise on real samples only; with it they have 1.118",
    partial(values, quantity="scale", arm="reals"),
    note=text(EARLIER, partial(mean, quantity="earlier", arm="reals")),
    above=1.07,
    below=1.17,
)


# -- claims ------------------------------------------------------------------------------------------------------------

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
        rules=BOUND_RULES,
        caveat="A theorem cannot fail; this checks its reading here. The bound is very loose, and with Gaussian noise "
        "that is not cut off its constant C is infinite, so it promises nothing in practice.",
        experiments=(Experiment("noise-bound", ("all",), run_noise_bound, 0.05),),
    ),
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
    ),
)
