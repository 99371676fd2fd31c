"""The hinge GAN."""

from dataclasses import dataclass

import torch

from ganbench import Objective


@dataclass(frozen=True)
class Hinge(Objective):
    """Hinge GAN: Lim & Ye (2017), as Miyato et al. (2018) write it in Eqs. 16 and 17.

    Only samples inside the margin pull at the critic. Optimizer and ``n_critic`` are those of the plain GAN here;
    the papers pair this loss with spectral normalisation and with settings of their own.

    Attributes:
        margin: score beyond which a sample on its own side costs nothing.
    """

    name = "hinge"
    aliases = ("geometric-gan",)
    traceable = True

    margin: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(self.margin - critic(real)).mean() + torch.relu(self.margin + critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()

    def estimate(self, critic, real, fake):
        """Lower bound on the total variation distance: the best critic's loss is 2 margin (1 − TV)."""
        return 1 - self.critic_loss(critic, real, fake, None) / (2 * self.margin)
