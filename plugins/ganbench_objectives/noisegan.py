"""Instance noise."""

from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class InstanceNoise(Objective):
    """GAN with instance noise: Arjovsky & Bottou (2017), Section 3 and Corollary 3.2; Sønderby et al. (2016).

    Fresh Gaussian noise goes on real and on fake samples alike, so both have full-dimensional support and P_g = P_r
    stays optimal; the generator's gradient flows through its noised samples. The standard deviation falls linearly
    to zero.

    Attributes:
        sigma: standard deviation of the noise at the start, in units of the data (images span [-1, 1]).
        anneal_until: progress, from 0 to 1, at which the noise has gone; 0 keeps it constant.
        saturating: the minimax game's generator loss (Corollary 3.2); False gives −log D.
    """

    name = "noisegan"
    aliases = ("instance-noise",)
    classifier = True
    traceable = True

    sigma: float = 0.5
    anneal_until: float = 0.8
    saturating: bool = True

    def critic_loss(self, critic, real, fake, draw):
        a, b = critic(self.noised(real, draw)), critic(self.noised(fake, draw))
        return softplus(-a).mean() + softplus(b).mean()

    def generator_loss(self, critic, real, fake, draw):
        b = critic(self.noised(fake, draw))
        return -softplus(b).mean() if self.saturating else softplus(-b).mean()

    def noised(self, x, draw):
        left = (1 - draw.progress / self.anneal_until).clamp(min=0) if self.anneal_until else 1.0
        return x + self.sigma * left * draw.normal_like(x)
