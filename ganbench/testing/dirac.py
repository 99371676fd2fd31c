"""The Dirac-GAN of an objective (Mescheder et al. 2018): who moves where, and whether a closed form agrees.

Real mass at ρ, generator at θ, critic ψx; high means real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganbench.interfaces.draw import Draw, RecordingDraw, ReplayingDraw, fill
from ganbench.interfaces.objective import Objective
from ganbench.testing.candidate import LOSSES, Candidate, Defect, Finding, Unchecked
from ganbench.testing.dynamics import random_starts
from ganbench.testing.losses import slope_by_score
from ganbench.testing.toys import DiracCritic

CLOCK = torch.tensor(1), torch.tensor(0.0, dtype=torch.float64)
SPREAD = torch.tensor([-0.1, 0.0, 0.1, 0.2], dtype=torch.float64)[:, None]  # so that no statistic of a batch is zero
UNDECIDED, DECIDED = 1e-3, 1.0  # the slope ψ of a critic that knows little, and of one that knows
CLOSED_FORM = "dirac"  # the optional method: (ψ, θ) to (∂ critic loss/∂ψ, ∂ generator loss/∂θ) with real mass at 0
POINTS, SAMPLES = 40, 20_000


@dataclass(frozen=True)
class Game:
    """An objective's game, in double precision, at the beginning of a run.

    Attributes:
        objective: whose losses.
        real: real samples, (batch, 1).
        spread: how the generated samples lie around θ, (batch, 1).
    """

    objective: Objective
    real: Tensor
    spread: Tensor

    def gradients(self, psi: float, theta: float) -> tuple[float, float]:
        """∂ critic loss/∂ψ and ∂ generator loss/∂θ."""
        p, t = (torch.tensor(x, dtype=torch.float64) for x in (psi, theta))
        draws = {loss: self._draw(loss, p, t) for loss in LOSSES}
        by_psi = torch.func.grad(lambda own: self._value("critic_loss", own, t, draws["critic_loss"]))(p)
        by_theta = torch.func.grad(lambda own: self._value("generator_loss", p, own, draws["generator_loss"]))(t)
        return by_psi.item(), by_theta.item()

    def is_random(self) -> bool:
        """Whether a loss draws."""
        one = torch.ones((), dtype=torch.float64)
        return any(self._draw(loss, one, one).numbers for loss in LOSSES)

    def _draw(self, loss: str, psi: Tensor, theta: Tensor) -> ReplayingDraw:
        """What a loss draws and carries, with the players at ψ and θ."""
        state = self.objective.init_state(DiracCritic(psi), RecordingDraw(*CLOCK, {}, {"theta": theta}))
        asked = RecordingDraw(*CLOCK, state, {"theta": theta})
        self._value(loss, psi, theta, asked)
        rng = torch.Generator().manual_seed(0)
        return ReplayingDraw(*CLOCK, state, numbers=[fill(spec, 1, rng)[0].double() for spec in asked.calls])

    def _value(self, loss: str, psi: Tensor, theta: Tensor, draw: Draw) -> Tensor:
        draw.generator_weights = {"theta": theta}
        value: Tensor = getattr(self.objective, loss)(DiracCritic(psi), self.real, theta + self.spread, draw)
        return value


def signs(subject: Candidate) -> Iterator[Defect]:
    """The critic learns to score real samples higher; under such a critic the generator moves towards them."""
    game = Game(subject.instance, 1 + SPREAD, SPREAD)
    if not game.gradients(UNDECIDED, -1.0)[0] < 0:
        reason = "a step on critic_loss makes an undecided critic score generated samples higher"
        yield Defect(
            "signs", reason, "turn the signs of critic_loss: it is minimised, and a high score means real", "critic"
        )
    if not game.gradients(DECIDED, -1.0)[1] < 0:
        reason = "a step on generator_loss moves generated samples away from where the critic scores high"
        yield Defect(
            "signs",
            reason,
            "turn the sign of generator_loss: it is minimised, and a high score means real",
            "generator",
        )


SCORES = (-10.0, -3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0, 10.0)


def sides(subject: Candidate) -> Iterator[Defect]:
    """The critic's loss wants a high score of real samples and, of itself, a low one of generated samples."""
    slopes = {kind: [_slope(subject, kind, score) for score in SCORES] for kind in ("real", "fake")}
    real_is_wrong = _rises([-slope for slope in reversed(slopes["real"])])
    fake_is_wrong = _rises(slopes["fake"])
    if real_is_wrong and not fake_is_wrong:
        reason = "critic_loss rises as real samples score higher"
        yield Defect("sides", reason, "turn the sign of the term with critic(real): its score is to rise", "real")
    if fake_is_wrong and not real_is_wrong:
        reason = "critic_loss falls as generated samples score higher"
        yield Defect("sides", reason, "turn the sign of the term with critic(fake): its score is to fall", "fake")


def _slope(subject: Candidate, kind: str, score: float) -> float:
    return slope_by_score(subject, "critic_loss", kind, torch.tensor(score, dtype=torch.float64))


def _rises(slopes: list[float]) -> bool:
    """Whether a term pushes generated samples up, given its slopes by their score, from low scores to high ones.

    A term may pull scores towards a target from both sides, and it may be zero.
    """
    return slopes[-1] < 0 or (max(slopes) <= 0 and min(slopes) < 0)


def dirac(subject: Candidate) -> Iterator[Finding]:
    """The gradients are those of the closed form that the class gives, if it gives one."""
    closed = getattr(subject.instance, CLOSED_FORM, None)
    if closed is None:
        yield Unchecked("dirac", "no closed form to compare with: the class has no method dirac(self, psi, theta)")
        return
    alone = torch.zeros(1, 1, dtype=torch.float64)
    random = Game(subject.instance, alone, alone).is_random()
    points = alone.expand(SAMPLES if random else 1, 1)
    game, tolerance = Game(subject.instance, points, points), 0.05 if random else 1e-6
    starts = zip(*(x.tolist() for x in random_starts(POINTS, np.random.default_rng(0))), strict=True)
    for psi, theta in starts:
        p, t = (torch.tensor(x, dtype=torch.float64) for x in (psi, theta))
        pairs = zip(("critic_loss by ψ", "generator_loss by θ"), game.gradients(psi, theta), closed(p, t), strict=True)
        for name, got, wanted in pairs:
            if not abs(got - float(wanted)) <= tolerance * max(1.0, abs(float(wanted))):
                found = f"at ψ = {psi:.3g}, θ = {theta:.3g} the gradient of {name} is {got:.6g}"
                yield Defect("dirac", f"{found}; the closed form says {float(wanted):.6g}", FIX, "closed-form")
                return


FIX = "mend the loss, or the method dirac"
