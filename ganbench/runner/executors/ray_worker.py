"""On a machine of a Ray cluster: what watches a task. It imports no PyTorch."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ganbench import __version__
from ganbench.runner.executors.forkserver import start
from ganbench.runner.executors.task import Channel, Ended, Heartbeat, Parcel, Task, accept, work
from ganbench.spec import ENGINE
from ganbench.study.provenance import source_hash

WHILE = 1.0  # seconds for which a worker is kept from being made ready twice in another one's place
COMPARED = ("torch", "numpy")  # other versions may give other numbers


class Mailbox:
    """Lives beside the process that the run began with: hears news, takes files, says when to end.

    Args:
        results: the results folder on this machine.
    """

    def __init__(self, results: str) -> None:
        self._results, self._stopping = Path(results), False
        self._news: dict[int, Heartbeat] = {}
        self._remarks: list[Heartbeat] = []

    def tell(self, news: Heartbeat) -> bool:
        """Take news. Returns whether the task is to end early."""
        if news.remark:
            self._remarks.append(news)
        self._news[news.number] = news
        return self._stopping

    def deliver(self, parcel: Parcel) -> None:
        """Write files that come from a machine which does not see the results folder. Raises StorageError."""
        accept(self._results, parcel)

    def news(self) -> list[Heartbeat]:
        """What has been told since the last time: all remarks, and the last step of each task."""
        steps = [Heartbeat(news.number, news.step) for news in self._news.values()]
        found, self._news, self._remarks = [*self._remarks, *steps], {}, []
        return found

    def stop(self) -> None:
        """Let every task end after its block."""
        self._stopping = True


class RayLine(Channel):
    """The line to the board; it breaks where the run's own process is gone."""

    def __init__(self, board: Any) -> None:
        self._board = board

    def tell(self, news: Heartbeat) -> bool:
        """See ``Channel``."""
        import ray

        stopping: bool = ray.get(self._board.tell.remote(news))
        return stopping

    def deliver(self, parcel: Parcel) -> None:
        """See ``Channel``."""
        import ray

        ray.get(self._board.deliver.remote(dict(parcel)))


def run_task(task: Task, board: Any) -> Ended:
    """Ray's task: one shard, on the GPUs that Ray has chosen."""
    import ray

    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return work(task, RayLine(board), [str(gpu) for gpu in gpus])


def warm() -> Iterator[None]:
    """Start the server that cohorts are forked from; it imports PyTorch while this worker waits for its first task.

    Yields when that has begun.
    """
    if sys.platform == "linux":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        start()
    yield
    time.sleep(WHILE)


def check(mark: str) -> tuple[str, dict[str, str], bool]:
    """A machine's name, the versions on it, and whether it sees a file of the results folder."""
    found = {name: version(name) for name in COMPARED}
    ours = {"ganbench": __version__, "engine": str(ENGINE), "source files": source_hash("ganbench")}
    return platform.node(), {**ours, **found}, Path(mark).exists()
