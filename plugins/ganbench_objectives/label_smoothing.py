"""One-sided label smoothing."""

from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class LabelSmoothing(Objective):
    """Non-saturating GAN with one-sided label smoothing: Salimans et al. (2016), Section 3.4.

    Real samples are labelled α instead of 1, generated ones stay at 0, so the best critic is α p_r / (p_r + p_g); it
    is never surer than α. Its scores are then not centred on zero, so accuracy and the Jensen-Shannon estimate, a
    bound still, are lower than those of the plain GAN. The authors' ImageNet code has ``real_label`` 0.75 and
    ``generator_label`` 0.375.

    Attributes:
        real_label: α.
        generator_label: the label that the generator wants for its samples.
    """

    name = "label-smoothing"
    aliases = ("one-sided-label-smoothing",)
    classifier = True
    traceable = True

    real_label: float = 0.9
    generator_label: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        return cross_entropy(critic(real), self.real_label) + softplus(critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return cross_entropy(critic(fake), self.generator_label)


def cross_entropy(scores, label):
    """−E[label log σ(score) + (1 − label) log(1 − σ(score))] of scores (batch,): a scalar."""
    return label * softplus(-scores).mean() + (1 - label) * softplus(scores).mean()
