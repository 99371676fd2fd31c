"""Run cohorts as jobs of Slurm. submitit need not be installed to import this."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganbench.errors import UsageError
from ganbench.interfaces.executor import Event, Executor, RunContext
from ganbench.runner.executors.remote import device_of, with_absolute_paths
from ganbench.spec import Shard


@dataclass(frozen=True)
class Slurm(Executor):
    """Jobs of a Slurm queue. ``--set slurm.partition=gpu --set slurm.minutes=240`` say what the site wants to know.

    Attributes:
        jobs: the most jobs in the queue at a time; 0 means 64 (``MOST``).
        gpus_per_cohort: whole GPUs, as Slurm gives no parts.
        cpus_per_cohort: cores, and threads.
        partition, account, qos, constraint: as ``sbatch`` understands them; empty leaves them to the site.
        minutes: after which Slurm ends a job, which then goes on in another one.
        memory_gb: of each job; 0 leaves it to the site.
        cluster: ``slurm``, or ``local`` for processes on this machine, to try things out.
    """

    name: ClassVar[str] = "slurm"
    aliases: ClassVar[tuple[str, ...]] = ("submitit",)
    needs: ClassVar[tuple[str, ...]] = ("submitit",)
    extra: ClassVar[str] = "cluster"
    jobs: int = 0
    gpus_per_cohort: float = 0.0
    cpus_per_cohort: int = 1
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    minutes: int = 240
    memory_gb: float = 0.0
    cluster: str = "slurm"

    def check(self) -> None:
        """Raises UsageError where submitit is not installed, or there is no queue here."""
        super().check()
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise UsageError("--executor slurm: there is no srun here; run this command where you run sbatch")

    def device(self, asked: str) -> str | None:
        """See ``device_of``; Slurm has whole GPUs only. Raises UsageError."""
        if self.gpus_per_cohort != int(self.gpus_per_cohort):
            raise UsageError(
                f"--gpus-per-cohort is {self.gpus_per_cohort:g}, and Slurm gives whole GPUs only; say 1, or take "
                "--executor ray inside of one job"
            )
        return device_of(asked, self.gpus_per_cohort)

    def run(self, cohorts: Sequence[Shard], context: RunContext) -> Generator[Event, None, None]:
        """See ``Executor.run``."""
        if not cohorts:
            return
        from ganbench.runner.executors.remote import run_on
        from ganbench.runner.executors.slurm_queue import MOST, connected

        context = with_absolute_paths(context, self.cpus_per_cohort)
        with (
            connected(self, Path(context.results)) as engine,
            closing(run_on(engine, cohorts, context, self.jobs or MOST)) as events,
        ):
            yield from events
