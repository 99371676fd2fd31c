"""A Ray cluster as an engine: tasks are started and watched for, and nothing is stored in it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ganbench.errors import UsageError
from ganbench.executors.engine import Ended, Engine, News, Task
from ganbench.executors.ray_connection import Connection, NodeAffinitySchedulingStrategy, begun, nodes, ray, slots_of
from ganbench.executors.ray_worker import Board, check, run_task
from ganbench.failures import Failure

GRACE = 12.0  # seconds for what runs to end after its block
PATIENCE = 60.0  # seconds for a machine to say that it is well


@contextlib.contextmanager
def connected(address: str, results: Path, cpus: int, gpus: float, device: str) -> Iterator[Engine]:
    """The engine of a cluster.

    Args:
        address: of an existing one; empty takes RAY_ADDRESS, or starts one that ends with this run.
        results: the results folder on this machine.
        cpus, gpus: of every shard.
        device: where cohorts run.

    Raises:
        UsageError: there is no cluster there, or a machine of it cannot run ganbench.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise UsageError(f"--address {address}: run this command on a machine of the cluster, with --address auto")
    ended_by = signal.getsignal(signal.SIGTERM)
    connection = begun(address, cpus, gpus) or Connection(address, cpus, gpus, device)
    try:
        connection.wait()
        signal.signal(signal.SIGTERM, ended_by)  # Ray takes it for itself, and aborts
        yield RayCluster(results, cpus, gpus)
    finally:
        connection.close()


class RayCluster(Engine):
    """Tasks on a cluster that this process is connected to.

    Args:
        results: the results folder on this machine.
        cpus, gpus: of every shard.
    """

    def __init__(self, results: Path, cpus: int, gpus: float) -> None:
        self._cpus, self._gpus = cpus, gpus
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board)
        self._board: Any = board.options(scheduling_strategy=here).remote(str(results))
        resources = {"num_cpus": cpus, "num_gpus": gpus}
        self._run = ray.remote(max_retries=0, max_calls=1 if gpus else 0, **resources)(run_task)
        self._sharing: bool | None = None
        self._numbers: dict[Hashable, int] = {}
        self._heard: set[int] = set()  # tasks that have begun

    def slots(self) -> int:
        """As many as its machines have cores and GPUs for."""
        return sum(slots_of(node["Resources"], self._cpus, self._gpus) for node in nodes())

    def shares(self, mark: Path) -> bool:
        """Asks every machine once; one that cannot run ganbench ends the run before it begins. Raises UsageError."""
        if self._sharing is None:
            self._sharing = all(_check(node, mark) for node in nodes())
        return self._sharing

    def submit(self, task: Task) -> Hashable:
        """See ``Engine``."""
        job: Hashable = self._run.remote(task, self._board)
        self._numbers[job] = task.number
        return job

    def ended(self, jobs: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """See ``Engine``."""
        if not jobs:
            time.sleep(seconds)
            return []
        done, _ = ray.wait(list(jobs), num_returns=1, timeout=seconds)
        return list(done)

    def result(self, job: Hashable) -> Ended:
        """See ``Engine``. A worker that was killed, ran out of memory or was on a machine that is gone has died."""
        self._numbers.pop(job)
        try:
            found: Ended = ray.get(job)
        except ray.exceptions.RayTaskError as error:
            return Failure.of(error.cause if isinstance(error.cause, Exception) else error)
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:300]
            return Failure("WorkerDied", f"its worker is gone ({type(error).__name__}: {reason})", str(error))
        return found

    def news(self) -> list[News]:
        """See ``Engine``."""
        try:
            found: list[News] = ray.get(self._board.news.remote())
        except ray.exceptions.RayError:  # the board is being started again
            return []
        self._heard |= {news.number for news in found}
        return found

    def stop(self, jobs: Sequence[Hashable]) -> None:
        """See ``Engine``. What does not end by then, or has not begun, ends with the connection.

        Nothing is cancelled: that ends this process where a task ends by itself at the same moment (Ray 2.60).
        """
        at_work = [job for job in jobs if self._numbers[job] in self._heard]
        if at_work:
            with contextlib.suppress(ray.exceptions.RayError):  # the cluster is gone, and with it whatever ran there
                ray.get(self._board.stop.remote(), timeout=GRACE)
                ray.wait(at_work, num_returns=len(at_work), timeout=GRACE)


def _check(node: dict[str, Any], mark: Path) -> bool:
    """Whether a machine sees the results folder. Raises UsageError where it cannot run this ganbench."""
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0)(check).options(scheduling_strategy=there).remote(str(mark))
    address = node["NodeManagerAddress"]
    try:
        name, versions, sees = ray.get(asked, timeout=PATIENCE)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1][:300]
        raise UsageError(f"the machine {address} of the cluster cannot run ganbench ({reason})") from error
    ours = check(str(mark))[1]
    other = [f"{what} {there} (here {ours[what]})" for what, there in versions.items() if there != ours[what]]
    if other:
        raise UsageError(f"the machine {name} of the cluster has {', '.join(other)}: install the same there")
    return bool(sees)
