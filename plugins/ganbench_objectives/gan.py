"""The minimax game."""

from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class Minimax(Objective):
    """Minimax GAN: Goodfellow et al. (2014), Eq. 1. Both players share one value function.

    The generator minimises E log(1 − D(G(z))). Its gradient by a score is −σ(score), which vanishes as the critic
    learns to tell fakes: Arjovsky & Bottou (2017), Theorem 2.4.
    """

    name = "gan"
    aliases = ("minimax",)
    classifier = True
    traceable = True

    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return -softplus(critic(fake)).mean()
