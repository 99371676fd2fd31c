"""Historical averaging."""

from dataclasses import dataclass

from ganbench import Objective, softplus


@dataclass(frozen=True)
class HistoricalAveraging(Objective):
    """Non-saturating GAN with historical averaging: Salimans et al. (2016), Section 3.3.

    Each player's cost gains η ‖θ − (1/t) Σ θ[i]‖² over all of its weights: after fictitious play, it is drawn to the
    mean of what it has been. The mean runs over the initial weights and those after each generator step.

    Attributes:
        weight: η; the paper's formula has none, so 1.
    """

    name = "historical-averaging"
    classifier = True
    traceable = True

    weight: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        away = squared_distance(critic.weights, "critic", draw.state)
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean() + self.weight * away

    def generator_loss(self, critic, real, fake, draw):
        away = squared_distance(draw.generator_weights, "generator", draw.state)
        return softplus(-critic(fake)).mean() + self.weight * away

    def init_state(self, critic, draw):
        weights = both_players(critic, draw)
        one = next(iter(weights.values())).new_ones(())
        return {**{name: w.clone() for name, w in weights.items()}, "count": one}

    def update_state(self, critic, real, fake, draw):
        count = draw.state["count"] + 1
        means = {n: draw.state[n] + (w - draw.state[n]) / count for n, w in both_players(critic, draw).items()}
        return {**means, "count": count}


def both_players(critic, draw):
    """The weights of both players, by player and name."""
    players = {"critic": critic.weights, "generator": draw.generator_weights}
    return {f"{player}.{name}": w for player, weights in players.items() for name, w in weights.items()}


def squared_distance(weights, player, state):
    """‖θ − mean of its past‖², a scalar."""
    return sum((w - state[f"{player}.{name}"]).square().sum() for name, w in weights.items())
