"""The relativistic pairing GAN."""

import math
from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class RelativisticPairing(Objective):
    """Relativistic pairing GAN: Jolicoeur-Martineau (2018), Section 4 (RSGAN); Huang et al. (2024), Section 2.

    Each real sample is compared with one generated sample; only which of them scores higher matters. The generator
    plays the mirror image and needs the real samples too.
    """

    name = "rpgan"
    aliases = ("rsgan",)
    traceable = True

    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake) - critic(real)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return softplus(critic(real) - critic(fake)).mean()

    def estimate(self, critic, real, fake):
        """Lower bound on this game's own divergence, sup E log 2σ(D(x) − D(G(z))): 0 where P_g = P_r, at most log 2."""
        return math.log(2) - softplus(critic(fake) - critic(real)).mean()
