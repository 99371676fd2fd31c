"""The f-GAN of the Kullback-Leibler divergence."""

from dataclasses import dataclass

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanKL(FGan):
    """f-GAN for KL(P_r‖P_g): f(u) = u log u, T(v) = v, f*(t) = exp(t − 1).

    Nowozin et al. (2016), Tables 1 and 2. The best critic scores 1 + log(p_r/p_g). The exponential may
    overflow, and the seed then diverges.
    """

    name = "fgan-kl"
    aliases = ("fgan-forward-kl",)
    traceable = True

    def activation(self, v):
        return v

    def conjugate(self, v):
        return (v - 1).exp()
