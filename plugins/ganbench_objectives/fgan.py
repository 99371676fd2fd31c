"""What all f-GANs share."""

from dataclasses import dataclass

from ganbench import Objective


@dataclass(frozen=True)
class FGan(Objective):
    """An f-GAN: Nowozin, Cseke & Tomioka (2016), Eqs. 4 to 6 and Algorithm 1.

    The critic maximises E T(D(x)) − E f*(T(D(G(z)))), at most the f-divergence of the data from the generator, for an
    output activation T that maps scores onto the domain of the conjugate f* (their Table 2).

    Attributes:
        saturating: the generator minimises what the critic maximises, as the theory has it; False maximises
            E T(D(G(z))) instead (Section 3.2).
    """

    saturating: bool = True

    def critic_loss(self, critic, real, fake, draw):
        return self.conjugate(critic(fake)).mean() - self.activation(critic(real)).mean()

    def generator_loss(self, critic, real, fake, draw):
        scores = critic(fake)
        return -(self.conjugate(scores) if self.saturating else self.activation(scores)).mean()

    def estimate(self, critic, real, fake):
        """The variational lower bound on the divergence."""
        return -self.critic_loss(critic, real, fake, None)

    def activation(self, v):
        """T(v), elementwise."""
        raise NotImplementedError

    def conjugate(self, v):
        """f*(T(v)), elementwise, written so that no digits of its derivative cancel."""
        raise NotImplementedError
