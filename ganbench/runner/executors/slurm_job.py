"""Inside a job of Slurm: what watches a task. It imports no PyTorch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.runner.executors.task import Channel, Ended, Heartbeat, Task, work
from ganbench.store.files import write_bytes

STOP = "stop"  # a file that lets every job end after its block


@dataclass(frozen=True)
class FileLine(Channel):
    """The line to the run: a file for each task, and one that says when to end.

    Attributes:
        folder: seen by all.
    """

    folder: Path

    def tell(self, news: Heartbeat) -> bool:
        """See ``Channel``. Remarks are kept until the run has read them."""
        content = json.dumps([news.number, news.step, news.remark]).encode()
        write_bytes(self.folder / f"{news.number}{'-remark' if news.remark else ''}.json", content)
        return (self.folder / STOP).exists()


def hear(folder: Path) -> list[Heartbeat]:
    """Everything that has been told since the last time."""
    found = []
    for file in sorted(folder.glob("[0-9]*.json")):
        found.append(Heartbeat(*json.loads(file.read_bytes())))
        file.unlink()
    return found


@dataclass(frozen=True)
class Job:
    """What submitit calls on the other machine.

    Attributes:
        task: what to do.
        folder: for words to the run.
        gpus: whether it was given GPUs; those are the ones that the queue has made visible.
    """

    task: Task
    folder: str
    gpus: bool

    def __call__(self) -> Ended:
        """Run the task to its end."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if self.gpus else []
        return work(self.task, FileLine(Path(self.folder)), visible)

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Called where the job is about to be ended, for its time or for another one: it goes on in the queue."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *args, **kwargs)
