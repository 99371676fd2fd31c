"""What a cluster has to be able to do to run a study. Nothing heavy is imported here, as watching processes read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ganbench.failures import Failure
from ganbench.surroundings import Outcome, Surroundings
from ganbench.trials import CohortSpec

Ended: TypeAlias = tuple[Outcome, ...] | Failure  # the outcomes of all trials, or why there are none


@dataclass(frozen=True)
class Task:
    """A shard on its way to a machine, as plain data.

    Attributes:
        number: tells it from every other one of the run.
        run: tells the run from every other one.
        shard: what to train.
        where: with the paths of the machine that the run was started on.
        variables: the environment variables that ganbench reads.
        files: what a machine that does not see the results folder has to know of it, by path; else empty.
    """

    number: int
    run: str
    shard: CohortSpec
    where: Surroundings
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """How far a task is, and what it has to say."""

    number: int
    step: int
    remark: str = ""


class Engine(ABC):
    """A cluster, as far as a run is concerned."""

    @abstractmethod
    def slots(self) -> int:
        """How many shards can run at once, as things stand."""

    @abstractmethod
    def submit(self, task: Task) -> Hashable:
        """Start a task as soon as there is room for it. Returns what stands for it."""

    @abstractmethod
    def ended(self, jobs: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """Those of some jobs that have ended, well or not; waits so many seconds where none has, also for no jobs."""

    @abstractmethod
    def result(self, job: Hashable) -> Ended:
        """How a job that has ended did; a Failure of kind ``WorkerDied`` is worth another try, others are not."""

    @abstractmethod
    def news(self) -> list[News]:
        """What tasks have told since the last time."""

    @abstractmethod
    def stop(self, jobs: Sequence[Hashable]) -> None:
        """Let what still runs end after its block, with a checkpoint, and end it by force where it does not."""

    def shares(self, mark: Path) -> bool:
        """Whether all machines see a file of the results folder; else tasks take along what they need of it."""
        return True
