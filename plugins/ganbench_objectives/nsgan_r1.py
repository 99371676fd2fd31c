"""The non-saturating GAN with a zero-centred gradient penalty on real samples."""

from dataclasses import dataclass

from ganbench import Optimizer, softplus
from ganbench_objectives.paper_or_code import PaperOrCode
from ganbench_objectives.penalties import gradient_squares


@dataclass(frozen=True)
class NonSaturatingR1(PaperOrCode):
    """Non-saturating GAN with the R1 penalty: Mescheder, Geiger & Nowozin (2018), Eq. 9, and their optimizer.

    The critic's gradient is drawn to zero on real samples, which makes training converge near the equilibrium. γ has
    units, those of the data squared: 10 is for images, and two-dimensional points want 1 or much less.

    Attributes:
        gamma: weight of the penalty γ/2 E ‖∇D(x)‖² over real samples.
        variant: the released code leaves out the half, so that the same γ weighs twice as much there.
    """

    name = "nsgan-r1"
    aliases = ("gan-r1", "r1")
    classifier = True
    traceable = True

    optimizer: Optimizer = Optimizer("rmsprop", lr=1e-4)
    gamma: float = 10.0

    def critic_loss(self, critic, real, fake, draw):
        weight = self.gamma if self.variant == "code" else self.gamma / 2
        penalty = weight * gradient_squares(critic, real).mean()
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean() + penalty

    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).mean()
