"""Run cohorts as jobs of Slurm."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Generator, Hashable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import submitit

from ganbench.errors import StorageError, UsageError
from ganbench.interfaces.executor import Event, Executor, Failure, RunContext
from ganbench.runner.executors.forkserver import same_imports
from ganbench.runner.executors.local import cores
from ganbench.runner.executors.remote import device_of, with_absolute_paths
from ganbench.runner.executors.slurm_job import STOP, Job, hear
from ganbench.runner.executors.task import ClusterBackend, Ended, Heartbeat, Task
from ganbench.spec import Shard
from ganbench.store.files import remove_folder
from ganbench.store.folder import StudyFolder

# -- the queue as a backend --------------------------------------------------------------------------------------------

GRACE = 12.0  # seconds for what runs to end after its block
LOOK = 0.5  # seconds between two looks at jobs


@contextlib.contextmanager
def connected(settings: Slurm, results: Path) -> Iterator[ClusterBackend]:
    """The engine of a queue.

    Args:
        settings: what jobs ask for.
        results: the results folder, which all machines see.

    Raises:
        UsageError: there is no such queue here, or it refuses these settings.
    """
    folder = results / ".jobs" / secrets.token_hex(4)
    StudyFolder(results).make(folder)
    try:
        yield SlurmBackend(_executor(settings, folder), settings, folder)
    finally:
        with contextlib.suppress(StorageError):
            remove_folder(folder, results)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()  # unless another run is at it


def _executor(settings: Slurm, folder: Path) -> submitit.AutoExecutor:
    site = {name: getattr(settings, name) for name in ("partition", "account", "qos", "constraint")}
    asked: dict[str, Any] = {f"slurm_{name}": value for name, value in site.items() if value}
    if settings.memory_gb:
        asked["mem_gb"] = settings.memory_gb
    asked["slurm_setup"] = ["export PYTHONSAFEPATH=1"]  # else a job would import from the folder that it runs in
    try:
        executor = submitit.AutoExecutor(folder, cluster=settings.cluster)
        executor.update_parameters(
            timeout_min=settings.minutes,
            cpus_per_task=settings.cpus_per_cohort,
            gpus_per_node=int(settings.gpus_per_cohort),
            name="ganbench",
            **asked,
        )
    except (ValueError, RuntimeError, NameError) as error:
        raise UsageError(f"--executor slurm: {' '.join(str(error).split())}") from error
    return executor


class SlurmBackend(ClusterBackend):
    """Jobs in a queue.

    Args:
        executor: submitit's.
        settings: what jobs ask for.
        folder: for jobs and their words.
    """

    def __init__(self, executor: submitit.AutoExecutor, settings: Slurm, folder: Path) -> None:
        self._executor, self._settings, self._folder = executor, settings, folder

    def slots(self) -> int:
        """As many as may be in the queue."""
        return cores() if self._settings.cluster == "local" else self._settings.jobs or MOST

    def submit(self, task: Task) -> Hashable:
        """See ``ClusterBackend``. Raises UsageError where the queue refuses the job."""
        try:
            with same_imports():
                job: Hashable = self._executor.submit(Job(task, str(self._folder), self._settings.gpus_per_cohort > 0))
        except submitit.core.utils.FailedJobError as error:
            raise UsageError(f"--executor slurm: the queue refuses the job: {' '.join(str(error).split())}") from error
        return job

    def ended(self, jobs: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """See ``ClusterBackend``."""
        deadline = time.monotonic() + seconds
        while not (found := [job for job in jobs if job.done()]) and time.monotonic() < deadline:  # type: ignore[attr-defined]
            time.sleep(min(LOOK, seconds))
        return found

    def result(self, job: Any) -> Ended:
        """See ``ClusterBackend``. A job that was ended from outside is ``WorkerDied``."""
        try:
            found: Ended = job.result()
        except submitit.core.utils.FailedJobError as error:  # an error of ours, not the job's end
            return Failure("JobFailed", str(error).strip().splitlines()[-1][:300], str(error))
        except submitit.core.utils.UncompletedJobError as error:
            return Failure("WorkerDied", f"its job {job.job_id} is gone ({job.state})", str(error))
        return found

    def news(self) -> list[Heartbeat]:
        """See ``ClusterBackend``."""
        return hear(self._folder)

    def stop(self, jobs: Sequence[Hashable]) -> None:
        """See ``ClusterBackend``."""
        if not jobs:
            return
        (self._folder / STOP).touch()
        deadline = time.monotonic() + GRACE
        while any(job.state in ("RUNNING", "COMPLETING") for job in jobs) and time.monotonic() < deadline:  # type: ignore[attr-defined]
            time.sleep(LOOK)
        for job in jobs:
            if not job.done(force_check=True):  # type: ignore[attr-defined]
                job.cancel(check=False)  # type: ignore[attr-defined]


# -- the executor ------------------------------------------------------------------------------------------------------

MOST = 64  # jobs in the queue at a time, unless told otherwise


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

        context = with_absolute_paths(context, self.cpus_per_cohort)
        with (
            connected(self, Path(context.results)) as engine,
            closing(run_on(engine, cohorts, context, self.jobs or MOST)) as events,
        ):
            yield from events
