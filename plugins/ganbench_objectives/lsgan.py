"""The least-squares GAN."""

from dataclasses import dataclass

from ganbench import Objective


@dataclass(frozen=True)
class LeastSquares(Objective):
    """Least-squares GAN: Mao et al. (2017), Eq. 2, with the targets of its Eq. 9 and a linear score.

    Passing the score through a sigmoid first, as some suites do, is another objective. The targets −1, 1 and 0 make
    the generator's game the Pearson χ² divergence of p_r + p_g from 2 p_g (their Eq. 8).

    Attributes:
        fake_target: a, where the critic's loss puts scores of generated samples.
        real_target: b, where it puts those of real samples.
        generator_target: c, where the generator's loss puts scores of generated samples.
    """

    name = "lsgan"
    aliases = ("least-squares",)
    traceable = True

    fake_target: float = 0.0
    real_target: float = 1.0
    generator_target: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        on_real = (critic(real) - self.real_target).square().mean()
        return 0.5 * on_real + 0.5 * (critic(fake) - self.fake_target).square().mean()

    def generator_loss(self, critic, real, fake, draw):
        return 0.5 * (critic(fake) - self.generator_target).square().mean()

    def estimate(self, critic, real, fake):
        """Lower bound on the triangular discrimination ∫ (p_r − p_g)² / (p_r + p_g), which lies between 0 and 2.

        The best critic's loss is (b − a)² / 8 times two less that divergence.
        """
        return 2 - 8 * self.critic_loss(critic, real, fake, None) / (self.real_target - self.fake_target) ** 2
