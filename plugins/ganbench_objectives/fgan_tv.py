"""The f-GAN of the total variation distance."""

from dataclasses import dataclass

import torch

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanTV(FGan):
    """f-GAN for the total variation distance: f(u) = ½|u − 1|, T(v) = ½ tanh v, f*(t) = t.

    Nowozin et al. (2016), supplement. The best critic is infinitely sure everywhere, and its gradient fades on the way.
    """

    name = "fgan-tv"
    aliases = ("fgan-total-variation",)
    traceable = True

    def activation(self, v):
        # ½ tanh v by exp(−2|v|): tanh's own derivative, 1 − tanh², loses all digits beyond 19.
        positive = v > 0
        tail = (-2 * torch.where(positive, v, -v)).exp()
        half = 0.5 * (1 - tail) / (1 + tail)
        return torch.where(positive, half, -half)

    def conjugate(self, v):
        return self.activation(v)
