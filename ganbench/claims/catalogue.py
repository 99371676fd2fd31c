"""All claims, by number."""

from __future__ import annotations

from collections.abc import Sequence

from ganbench.claims import (
    architecture_robustness,
    clip_constant,
    critic_distance,
    critic_momentum,
    critic_strength,
    depth_gradients,
    estimates,
    lasting_gradients,
    mode_coverage,
    mode_hopping,
    noise_and_distance,
    noise_sides,
    optimal_critics,
    parallel_lines,
    perfect_critic,
    simple_critics,
    transport_duality,
    trick_gradients,
    tuning,
    two_number_games,
    vanishing_gradients,
)
from ganbench.claims.claim import Claim
from ganbench.claims.experiment import Experiment
from ganbench.errors import UnknownNameError

FILES: tuple[tuple[Claim, ...], ...] = (
    architecture_robustness.CLAIMS,
    clip_constant.CLAIMS,
    critic_distance.CLAIMS,
    critic_momentum.CLAIMS,
    critic_strength.CLAIMS,
    depth_gradients.CLAIMS,
    estimates.CLAIMS,
    lasting_gradients.CLAIMS,
    mode_coverage.CLAIMS,
    mode_hopping.CLAIMS,
    noise_and_distance.CLAIMS,
    noise_sides.CLAIMS,
    optimal_critics.CLAIMS,
    parallel_lines.CLAIMS,
    perfect_critic.CLAIMS,
    simple_critics.CLAIMS,
    transport_duality.CLAIMS,
    trick_gradients.CLAIMS,
    tuning.CLAIMS,
    two_number_games.CLAIMS,
    vanishing_gradients.CLAIMS,
)

CLAIMS: tuple[Claim, ...] = tuple(sorted((claim for file in FILES for claim in file), key=lambda claim: claim.number))


def find_claims(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of these ids or numbers, in the catalogue's order; all of them where none is named.

    Raises:
        UnknownNameError: there is no such claim.
    """
    by_name = {name: claim for claim in CLAIMS for name in (claim.id, str(claim.number))}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("claim", name, [claim.id for claim in CLAIMS], "--claims")
    wanted = {by_name[name].id for name in names}
    return tuple(claim for claim in CLAIMS if not names or claim.id in wanted)


def experiments_of(claims: Sequence[Claim]) -> tuple[Experiment, ...]:
    """Every experiment that some claims need, once."""
    return tuple({experiment.name: experiment for claim in claims for experiment in claim.experiments}.values())
