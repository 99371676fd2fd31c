"""One shard on a machine of a cluster: a process of its own that is watched, and word of it to where the run began.

The watching process stays small, imports no PyTorch, and may be killed at any moment: what it watches then ends after
its block, with a checkpoint.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from ganbench.executors.delivery import Parcel, Sender
from ganbench.executors.engine import Ended, News, Task
from ganbench.executors.worker import Worker, end
from ganbench.failures import Failure
from ganbench.scratch import scratch_folder
from ganbench.surroundings import Event

LOOK = 1.0  # seconds between two words to where the run began, at least


class Line(ABC):
    """The line from a machine to where the run began."""

    @abstractmethod
    def tell(self, news: News) -> bool:
        """Say how far a task is. Returns whether it is to end early."""

    def deliver(self, parcel: Parcel) -> None:
        """Put files into the results folder, from a machine that does not see it."""
        raise NotImplementedError(f"{type(self).__name__} needs a results folder that all machines see")


def mark_of(results: Path, run: str) -> Path:
    """A file by which a machine knows whether the results folder that it sees is the run's."""
    return results / ".locks" / f"{run}.here"


def work(task: Task, line: Line, gpus: Sequence[str]) -> Ended:
    """Run a task to its end.

    Args:
        task: what to do.
        line: to where the run began.
        gpus: those that it may use, as CUDA numbers them; no others are visible, and none where there are none.
    """
    os.environ.update(task.variables)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    with scratch_folder("gb-") as scratch:
        notes = scratch / "notes.txt"
        if mark_of(Path(task.where.results), task.run).exists():
            return _watch(task, line, notes, None)
        sender = Sender(scratch / "results", line.deliver)
        sender.unpack(task.files)
        where = replace(task.where, results=str(sender.results), shared=False)
        return _watch(replace(task, where=where), line, notes, sender)


def _watch(task: Task, line: Line, notes: Path, sender: Sender | None) -> Ended:
    worker = Worker.start(task.shard, task.where, notes)
    voice = _Voice(line, task.number)
    try:
        while True:
            found = _look(worker, task.where.trial_timeout)
            if isinstance(found, Failure):
                return found
            if found is not None and found.outcomes:
                return found.outcomes
            if voice.stopped(found):
                return Failure("Stopped", "it was asked to end", "")
            if sender is not None:
                sender.send()
    finally:
        end([worker])
        if sender is not None:
            sender.send()


def _look(worker: Worker, timeout: float) -> Event | Failure | None:
    """What the process has to tell; waits a little for it. A process that has told its end is waited for."""
    wait(worker.signs(), LOOK)
    found = worker.look(timeout)
    if isinstance(found, Event) and found.outcomes:
        worker.process.join()
    return found


class _Voice:
    """Tells news at intervals, and remarks at once."""

    def __init__(self, line: Line, number: int) -> None:
        self._line, self._number = line, number
        self._step, self._said = 0, float("-inf")

    def stopped(self, event: Event | None) -> bool:
        """Pass on what has happened, if there is anything. Returns whether to end early."""
        remark = event.remark if event else ""
        self._step = max(self._step, event.step) if event else self._step
        if not remark and time.monotonic() < self._said + LOOK:
            return False
        self._said = time.monotonic()
        return self._line.tell(News(self._number, self._step, remark))
