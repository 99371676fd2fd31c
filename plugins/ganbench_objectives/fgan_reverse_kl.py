"""The f-GAN of the reverse Kullback-Leibler divergence."""

from dataclasses import dataclass

from ganbench_objectives.fgan import FGan


@dataclass(frozen=True)
class FGanReverseKL(FGan):
    """f-GAN for KL(P_g‖P_r): f(u) = −log u, T(v) = −exp(−v), f*(t) = −1 − log(−t).

    Nowozin et al. (2016), Tables 1 and 2. The best critic scores log(p_r/p_g).
    """

    name = "fgan-reverse-kl"
    aliases = ("fgan-rkl",)
    traceable = True

    def activation(self, v):
        return -(-v).exp()

    def conjugate(self, v):
        return v - 1
