"""Training a generator of one parameter on parallel lines, where no divergence but W says how far apart they are.

Arjovsky, Chintala & Bottou (2017), Example 1: real points (0, y), generated points (θ, y), y uniform on [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import cohort, objective, training
from ganbench.cohort import Cohort
from ganbench.dataset import Dataset, Population
from ganbench.datasets.points import Points
from ganbench.networks.architecture import Architecture, CriticNetwork
from ganbench.networks.mlp import Mlp
from ganbench.objective import Optimizer

STEPS = 150  # of the generator
TAIL = 50  # last steps, over which |θ| is averaged
STARTS = (0.5, 1.0, 2.0)  # |θ₀|
OPTIMIZERS = {"sgd": Optimizer("sgd", lr=0.1), "adam": Optimizer("adam", lr=0.03)}
CLASSIFIER = Optimizer("adam", lr=1e-3)
ARMS: dict[str, dict[str, Any]] = {
    "gan": {"optimizer": CLASSIFIER},
    "nsgan": {"optimizer": CLASSIFIER},
    "wgan": {"optimizer": Optimizer("rmsprop", lr=1e-3), "clip": 0.05},
    "wgan-gp": {"optimizer": Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9)},
}


@dataclass(frozen=True)
class Line(Dataset):
    """The real line: (0, y), y uniform on [0, 1]."""

    name = "line"

    def load(self, root: Path) -> Population:
        """Fresh points without end; ``root`` is not read."""
        return Points(_line, torch.empty(0, 2), torch.empty(0), repr(self))


def _line(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    y = torch.rand(shape, generator=rng)
    return torch.stack([torch.zeros_like(y), y], dim=-1)


class ScalarGenerator(nn.Module):
    """Latents (batch, 1) to (θ, Φ(z)): a line at θ, the only parameter."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([start]))

    def forward(self, z: Tensor) -> Tensor:
        """Points (batch, 2)."""
        return torch.cat([self.theta.expand_as(z), torch.special.ndtr(z)], dim=1)


@dataclass(frozen=True)
class ScalarLine(Architecture):
    """One parameter against an MLP critic of two hidden layers of 128 ReLU units.

    Attributes:
        start: θ₀.
    """

    name = "scalar-line"
    latent: int = 1
    start: float = 1.0

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """The line at θ₀, the same for every seed."""
        return ScalarGenerator(self.start)

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """That of ``mlp``."""
        return Mlp().critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Lines lie in the plane."""


def courses(trained: Cohort) -> NDArray[np.float64]:
    """θ after every generator step: (steps, seeds)."""
    stops = range(1, trained.setting.steps + 1)
    return np.array([_thetas(trained) for _ in training(trained, stops)])


def _thetas(trained: Cohort) -> NDArray[np.float64]:
    thetas = trained.generator.weights["theta"][: len(trained.seeds), 0]
    return thetas.double().numpy().copy()


def arm(name: str, optimizer: str, n_critic: int) -> str:
    """What a combination is called."""
    return f"{name}, {optimizer}, n_critic {n_critic}"


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one objective, or of the starts; those of wgan-gp under the full profile only."""
    if part == "starts":
        return list(from_starts(profile.replications(20), STEPS))
    if part == "wgan-gp" and profile.name == "quick":
        return []
    counts = profile.pick((1, 10), (1, 5, 10, 20))
    return list(by_critic_steps(part, counts, profile.replications(profile.pick(10, 20)), STEPS))


def by_critic_steps(name: str, counts: Sequence[int], seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """``final``: |θ| after the last step from θ₀ = 1, with so many critic updates a step."""
    for label, optimizer in OPTIMIZERS.items():
        for n in counts:
            thetas = _course(name, n, optimizer, 1.0, seeds, steps)
            for seed, theta in zip(seeds, thetas[-1], strict=True):
                yield row("final", abs(theta), arm=arm(name, label, n), seed=seed, at=1.0)


def from_starts(seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """``tail``: |θ| averaged over the last steps of nsgan with one critic update a step, with θ₀ as ``at``."""
    for label, optimizer in OPTIMIZERS.items():
        for start in STARTS:
            tails = np.abs(_course("nsgan", 1, optimizer, start, seeds, steps)[-TAIL:]).mean(axis=0)
            for seed, tail in zip(seeds, tails, strict=True):
                yield row("tail", tail, arm=arm("nsgan", label, 1), seed=seed, at=start)


def _course(
    name: str, n_critic: int, optimizer: Optimizer, start: float, seeds: Sequence[int], steps: int
) -> NDArray[np.float64]:
    chosen = objective(name, n_critic=n_critic, **ARMS[name])
    return courses(cohort(Line(), ScalarLine(start=start), chosen, seeds, steps, generator_optimizer=optimizer))


EXPERIMENT = Experiment("scalar-generator", (*ARMS, "starts"), run, 0.5)
