"""The −log D trick."""

from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class NonSaturating(Objective):
    """Non-saturating GAN, the −log D trick: Goodfellow et al. (2014), Section 3.

    The critic is the minimax game's; the generator minimises −E log D(G(z)), whose gradient by a score is −σ(−score):
    strong where the critic is sure, and, at an optimal critic, that of KL(P_g‖P_r) − 2 JS (Arjovsky & Bottou 2017,
    Theorem 2.5).
    """

    name = "nsgan"
    aliases = ("logd",)
    classifier = True
    traceable = True

    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).mean()
