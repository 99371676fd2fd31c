"""Objectives: the losses of a GAN, and how its critic is trained and constrained."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor
from torch.nn.functional import logsigmoid

# -- losses ------------------------------------------------------------------------------------------------------------


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), elementwise, exact to rounding everywhere, and so is its gradient σ(x).

    ``torch.nn.functional.softplus`` turns linear above 20, which bends the gradient by 2e-9; forming σ and then its
    logarithm loses it altogether in float32 beyond 17, which looks like a vanishing gradient and is none.
    """
    return -logsigmoid(-x)


def js_lower_bound(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """A classifier's lower bound on the Jensen-Shannon divergence, in nats: at most log 2, a scalar.

    ½ (E log D(x) + E log(1 − D(G(z)))) + log 2, Goodfellow et al. (2014), Theorem 1, divided by two.

    Args:
        real_scores: raw scores of real samples, (batch,).
        fake_scores: raw scores of generated samples, (batch,).
    """
    return math.log(2.0) - 0.5 * (softplus(-real_scores).mean() + softplus(fake_scores).mean())


# -- objective ---------------------------------------------------------------------------------------------------------

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.interfaces.draw import Draw

    Weights = Mapping[str, Tensor]
    Constraint = Callable[[Weights, Draw], Weights]


class Critic(Protocol):
    """The critic of one seed, as a loss sees it. Raw scores; high means real, in every objective."""

    @property
    def weights(self) -> Weights:
        """The critic's parameters by name."""

    def __call__(self, x: Tensor) -> Tensor:
        """Scores of shape (batch,) for samples of shape (batch, *sample)."""

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer: (batch, width)."""


@dataclass(frozen=True)
class Optimizer:
    """A ``torch.optim`` optimizer by name, with its hyper-parameters.

    Attributes:
        name: ``adam``, ``rmsprop`` or ``sgd``.
        lr: learning rate.
        beta1, beta2: decay rates of Adam's moments; the others ignore them.
        alpha: RMSprop's decay rate; the others ignore it.
    """

    name: str = "adam"
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    alpha: float = 0.99

    NAMES: ClassVar[tuple[str, ...]] = ("adam", "rmsprop", "sgd")

    def __post_init__(self) -> None:
        if self.name not in self.NAMES:
            raise ValueError(f"optimizer {self.name!r} is not one of {', '.join(self.NAMES)}")
        if not self.lr > 0:
            raise ValueError(f"lr is {self.lr}; it must be above 0")


@dataclass(frozen=True)
class Objective:
    """Base class of all objectives. A subclass is a frozen dataclass whose fields are its hyper-parameters.

    Losses are the mathematics of one seed, as in the paper; the engine runs them for all seeds of a cohort at once
    (``torch.func.vmap``). ``real`` and ``fake`` have shape (batch, *sample); a loss is a scalar tensor to be minimised.
    ``draw`` is the only source of randomness. Losses are pure: nothing is changed in place, nothing is remembered.

    Class attributes:
        name: what ``--objectives`` calls it.
        aliases: further names.
        classifier: True where σ(score) is the probability of being real, so that zero divides real from fake and
            the default estimate is the Jensen-Shannon bound. Elsewhere only differences of scores mean anything.
        traceable: True promises that the methods are tensor operations alone, with no counter, print or branch on a
            value in them. They are then recorded once and replayed: faster, with the same numbers to the bit.
        vectorised: False says that ``torch.func.vmap`` cannot run the methods, so that seeds are run sequentially.
        couples_samples: True says that a loss depends on the batch as a whole, not on the mean over its samples: a
            statistic of the minibatch, or one random number for all of it. The conformance kit then compares no
            batch with the same batch twice over.

    Attributes:
        n_critic: critic updates per generator update.
        optimizer: used for both players unless the study says otherwise.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    classifier: ClassVar[bool] = False
    traceable: ClassVar[bool] = False
    vectorised: ClassVar[bool] = True
    couples_samples: ClassVar[bool] = False

    n_critic: int = 1
    optimizer: Optimizer = Optimizer()

    def __post_init__(self) -> None:
        if self.n_critic < 1:
            raise ValueError(f"n_critic is {self.n_critic}; it must be at least 1")

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """The critic's loss, a scalar. ``fake`` carries no gradient to the generator."""
        raise NotImplementedError

    def generator_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """The generator's loss, a scalar. Gradients flow through ``fake``; the critic is frozen."""
        raise NotImplementedError

    def estimate(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """What this critic says about the distance between real and fake, a scalar.

        Unless overridden: the Jensen-Shannon lower bound for classifiers, the score gap for the others.
        """
        if self.classifier:
            return js_lower_bound(critic(real), critic(fake))
        return critic(real).mean() - critic(fake).mean()

    def constrain(self, weights: Weights, draw: Draw | None = None) -> Weights:
        """The critic's weights after each of its updates, projected where the objective asks for it.

        ``draw`` has the clock and the state: ``draw.step``, ``draw.progress``, ``draw.state``, but no random numbers.
        An override may take the weights alone.
        """
        return weights

    def critic_steps(self, step: int) -> int:
        """How many critic updates precede generator update ``step`` (counted from 1)."""
        return self.n_critic

    def init_state(self, critic: Critic, draw: Draw) -> dict[str, Tensor]:
        """Tensors that the objective carries from step to step; losses find them in ``draw.state``."""
        return {}

    def update_state(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> dict[str, Tensor]:
        """The next state, computed after each generator update from the current ``draw.state``."""
        return dict(draw.state)


def constraint_of(objective: Objective) -> Constraint | None:
    """An objective's constraint as a function of weights and draw; None where it has none."""
    if type(objective).constrain is Objective.constrain:
        return None
    if _takes_draw(objective.constrain):
        return objective.constrain
    return lambda weights, draw: objective.constrain(weights)


def _takes_draw(constrain: Callable[..., Weights]) -> bool:
    """Whether a constraint wants the draw, too: a second argument of another name that has a default is its own."""
    return any(
        second.name == "draw" or second.kind is second.VAR_POSITIONAL or second.default is second.empty
        for second in list(inspect.signature(constrain).parameters.values())[1:2]
    )
