"""Small stand-ins: a population and an architecture whose numbers can be followed by hand."""

from dataclasses import dataclass, field
from typing import Any

import torch
from ganbench_objectives.gan import Minimax
from torch import nn

from ganbench import Architecture, CriticNetwork, Population
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import train
from ganbench.errors import DataError
from ganbench.interfaces.metric import Evaluator


class Gaussian(Population):
    """A standard normal cloud around (3, 3)."""

    sample_shape = (2,)
    n_modes = 1
    n_samples = 100
    fingerprint = "gaussian"

    def draw(self, shape, rng):
        return 3 + torch.randn(*shape, 2, generator=rng)

    def take(self, tickets):
        return tickets

    def to(self, device):
        return self

    def reference(self, n):
        return self.draw((n,), torch.Generator().manual_seed(0))

    def evaluator(self):
        raise NotImplementedError


@dataclass(frozen=True)
class Tiny(Architecture):
    """Two layers each."""

    name = "tiny"
    latent: int = 4

    def generator(self, sample_shape):
        return nn.Sequential(nn.Linear(self.latent, 16), nn.ReLU(), nn.Linear(16, *sample_shape))

    def critic(self, sample_shape):
        return CriticNetwork(nn.Sequential(nn.Linear(*sample_shape, 16), nn.ReLU()), 16)

    def check(self, sample_shape):
        pass


def make_cohort(objective: Any, seeds: tuple[int, ...] = (0, 1, 2), steps: int = 20, **changes: Any) -> Cohort:
    """A cohort on the toy population."""
    config = {
        "population": Gaussian(),
        "architecture": Tiny(),
        "objective": objective,
        "steps": steps,
        "batch_size": 16,
    }
    return Cohort(TrainingConfig(**{**config, **changes}), seeds)


def readings_of(cohort: Cohort, stops: set[int] = frozenset()) -> torch.Tensor:
    """All readings of a run, (steps, seeds, readings)."""
    return torch.cat([torch.from_numpy(s.readings) for s in train(cohort, set(stops))])


def counting(calls: list) -> Minimax:
    """An objective that promises nothing, and notes every call of its critic's loss."""

    @dataclass(frozen=True)
    class Counting(Minimax):
        traceable = False

        def critic_loss(self, critic, real, fake, draw):
            calls.append(1)
            return super().critic_loss(critic, real, fake, draw)

    return Counting()


@dataclass
class LinearCritic:
    """Mescheder's Dirac-GAN critic: score = ψ·x."""

    psi: torch.Tensor
    weights: dict = field(default_factory=dict)

    def __call__(self, x):
        return (self.psi * x).reshape(len(x), -1).sum(1)

    def features(self, x):
        return x


class Missing(Evaluator):
    """Has a name, and no weights."""

    name = "famous-net"
    n_modes = 0
    reason = "no weights at home"

    def measure(self, points):
        raise DataError(self.reason)


class Cloud(Gaussian):
    """The toy population with an evaluator."""

    def __init__(self, evaluator):
        self._evaluator = evaluator

    def evaluator(self):
        return self._evaluator
