"""A critic whose optimizer is watched: does it step along the gradient, or uphill?"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganbench.cohort import Cohort
from ganbench.players import Player


@dataclass(frozen=True)
class WatchedPlayer(Player):
    """A player that records the cosine between each of its optimizer's steps and the negative gradient: (seeds,)."""

    cosines: list[Tensor] = field(default_factory=list)

    def update(self, gradient: Tensor) -> None:
        """One optimizer step with a flattened gradient."""
        before = self.flat.clone()
        super().update(gradient)
        self.cosines.append(torch.cosine_similarity(before - self.flat, gradient, dim=1))


def watch(trained: Cohort) -> list[Tensor]:
    """Record the cosines of the critic's steps from now on, before any projection of its weights, into this list."""
    critic = WatchedPlayer(**vars(trained.critic))
    trained.critic = critic
    return critic.cosines
