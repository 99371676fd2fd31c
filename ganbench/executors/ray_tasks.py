"""Ray: every shard is one task of a cluster, which may give it parts of a GPU.

Ray starts tasks and says when they are gone. It stores nothing, and starts nothing again by itself: deaths are counted
here, as for every engine.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganbench.executor import Executor
from ganbench.executors.elsewhere import absolute, device_of
from ganbench.surroundings import Event, Surroundings
from ganbench.trials import CohortSpec


@dataclass(frozen=True)
class Ray(Executor):
    """A Ray cluster: the one at an address, or one on this machine for this run alone.

    Attributes:
        jobs: the most shards at a time; 0 leaves it to the cluster's size.
        address: ``auto`` for the cluster that this machine is part of, or HOST:PORT of its head.
        gpus_per_cohort: parts of a GPU, or whole ones.
        cpus_per_cohort: cores, and threads.
    """

    name: ClassVar[str] = "ray"
    needs: ClassVar[tuple[str, ...]] = ("ray",)
    extra: ClassVar[str] = "cluster"
    jobs: int = 0
    address: str = ""
    gpus_per_cohort: float = 0.0
    cpus_per_cohort: int = 1

    def device(self, asked: str) -> str | None:
        """See ``device_of``."""
        return device_of(asked, self.gpus_per_cohort)

    def run(self, cohorts: Sequence[CohortSpec], where: Surroundings) -> Generator[Event, None, None]:
        """See ``Executor.run``."""
        if not cohorts:
            return
        from ganbench.executors.cluster import run_on
        from ganbench.executors.ray_cluster import connected

        where = absolute(where, self.cpus_per_cohort)
        resources = self.cpus_per_cohort, self.gpus_per_cohort
        with (
            connected(self.address, Path(where.results), *resources, where.device) as engine,
            closing(run_on(engine, cohorts, where, self.jobs)) as events,
        ):
            yield from events
