"""The Wasserstein GAN with weight clipping."""

from dataclasses import dataclass

from ganbench import Objective, Optimizer


@dataclass(frozen=True)
class WassersteinClip(Objective):
    """Wasserstein GAN with weight clipping: Arjovsky, Chintala & Bottou (2017), Algorithm 1.

    The critic's score gap estimates K·W for the Lipschitz constant K that the clipping happens to allow.

    Attributes:
        clip: every critic weight is clamped to [-clip, clip] after each critic update (before, in the released code).
    """

    name = "wgan"
    aliases = ("wgan-clip",)
    traceable = True

    n_critic: int = 5
    optimizer: Optimizer = Optimizer("rmsprop", lr=5e-5)
    clip: float = 0.01

    def critic_loss(self, critic, real, fake, draw):
        return critic(fake).mean() - critic(real).mean()

    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()

    def constrain(self, weights):
        return {name: w.clamp(-self.clip, self.clip) for name, w in weights.items()}
