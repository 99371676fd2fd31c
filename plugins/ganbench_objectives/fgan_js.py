"""The f-GAN of the Jensen-Shannon divergence."""

import math
from dataclasses import dataclass

from ganbench import softplus
from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanJS(FGan):
    """f-GAN for twice JS(P_r, P_g): f(u) = u log u − (u + 1) log((1 + u)/2), T(v) = log 2 − log(1 + exp(−v)).

    Nowozin et al. (2016), Tables 1 and 2, with f*(t) = −log(2 − exp t). Its gradients are those of the minimax game,
    and with ``saturating=False`` those of the non-saturating one.
    """

    name = "fgan-js"
    aliases = ("fgan-jensen-shannon",)
    classifier = True
    traceable = True

    def activation(self, v):
        return math.log(2) - softplus(-v)

    def conjugate(self, v):
        return softplus(v) - math.log(2)
