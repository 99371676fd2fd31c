"""Feature matching."""

from dataclasses import dataclass

from ganbench import softplus
from ganbench_objectives.paper_or_code import PaperOrCode


@dataclass(frozen=True)
class FeatureMatching(PaperOrCode):
    """GAN with feature matching: Salimans et al. (2016), Section 3.1.

    The critic learns as in the minimax game; the generator makes the mean of the critic's last hidden layer equal on
    real and generated samples, and does not look at scores.

    Attributes:
        variant: ``paper`` minimises ‖E f(x) − E f(G(z))‖²; the released code the mean absolute difference.
    """

    name = "feature-matching"
    classifier = True
    traceable = True

    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        apart = critic.features(real).mean(dim=0) - critic.features(fake).mean(dim=0)
        return apart.abs().mean() if self.variant == "code" else apart.square().sum()
