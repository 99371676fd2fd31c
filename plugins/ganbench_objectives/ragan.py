"""The relativistic average GAN."""

import math
from dataclasses import dataclass

from ganbench import softplus
from ganbench_objectives.paper_or_code import PaperOrCode


@dataclass(frozen=True)
class RelativisticAverage(PaperOrCode):
    """Relativistic average GAN: Jolicoeur-Martineau (2018), Section 4 (RaSGAN).

    Each sample is compared with the mean score of the other kind. The generator plays the mirror image.

    Attributes:
        variant: the released code halves both losses.
    """

    name = "ragan"
    aliases = ("rasgan",)
    traceable = True

    def critic_loss(self, critic, real, fake, draw):
        return self.scale * relativistic(critic(real), critic(fake))

    def generator_loss(self, critic, real, fake, draw):
        return self.scale * relativistic(critic(fake), critic(real))

    def estimate(self, critic, real, fake):
        """Lower bound on half this game's own divergence: 0 where P_g = P_r, at most log 2."""
        return math.log(2) - 0.5 * relativistic(critic(real), critic(fake))

    @property
    def scale(self):
        return 0.5 if self.variant == "code" else 1.0


def relativistic(higher, lower):
    """−E log σ(h − E l) − E log σ(E h − l): what it costs that scores ``higher`` are not above ``lower``, a scalar."""
    return softplus(lower.mean() - higher).mean() + softplus(lower - higher.mean()).mean()
