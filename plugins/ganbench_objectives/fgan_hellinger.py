"""The f-GAN of the squared Hellinger distance."""

from dataclasses import dataclass

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanHellinger(FGan):
    """f-GAN for the squared Hellinger distance: f(u) = (√u − 1)², T(v) = 1 − exp(−v), f*(t) = t/(1 − t).

    Nowozin et al. (2016), Tables 1 and 2. The best critic scores ½ log(p_r/p_g).
    """

    name = "fgan-hellinger"
    aliases = ("fgan-squared-hellinger",)
    traceable = True

    def activation(self, v):
        return 1 - (-v).exp()

    def conjugate(self, v):
        return v.exp() - 1
