"""The queue of Slurm as a backend. Importing this imports submitit."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import submitit

from ganbench.errors import StorageError, UsageError
from ganbench.interfaces.executor import Failure
from ganbench.runner.executors.forkserver import same_imports
from ganbench.runner.executors.local import cores
from ganbench.runner.executors.slurm_job import STOP, Job, hear
from ganbench.runner.executors.task import ClusterBackend, Ended, Heartbeat, Task
from ganbench.store.files import remove_folder
from ganbench.store.folder import StudyFolder

if TYPE_CHECKING:
    from ganbench.runner.executors.slurm import Slurm


MOST = 64  # jobs in the queue at a time, unless told otherwise
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
