"""Small data, networks and games that checks train on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.engine.functional import Game, StepClock, StepInputs, Weights
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.draw import Draw, RandomSpec, RecordingDraw, ReplayingDraw, fill
from ganbench.interfaces.metric import Evaluator
from ganbench.interfaces.objective import Objective, constraint_of
from ganbench.networks.packing import Pack
from ganbench.rng import generator as stream
from ganbench.testing.dynamics import Gradient, VectorField

# -- data and networks -------------------------------------------------------------------------------------------------

WIDTH = 8
DOUBLE = torch.float64


@dataclass(frozen=True)
class ToyNetworks(Architecture):
    """One hidden layer each, with tanh, so that every derivative exists everywhere.

    Attributes:
        m: samples that the critic judges together; 1 judges each alone.
    """

    name = "toy"
    latent: int = 3
    m: int = 1

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to samples (batch, *sample_shape)."""
        last = nn.Linear(WIDTH, math.prod(sample_shape))
        return nn.Sequential(nn.Linear(self.latent, WIDTH), nn.Tanh(), last, nn.Unflatten(1, sample_shape))

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,)."""
        first = nn.Linear(self.m * math.prod(sample_shape), WIDTH)
        return CriticNetwork(nn.Sequential(Pack(self.m), nn.Flatten(), first, nn.Tanh()), WIDTH)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Any shape will do."""


