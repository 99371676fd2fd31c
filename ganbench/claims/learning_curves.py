"""Training runs that several claims read: what the critic says about its distance, the distance itself, and the modes.

A curve is one objective on one dataset, all its seeds as one cohort. At every checkpoint it gives ``estimate``, the
median of the critic's estimate over the 101 steps around it (the window shortens at both ends of a run), and
``sliced_w1`` of the frozen generator. Every single estimate comes from samples that the critic has not seen yet. At
the end it gives the modes that have samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.claims import lab
from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.datasets.synthetic import Grid, Ring, Ring64
from ganbench.engine.readings import READINGS
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.metric import Measured
from ganbench.interfaces.objective import Objective, Optimizer
from ganbench.metrics.modes import ModeKL, histogram
from ganbench.networks.mlp import Mlp

CHECKPOINTS = 40
SHORT, LONG = 1200, 2000  # generator steps
WINDOW = 101  # steps of the median filter: what the authors of the Wasserstein GAN drew figures 3 and 4 with
FAIR_SHARE = 0.01  # of a mode's fair share: the stricter count of modes

# The published rate of 5e-5 hardly moves a generator within two thousand steps.
CLIPPED = Optimizer("rmsprop", lr=5e-4)
MOMENTUM = Optimizer("adam", lr=5e-4, beta1=0.9)


@dataclass(frozen=True)
class TrainingRun:
    """One objective on one dataset.

    Attributes:
        arm: what measurements call it.
        objective, settings: name and fields.
        quick, full: replications and generator steps under each profile; no replications mean that it is left out.
        first, beyond: which of the replications, so that long curves can be halved.
        generator: the generator's optimizer, where it is not the objective's.
        watched: whether to record the cosine between the critic's steps and its negative gradients.
    """

    arm: str
    dataset: Dataset
    objective: str
    settings: dict[str, Any] = field(default_factory=dict)
    quick: tuple[int, int] = (6, SHORT)
    full: tuple[int, int] = (10, LONG)
    first: int = 0
    beyond: int | None = None
    generator: Optimizer | None = None
    watched: bool = False

    def seeds(self, profile: Profile) -> tuple[int, ...]:
        """Its replications."""
        n = profile.pick(self.quick, self.full)[0]
        return profile.replications(n)[self.first : self.beyond] if n else ()

    def steps(self, profile: Profile) -> int:
        """Its generator steps."""
        return profile.pick(self.quick, self.full)[1]

    def made(self) -> Objective:
        """Its objective."""
        return lab.objective(self.objective, **self.settings)

    def architecture(self) -> Mlp:
        """Two hidden layers of 128; the surface in 64 dimensions gets a latent of eight, as its own has only two."""
        return Mlp(latent=8) if isinstance(self.dataset, Ring64) else Mlp()


CLIP = {"clip": 0.05, "optimizer": CLIPPED}
TWENTY, NONE = (20, LONG), (0, LONG)
CURVES = {
    "ring-wgan": TrainingRun("ring/wgan", Ring(), "wgan", CLIP, quick=TWENTY, full=TWENTY, beyond=10),
    "ring-wgan-rest": TrainingRun("ring/wgan", Ring(), "wgan", CLIP, quick=TWENTY, full=TWENTY, first=10),
    "ring-nsgan": TrainingRun("ring/nsgan", Ring(), "nsgan", quick=TWENTY, full=TWENTY),
    "ring-nsgan-5": TrainingRun("ring/nsgan-5", Ring(), "nsgan", {"n_critic": 5}),
    "ring-wgan-gp": TrainingRun("ring/wgan-gp", Ring(), "wgan-gp"),
    "grid-wgan": TrainingRun("grid/wgan", Grid(), "wgan", CLIP, full=TWENTY, beyond=10),
    "grid-wgan-rest": TrainingRun("grid/wgan", Grid(), "wgan", CLIP, quick=NONE, full=TWENTY, first=10),
    "grid-nsgan": TrainingRun("grid/nsgan", Grid(), "nsgan", quick=NONE, full=TWENTY),
    "grid-wgan-gp": TrainingRun("grid/wgan-gp", Grid(), "wgan-gp"),
    "ring64-wgan": TrainingRun("ring64/wgan", Ring64(), "wgan", CLIP),
    "ring64-nsgan": TrainingRun("ring64/nsgan", Ring64(), "nsgan"),
    "ring64-nsgan-5": TrainingRun("ring64/nsgan-5", Ring64(), "nsgan", {"n_critic": 5}),
    "ring-wgan-momentum": TrainingRun(
        "ring/wgan-momentum",
        Ring(),
        "wgan",
        {"clip": 0.05, "optimizer": MOMENTUM},
        quick=(6, 1500),
        generator=CLIPPED,
        watched=True,
    ),
}


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of a curve."""
    curve, seeds = CURVES[part], CURVES[part].seeds(profile)
    return list(follow(curve, seeds, curve.steps(profile), profile.pick(SHORT, LONG) // CHECKPOINTS)) if seeds else []


def follow(curve: TrainingRun, seeds: Sequence[int], steps: int, every: int) -> Iterator[dict[str, Any]]:
    """Train one cohort and measure it: at every so many steps, and at the end.

    Quantities: ``estimate``, ``sliced_w1`` and, where the critic is watched, ``cosine``, the mean cosine of its updates
    since the last checkpoint, and ``negative``, the share of those that went uphill; at the end what ``coverage``
    gives; and ``floor``, sliced W1 of as many real samples.
    """
    samples = lab.population(curve.dataset)
    trained = lab.cohort(samples, curve.architecture(), curve.made(), seeds, steps, generator_optimizer=curve.generator)
    watched = lab.track_cosines(trained) if curve.watched else []
    real, estimates = lab.measure_reference(samples), []
    stops = {*range(every, steps + 1, every), steps}
    for chunk in lab.training(trained, stops):
        estimates.append(chunk.readings[:, :, READINGS.index("estimate")])
        if chunk.last in stops:
            fakes = lab.measure_samples(trained)
            for k, seed in enumerate(seeds):
                yield row("sliced_w1", lab.sliced_w1(fakes[k], real), arm=curve.arm, seed=seed, at=chunk.last)
            yield from _cosines(curve.arm, seeds, chunk.last, watched)
    yield from _filtered(curve.arm, seeds, np.concatenate(estimates), sorted(stops))
    for k, seed in enumerate(seeds):
        yield from (row(q, v, arm=curve.arm, seed=seed, at=steps) for q, v in coverage(fakes[k], real).items())
    yield row("floor", lab.sliced_w1_floor(samples, real), arm=curve.arm)


def coverage(fake: Measured, real: Measured) -> dict[str, float]:
    """How many modes a generator's samples cover; none and NaN where a sample is not finite.

    ``modes`` asks for one sample within three standard deviations, ``modes_fair`` for 1 % of a mode's fair share, and
    ``modes_near`` for as many that are nearest to it, however far: what it lacks has collapsed, and what only the
    others lack may be unconverged.
    """
    if not np.isfinite(fake.points).all():
        return {"modes": 0.0, "modes_fair": 0.0, "modes_near": 0.0, "high_quality": 0.0, "mode_kl": np.nan}
    counts, least = histogram(fake), max(1.0, FAIR_SHARE * len(fake) / fake.n_modes)
    near = np.bincount(fake.modes, minlength=fake.n_modes)
    numbers = {"modes": (counts > 0).sum(), "modes_fair": (counts >= least).sum(), "modes_near": (near >= least).sum()}
    numbers |= {"high_quality": fake.good.mean(), "mode_kl": ModeKL().value(fake, real)}
    return {name: float(number) for name, number in numbers.items()}


def _filtered(
    arm: str, seeds: Sequence[int], estimates: NDArray[np.float64], stops: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The median-filtered estimate of every seed at the checkpoints; ``estimates`` is (steps, seeds)."""
    smooth = pd.DataFrame(estimates).rolling(WINDOW, center=True, min_periods=1).median().to_numpy()
    for k, seed in enumerate(seeds):
        yield from (row("estimate", smooth[at - 1, k], arm=arm, seed=seed, at=at) for at in stops)


def _cosines(arm: str, seeds: Sequence[int], at: int, watched: list[Tensor]) -> Iterator[dict[str, Any]]:
    """Mean cosine and share of negative ones of every seed since the last call."""
    if watched:
        cosines = torch.stack(watched).double()
        watched.clear()
        for k, seed in enumerate(seeds):
            yield row("cosine", float(cosines[:, k].mean()), arm=arm, seed=seed, at=at)
            yield row("negative", float((cosines[:, k] < 0).double().mean()), arm=arm, seed=seed, at=at)


RING_WGAN = Experiment("curves-ring-wgan", ("ring-wgan",), run, 2.1)
RING_WGAN_REST = Experiment("curves-ring-wgan-rest", ("ring-wgan-rest",), run, 2.1)
RING_NSGAN = Experiment("curves-ring-nsgan", ("ring-nsgan",), run, 1.4)
GRID_WGAN = Experiment("curves-grid-wgan", ("grid-wgan",), run, 0.8)
PENALTY = Experiment("curves-wgan-gp", ("ring-wgan-gp", "grid-wgan-gp"), run, 1.3)
JENSEN_SHANNON = Experiment(
    "curves-jensen-shannon", ("ring-nsgan-5", "ring64-wgan", "ring64-nsgan-5", "ring64-nsgan"), run, 1.0
)
GRID_REST = Experiment("curves-grid-rest", ("grid-wgan-rest", "grid-nsgan"), run, 0.1)
MOMENTUM_CURVE = Experiment("curves-momentum", ("ring-wgan-momentum",), run, 1.0)
