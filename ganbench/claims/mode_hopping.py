"""Generators that hop from mode to mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ganbench.claims.claim import Claim, Rule
from ganbench.claims.experiment import Experiment, Measurements, Profile, row
from ganbench.claims.lab import cohort, measure_samples, objective, pauses
from ganbench.datasets.synthetic import Ring
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.interfaces.objective import Optimizer
from ganbench.metrics.modes import histogram

# -- demo ring ---------------------------------------------------------------------------------------------------------

CRITIC = Optimizer("adam", lr=1e-4, beta1=0.5)
GENERATOR = Optimizer("adam", lr=1e-3, beta1=0.5)
BATCH = 128
CHECKPOINTS = 20
PARTS = ("first", "second")  # every other seed


@dataclass(frozen=True)
class UnrolledDemoMlp(Architecture):
    """Two hidden tanh layers of 128 units in both players.

    Attributes:
        latent: size of z.
        width: units of a hidden layer.
    """

    name = "unrolled-demo"
    latent: int = 256
    width: int = 128

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to points (batch, d)."""
        return nn.Sequential(*self._hidden(self.latent), nn.Linear(self.width, math.prod(sample_shape)))

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Points (batch, d) to raw scores (batch,)."""
        return CriticNetwork(nn.Sequential(*self._hidden(math.prod(sample_shape))), self.width)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Vectors of any size will do."""

    def _hidden(self, inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, self.width), nn.Tanh(), nn.Linear(self.width, self.width), nn.Tanh()]


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of half the seeds."""
    seeds = profile.replications(profile.pick(6, 10))[PARTS.index(part) :: 2]
    return list(measure(seeds, profile.pick(8000, 25000))) if seeds else []


def measure(seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """Train one cohort of the minimax GAN.

    ``good`` is how many of 2,500 samples lie within three sigma of a mode, which is the arm; ``at`` is the step.
    """
    chosen = objective("gan", optimizer=CRITIC)
    trained = cohort(Ring(), UnrolledDemoMlp(), chosen, seeds, steps, BATCH, generator_optimizer=GENERATOR)
    for at in pauses(trained, [steps * k // CHECKPOINTS for k in range(1, CHECKPOINTS + 1)]):
        for seed, samples in zip(seeds, measure_samples(trained), strict=True):
            for mode, n in enumerate(histogram(samples)):
                yield row("good", n, arm=f"mode {mode}", seed=seed, at=at)


DEMO_RING = Experiment("demo-ring", PARTS, run, 1.4)


# -- mode hopping ------------------------------------------------------------------------------------------------------

ENOUGH = 100  # good samples of a histogram

Counts = NDArray[np.float64]


def counts_by_seed(measurements: Measurements) -> dict[int, Counts]:
    """Good samples by seed: (checkpoints, modes)."""
    table = measurements[measurements["quantity"] == "good"].pivot(index=["seed", "at"], columns="arm", values="value")
    return {seed: table.loc[seed].to_numpy(dtype=float) for seed in measurements["seed"].unique()}


def hop_rate(counts: Counts) -> float:
    """Mean total variation between consecutive histograms; NaN where no two in a row have enough good samples.

    Args:
        counts: good samples of each mode at each checkpoint: (checkpoints, modes).
    """
    shares = [c / c.sum() if c.sum() >= ENOUGH else None for c in counts]
    hops = [0.5 * np.abs(a - b).sum() for a, b in pairwise(shares) if a is not None and b is not None]
    return float(np.mean(hops)) if hops else math.nan


def modes_note(measurements: Measurements) -> str:
    """How many modes have samples, and how many checkpoints too few."""
    counts = counts_by_seed(measurements).values()
    most = max(int((c > 0).sum(axis=1).max()) for c in counts)
    few = np.mean([(c.sum(axis=1) < ENOUGH).mean() for c in counts])
    filled = np.mean([(c > 0).sum(axis=1).mean() for c in counts])
    return (
        f"modes with a good sample: {filled:.1f} at a time, at most {most}; "
        f"{few:.0%} of the checkpoints have fewer than {ENOUGH} good samples and are passed over"
    )


HOPS = Rule(
    "hops",
    "total variation between the mode histograms of consecutive checkpoints with at least 100 good samples, "
    "mean over these, by seed",
    lambda measurements: [hop_rate(counts) for counts in counts_by_seed(measurements).values()],
    note=modes_note,
    above=0.3,
)

CLAIMS = (
    Claim(
        number=29,
        id="ring-mode-hopping",
        sentence="On the ring of eight Gaussians a standard GAN keeps moving its samples from mode to mode.",
        source="Metz et al. (2017), figure 2, and the authors' demo",
        protocol="ring (8 modes, sigma .02, radius 2); the demo's networks, two hidden tanh layers of 128 in both "
        "players and 256 latents, its minimax loss for the generator, Adam with beta1 .5 at 1e-4 for the critic and "
        "1e-3 for the generator; batch 128, 8,000 steps (full: 25,000), 6 seeds (full: 10). At 20 checkpoints, equally "
        "far apart, the histogram of the modes over those of 2,500 samples from fixed latents that lie within three "
        "sigma of one; pairs with fewer than 100 such samples are passed over, because a first trial on other seeds "
        "had a dozen of them early on, whose histograms differ by chance alone. The demo's batch is 512; its ring has "
        "seven modes, one of double weight. That unrolling ends the hopping is not tested: there is no unrolled "
        "objective here.",
        rules=(HOPS,),
        caveat="Mass that moves is not a mode that is lost: the note says how many modes have samples. The rate "
        "depends on how far apart the checkpoints are; by chance alone, 100 samples of equal modes differ by .15 from "
        "100 others. Other objectives, or equal learning rates, often do not hop.",
        experiments=(DEMO_RING,),
    ),
)
