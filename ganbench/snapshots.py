"""What a cohort carries from one block to the next, as tensors by name: taken out of it and put back.

That is the players' weights, their optimizers' moments, and the objective's own state. Randomness is keyed by the
block and no generator is carried, so a cohort with the same snapshot goes on to the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganbench.cohort import Cohort
from ganbench.players import Player


def snapshot(cohort: Cohort) -> dict[str, Tensor]:
    """Copies on the CPU. Leading axis: the cohort's seeds, without its padding; an optimizer's step count has none."""
    n = len(cohort.seeds)
    found = {f"state.{name}": value for name, value in cohort.state.items()}
    for role, player in _players(cohort).items():
        found[f"{role}.weights"] = player.flat
        found |= {f"{role}.optimizer.{name}": value for name, value in _moments(player).items()}
    return {name: (t[:n] if t.ndim else t).detach().cpu().clone() for name, t in found.items()}


def restore(cohort: Cohort, tensors: Mapping[str, Tensor], seeds: Sequence[int]) -> None:
    """Put a snapshot into a fresh cohort.

    Args:
        cohort: of some of the seeds, under the same setting.
        tensors: what ``snapshot`` gave.
        seeds: that it was taken of, in their order.
    """
    padded = len(cohort.generator.flat)
    rows = [seeds.index(seed) for seed in cohort.seeds]
    rows += rows[-1:] * (padded - len(rows))
    chosen = {name: t[rows] if t.ndim else t for name, t in tensors.items()}
    device = cohort.setting.device
    cohort.state = {name: chosen[f"state.{name}"].to(device) for name in cohort.state}
    for role, player in _players(cohort).items():
        with torch.no_grad():
            player.flat.copy_(chosen[f"{role}.weights"])
        prefix = f"{role}.optimizer."
        moments = {name.removeprefix(prefix): t for name, t in chosen.items() if name.startswith(prefix)}
        groups = player.optimizer.state_dict()["param_groups"]
        player.optimizer.load_state_dict({"state": {0: moments} if moments else {}, "param_groups": groups})


def _players(cohort: Cohort) -> dict[str, Player]:
    return {"generator": cohort.generator, "critic": cohort.critic}


def _moments(player: Player) -> dict[str, Tensor]:
    state = player.optimizer.state_dict()["state"].get(0, {})  # one parameter, the flat one; none before the first step
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
