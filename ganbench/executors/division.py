"""How cohorts are cut for a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ganbench.executors.local import cut
from ganbench.trials import CohortSpec


def divide(
    cohorts: Sequence[CohortSpec], device: str, slots: int, groups: Callable[[CohortSpec], list[tuple[int, ...]]]
) -> list[CohortSpec]:
    """Shards, the costliest first.

    Seeds cost less together than apart, on a GPU hardly more than one of them, so a cohort is cut only on CPUs, and
    only into as many parts as there would be idle slots for each.

    Args:
        cohorts: what is missing.
        device: ``cpu``, or one that trains all seeds at the price of a few.
        slots: shards that can run at once.
        groups: the seeds that a checkpoint holds together; they stay together.
    """
    parts = 1 if device != "cpu" else max(1, slots // max(1, len(cohorts)))
    return cut(cohorts, parts, groups)
