"""The f-GAN of Pearson's χ² divergence."""

from dataclasses import dataclass

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanPearson(FGan):
    """f-GAN for Pearson's χ²: f(u) = (u − 1)², T(v) = v, f*(t) = t²/4 + t.

    Nowozin et al. (2016), Tables 1 and 2. The best critic scores 2 (p_r/p_g − 1).
    """

    name = "fgan-pearson"
    aliases = ("fgan-chi2",)
    traceable = True

    def activation(self, v):
        return v

    def conjugate(self, v):
        return 0.25 * v.square() + v
