"""The f-GAN of Neyman's χ² divergence."""

from dataclasses import dataclass

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanNeyman(FGan):
    """f-GAN for Neyman's χ²: f(u) = (1 − u)²/u, T(v) = 1 − exp(−v), f*(t) = 2 − 2√(1 − t).

    Nowozin et al. (2016), supplement. The best critic scores 2 log(p_r/p_g).
    """

    name = "fgan-neyman"
    traceable = True

    def activation(self, v):
        return 1 - (-v).exp()

    def conjugate(self, v):
        return 2 - 2 * (-0.5 * v).exp()
