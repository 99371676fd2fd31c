"""The hinge GAN with the LeCam regulariser."""

from dataclasses import dataclass

import torch

from ganbench_objectives.hinge import Hinge
from ganbench_objectives.paper_or_code import PaperOrCode


@dataclass(frozen=True)
class LeCam(PaperOrCode, Hinge):
    """Hinge GAN with the LeCam regulariser: Tseng et al. (2021), Section 3.

    Scores are drawn to anchors, the moving averages of the other kind's mean scores:
    λ (E (D(x) − α_F)² + E (D(G(z)) − α_R)²). The averages are taken after each generator step and corrected for
    their start at zero; before the first there is no penalty. λ is that of the authors' CIFAR-10 script, the decay that
    of their StyleGAN2 code.

    Attributes:
        weight: λ.
        decay: of the moving averages.
        variant: the released code penalises only scores on the outer side of the anchor, D(x) > α_F and
            D(G(z)) < α_R.
    """

    name = "lecam"
    aliases = ("lecam-gan",)
    traceable = True

    weight: float = 0.3
    decay: float = 0.99

    def critic_loss(self, critic, real, fake, draw):
        started = draw.state["share"] > 0
        share = torch.where(started, draw.state["share"], 1.0)
        above, below = critic(real) - draw.state["fake"] / share, draw.state["real"] / share - critic(fake)
        if self.variant == "code":
            above, below = torch.relu(above), torch.relu(below)
        penalty = started * (above.square().mean() + below.square().mean())
        return super().critic_loss(critic, real, fake, draw) + self.weight * penalty

    def init_state(self, critic, draw):
        zero = next(iter(critic.weights.values())).new_zeros(())
        return {"real": zero, "fake": zero, "share": zero}

    def update_state(self, critic, real, fake, draw):
        now = {"real": critic(real).mean(), "fake": critic(fake).mean(), "share": torch.ones_like(draw.state["share"])}
        return {name: self.decay * draw.state[name] + (1 - self.decay) * value for name, value in now.items()}

    def estimate(self, critic, real, fake):
        """As for the hinge GAN."""
        return 1 - super().critic_loss(critic, real, fake, None) / (2 * self.margin)
