"""The GAN with a gradient penalty around the data."""

from dataclasses import dataclass

from ganbench import Optimizer, softplus
from ganbench_objectives.paper_or_code import PaperOrCode
from ganbench_objectives.penalties import between, distance_from_one, gradient_norms


@dataclass(frozen=True)
class Dragan(PaperOrCode):
    """DRAGAN, a non-saturating GAN with a gradient penalty around the data: Kodali et al. (2017), Section 2.

    The critic's gradient is drawn towards norm one at x + δ for real x. The size of δ is given in standard deviations
    of the real batch, because the paper's own number is in units of its data.

    Attributes:
        weight: λ of λ E (‖∇D(x + δ)‖ − 1)².
        spread: size of δ, in standard deviations.
        variant: ``paper`` has δ ~ N(0, spread² I); the released code has the point at a share U[0, 1) of the way
            to x + spread · U[0, 1)^d, which moves every coordinate upwards.
    """

    name = "dragan"
    classifier = True
    traceable = True

    optimizer: Optimizer = Optimizer("adam", lr=1e-4, beta1=0.5, beta2=0.9)
    weight: float = 10.0
    spread: float = 0.5

    def critic_loss(self, critic, real, fake, draw):
        penalty = distance_from_one(gradient_norms(critic, self.around(real, draw)))
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean() + self.weight * penalty

    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).mean()

    def around(self, real, draw):
        """A point near every real sample: (batch, *sample)."""
        size = self.spread * real.std(correction=0)
        if self.variant == "code":
            return between(real, real + size * draw.uniform(*real.shape), draw)
        return real + size * draw.normal_like(real)
