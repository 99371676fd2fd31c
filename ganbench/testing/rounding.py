"""Where the critic is sure: gradients that careless formulas lose or blow up in single precision."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.draws import RecordingDraw
from ganbench.exhibits.dirac_objective import DiracCritic
from ganbench.testing.defect import Defect
from ganbench.testing.subject import Subject
from ganbench.testing.toys import DOUBLE

SCORES = (-100.0, -30.0, -20.0, -10.0, 10.0, 20.0, 30.0, 100.0)
TERMS = (("critic_loss", "real"), ("critic_loss", "fake"), ("generator_loss", "fake"))
CLOSE, VANISHED = 1e-3, 1e-6
LARGEST = torch.finfo(torch.float32).max ** 0.5  # what grows beyond does so by its own nature


def rounding(subject: Subject) -> Iterator[Defect]:
    """Gradients by the scores are the same in single and in double precision, however sure the critic is."""
    for loss, kind in TERMS:
        for score in SCORES:
            exact, single = (slope_by_score(subject, loss, kind, torch.tensor(score, dtype=d)) for d in PRECISIONS)
            if abs(exact) < LARGEST and not abs(single - exact) <= max(CLOSE * abs(exact), VANISHED):
                found = (
                    f"{loss}: at {kind} score {score:g} the gradient is {single:.3g} in float32, {exact:.3g} in float64"
                )
                yield Defect("rounding", found, "use ganbench.softplus on raw scores instead of log(sigmoid(...))")
                break


PRECISIONS = (DOUBLE, torch.float32)


def slope_by_score(subject: Subject, loss: str, kind: str, score: Tensor) -> float:
    """The derivative of a loss by the score of its only real or generated sample; the other sample scores 0.

    Under the critic x ↦ x a sample is its own score.
    """
    one, zero = score.new_ones(()), score.new_zeros(1, 1)
    critic = DiracCritic(one)
    clock, theta = (torch.tensor(1), score.new_zeros(())), {"theta": one}
    state = subject.instance.init_state(critic, RecordingDraw(*clock, {}, theta))

    def value(x: Tensor) -> Tensor:
        points = {"real": zero, "fake": zero, kind: x.reshape(1, 1)}
        draw = RecordingDraw(*clock, state, theta)
        result: Tensor = getattr(subject.instance, loss)(critic, points["real"], points["fake"], draw)
        return result

    gradient: Tensor = torch.func.grad(value)(score)
    return gradient.item()
