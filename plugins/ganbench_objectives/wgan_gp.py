"""The Wasserstein GAN with gradient penalty."""

from dataclasses import dataclass

from ganbench import Objective, Optimizer
from ganbench_objectives.penalties import between, distance_from_one, gradient_norms


@dataclass(frozen=True)
class WassersteinPenalty(Objective):
    """Wasserstein GAN with gradient penalty: Gulrajani et al. (2017), Eq. 3 and Algorithm 1, with its defaults.

    The critic's gradient is drawn towards norm one on lines between real and generated samples, so that its score gap
    estimates the Wasserstein-1 distance itself. The released code has the same formula; its two-dimensional examples
    use ``weight`` 0.1 and ``beta1`` 0.5.

    Attributes:
        weight: λ of the penalty λ E (‖∇D(x̂)‖ − 1)².
        one_sided: penalise norms above one only (Section 4, "two-sided penalty").
    """

    name = "wgan-gp"
    traceable = True

    n_critic: int = 5
    optimizer: Optimizer = Optimizer("adam", lr=1e-4, beta1=0.0, beta2=0.9)
    weight: float = 10.0
    one_sided: bool = False

    def critic_loss(self, critic, real, fake, draw):
        penalty = distance_from_one(gradient_norms(critic, between(real, fake, draw)), self.one_sided)
        return critic(fake).mean() - critic(real).mean() + self.weight * penalty

    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()