@dataclass(frozen=True)
class ToyGaussian(Population):
    """Normal vectors of unit variance around a point that no generator starts at.

    Attributes:
        centre: every coordinate of that point.
    """

    centre: float = 2.0
    sample_shape: tuple[int, ...] = (2,)
    n_modes: int = 1
    n_samples: int = 256
    fingerprint: str = "cloud"

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """The samples themselves: (*shape, *sample_shape)."""
        return self.centre + torch.randn(*shape, *self.sample_shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The tickets are samples."""
        return tickets

    def to(self, device: torch.device) -> Self:
        """It lies nowhere."""
        return self

    def reference(self, n: int) -> Tensor:
        """The same n samples each time: (n, *sample_shape)."""
        return self.draw((n,), stream(0, "toy-reference"))

    def evaluator(self) -> Evaluator:
        """Toys are not evaluated."""
        raise NotImplementedError


@dataclass(frozen=True)
class Case:
    """One toy situation that an objective's losses are run in.

    Attributes:
        shape: of one sample.
        batch: samples of either kind.
        dtype: precision of everything.
        m: samples that the critic judges together.
        seed: of weights, data and random numbers.
        step, progress: where in the run it is.
        device: ``cpu``, or ``meta`` for tensors that have shapes and no numbers.
    """

    shape: tuple[int, ...] = (2,)
    batch: int = 8
    dtype: torch.dtype = torch.float32
    m: int = 1
    seed: int = 0
    step: int = 1
    progress: float = 0.0
    device: str = "cpu"

    def __str__(self) -> str:
        """In the words of a defect."""
        kind = "vectors" if len(self.shape) == 1 else "images"
        packed = f", a critic on packs of {self.m}" if self.m > 1 else ""
        return f"a batch of {self.batch} {kind} of shape {self.shape}{packed}"

    def game(self, objective: Objective) -> Game:
        """What one step computes, on networks without weights."""
        networks = ToyNetworks(m=self.m)
        with torch.device("meta"):
            return Game(objective, networks.generator(self.shape), networks.critic(self.shape), joint=self.m == 1)

    def clock(self) -> StepClock:
        """Where in the run it is."""
        step = torch.tensor(self.step, device=self.device)
        return StepClock(step, torch.tensor(self.progress, dtype=self.dtype, device=self.device))

    def begun(self, game: Game) -> StepInputs:
        """Weights, samples, latents and state: new tensors with the same numbers at each call."""
        weights = self._weights(game.generator, "generator"), self._weights(game.critic, "critic")
        real = self._normal("real", self.batch, *self.shape) + 1
        latent = self._normal("latent", self.batch, ToyNetworks.latent)
        bare = StepInputs(*weights, real, latent, [], {}, self.clock())
        return bare._replace(state=game.first_state(bare))

    def inputs(self, game: Game, loss: str = "critic_loss") -> StepInputs:
        """The same, with the numbers that ``loss`` draws."""
        begun = self.begun(game)
        return begun._replace(numbers=self.numbers(game.record_draws(loss, begun)))

    def numbers(self, specs: list[RandomSpec]) -> list[Tensor]:
        """What draws of these specs give."""
        rng = stream(self.seed, "toy-draw")
        return [fill(spec, 1, rng)[0].to(self.device, self.dtype) for spec in specs]

    def _weights(self, network: nn.Module, player: str) -> Weights:
        return {n: 0.5 * self._normal(f"{player}-{n}", *w.shape) for n, w in network.named_parameters()}

    def _normal(self, purpose: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=stream(self.seed, f"toy-{purpose}")).to(self.device, self.dtype)


def value_of(objective: Objective, game: Game, loss: str, inputs: StepInputs) -> Tensor:
    """One loss, outside any transform; gradients flow to whatever of ``inputs`` requires them."""
    fake = game.generate(inputs.generator, inputs.latent)
    critic = FunctionalCritic(game.critic, inputs.critic)
    value: Tensor = getattr(objective, loss)(critic, inputs.real, fake, inputs.draw())
    return value


# -- dirac objective ---------------------------------------------------------------------------------------------------

Array = NDArray[np.float64]
Loss = Callable[[Tensor, Tensor, Draw], Tensor]


class DiracCritic:
    """The critic ψx, of one start. Its only weight, a scalar, is called ``psi``."""

    def __init__(self, psi: Tensor) -> None:
        self.weights: Mapping[str, Tensor] = {"psi": psi}

    def __call__(self, x: Tensor) -> Tensor:
        """Scores (batch,) of points (batch, 1)."""
        return self.weights["psi"] * x[:, 0]

    def features(self, x: Tensor) -> Tensor:
        """The points themselves, (batch, 1): there is no hidden layer."""
        return x


def objective_field(objective: Objective, batch: int = 1, seed: int = 0) -> VectorField:
    """An objective's game, in double precision, at the beginning of a run (progress 0) and without carried state.

    Args:
        objective: whose losses and constraint; a schedule of its own must be switched off by its settings.
        batch: points of either kind, all real ones at 0 and all generated ones at θ; more than one averages an
            objective's randomness, which is drawn afresh for each start and each update.
        seed: of that randomness. The field carries it along: build a new one to repeat a trajectory.
    """
    real, rng = torch.zeros(batch, 1, dtype=torch.float64), torch.Generator().manual_seed(seed)

    def critic_loss(psi: Tensor, theta: Tensor, draw: Draw) -> Tensor:
        return objective.critic_loss(DiracCritic(psi), real, theta.expand(batch, 1), draw)

    def generator_loss(theta: Tensor, psi: Tensor, draw: Draw) -> Tensor:
        return objective.generator_loss(DiracCritic(psi), real, theta.expand(batch, 1), draw)

    critic, generator = _gradient(critic_loss, rng), _gradient(generator_loss, rng)
    return VectorField(critic, lambda psi, theta: generator(theta, psi), _constraint(objective))


def _gradient(loss: Loss, rng: torch.Generator) -> Gradient:
    """Derivative of a loss by its first number, for arrays (starts,) of both numbers."""
    drawn = _drawn_by(loss)

    def of_one_start(own: Tensor, other: Tensor, numbers: list[Tensor]) -> Tensor:
        return loss(own, other, ReplayingDraw(*_beginning(), numbers=numbers))

    vectorised = torch.func.vmap(torch.func.grad(of_one_start))

    def gradient(own: Array, other: Array) -> Array:
        numbers = [fill(spec, len(own), rng) for spec in drawn]
        result: Array = vectorised(torch.from_numpy(own), torch.from_numpy(other), numbers).numpy()
        return result

    return gradient


def _drawn_by(loss: Loss) -> list[RandomSpec]:
    """What random numbers a loss asks for."""
    draw, one = RecordingDraw(*_beginning()), torch.ones((), dtype=torch.float64)
    loss(one, one, draw)
    return draw.calls


def _beginning() -> tuple[Tensor, Tensor]:
    """Step and progress of the first update."""
    return torch.ones(()), torch.zeros((), dtype=torch.float64)


def _constraint(objective: Objective) -> Callable[[Array], Array]:
    constraint = constraint_of(objective)
    if constraint is None:
        return lambda psi: psi
    constrain = torch.func.vmap(lambda psi: constraint({"psi": psi}, Draw(*_beginning()))["psi"])

    def project(psi: Array) -> Array:
        projected: Array = constrain(torch.from_numpy(psi)).numpy()
        return projected

    return project
