"""The regularised relativistic GAN."""

from dataclasses import dataclass

from ganbench import Optimizer
from ganbench_objectives.penalties import gradient_squares
from ganbench_objectives.rpgan import RelativisticPairing


@dataclass(frozen=True)
class RegularisedRelativistic(RelativisticPairing):
    """R3GAN's objective, relativistic pairing with R1 and R2: Huang et al. (2024), Section 2, and released code.

    The critic's gradient is drawn to zero on real and on generated samples alike. γ is in units of the data; the
    authors let it fall tenfold during a run (from 0.05 on CIFAR-10, 2 on FFHQ at 64 pixels, 150 at 256), as they do
    with the learning rate, and β₂ rise from 0.9 to 0.99: here all three stand still.

    Attributes:
        gamma: weight of γ/2 (E ‖∇D(x)‖² + E ‖∇D(G(z))‖²).
        r2: False leaves the generated samples' half out.
    """

    name = "r3gan"
    aliases = ("rpgan-r1-r2",)
    traceable = True

    optimizer: Optimizer = Optimizer("adam", lr=2e-4, beta1=0.0, beta2=0.9)
    gamma: float = 0.5
    r2: bool = True

    def critic_loss(self, critic, real, fake, draw):
        penalty = gradient_squares(critic, real).mean()
        if self.r2:
            penalty = penalty + gradient_squares(critic, fake).mean()
        return super().critic_loss(critic, real, fake, draw) + self.gamma / 2 * penalty
