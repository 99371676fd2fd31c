"""Run cohorts on a Ray cluster. Ray need not be installed to import this."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganbench.interfaces.executor import Event, Executor, RunContext
from ganbench.runner.executors.remote import device_of, with_absolute_paths
from ganbench.spec import Shard


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

    def run(self, cohorts: Sequence[Shard], context: RunContext) -> Generator[Event, None, None]:
        """See ``Executor.run``."""
        if not cohorts:
            return
        from ganbench.runner.executors.ray_cluster import open_backend
        from ganbench.runner.executors.remote import run_on

        context = with_absolute_paths(context, self.cpus_per_cohort)
        resources = self.cpus_per_cohort, self.gpus_per_cohort
        with (
            open_backend(self.address, Path(context.results), *resources, context.device) as engine,
            closing(run_on(engine, cohorts, context, self.jobs)) as events,
        ):
            yield from events
