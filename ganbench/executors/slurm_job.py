"""What runs in a job of the queue: the watching of a shard, and words to the run in files that both see."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganbench.executors.cell import Line, work
from ganbench.executors.engine import Ended, News, Task
from ganbench.files import write_bytes

STOP = "stop"  # a file that lets every job end after its block


@dataclass(frozen=True)
class FileLine(Line):
    """The line to the run: a file for each task, and one that says when to end.

    Attributes:
        folder: seen by all.
    """

    folder: Path

    def tell(self, news: News) -> bool:
        """See ``Line``. Remarks are kept until the run has read them."""
        content = json.dumps([news.number, news.step, news.remark]).encode()
        write_bytes(self.folder / f"{news.number}{'-remark' if news.remark else ''}.json", content)
        return (self.folder / STOP).exists()


def hear(folder: Path) -> list[News]:
    """Everything that has been told since the last time."""
    found = []
    for file in sorted(folder.glob("[0-9]*.json")):
        found.append(News(*json.loads(file.read_bytes())))
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
