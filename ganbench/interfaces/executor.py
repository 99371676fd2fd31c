"""Executors: what a cohort is run with, what it reports, and how it fails."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from ganbench.errors import UsageError
from ganbench.spec import Shard, Trial

if TYPE_CHECKING:
    from ganbench.plugins.loading import PluginFile


# -- run context, results and events -----------------------------------------------------------------------------------

Report = Callable[[int], None]  # told how many steps, of training and probing, are done
CHECKPOINT_SECONDS = 25.0


@dataclass(frozen=True)
class RunContext:
    """Where a cohort runs.

    Attributes:
        results: the results folder.
        data_root: where datasets lie.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: of PyTorch's CPU kernels.
        command: the command line, for the record.
        provenance: what else ``run.json`` is to say about how the results were made.
        since: when the run began (ISO 8601, UTC): what failed before is run again, what failed since is not.
        checkpoint_seconds: the least time between two checkpoints.
        trial_timeout: seconds after which a cohort's process is ended; 0 lets it run.
        plugins: those that nobody installed, as they stood when the run began.
        origins: where components come from, by kind and name.
        source_hashes: of ganbench and of plugins, by distribution: a process with others refuses to work.
        shared: whether machines share the results folder, so that one that is gone may seem to hold a trial.
    """

    results: str
    data_root: str
    device: str
    threads: int
    command: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    since: str = "9999"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    trial_timeout: float = 0.0
    plugins: tuple[PluginFile, ...] = ()
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source_hashes: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False


@dataclass(frozen=True)
class TrialResult:
    """How one trial ended."""

    trial: Trial
    status: str
    error: str = ""
    log: str = ""  # relative to the results folder; empty where there is none


@dataclass(frozen=True)
class Event:
    """Something an executor tells: a shard has got so far, has something to say, or has ended with these outcomes."""

    shard: Shard
    step: int
    outcomes: tuple[TrialResult, ...] = ()
    remark: str = ""


class Cancelled(Exception):  # noqa: N818, it is no error
    """Raised where a cohort ends early because it was asked to; a checkpoint holds what it has done."""


@dataclass(frozen=True)
class Callbacks:
    """Callbacks from a running cohort to the process that runs it.

    Attributes:
        report: told how far it is.
        say: told one sentence, for the user.
        stopped: asked whether to end; is true from some moment on.
        working: told when waiting for other runs is over and work begins.
        pausing: asked, where it is stopped, whether that was requested; False where the process that runs it is gone.
    """

    report: Report
    say: Callable[[str], None] = lambda text: None
    stopped: Callable[[], bool] = lambda: False
    working: Callable[[], None] = lambda: None
    pausing: Callable[[], bool] = lambda: True

    def pause(self) -> None:
        """A moment at which everything may end. Raises Cancelled."""
        if self.stopped():
            raise Cancelled


# -- executor ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Executor(ABC):
    """An engine that runs cohorts. Subclasses are frozen dataclasses; their fields are its settings.

    Fields named ``jobs``, ``address``, ``gpus_per_cohort`` and ``cpus_per_cohort`` are filled from the options of these
    names, and the others with ``--set NAME.FIELD=VALUE``; an option without a field is refused.

    Attributes:
        name: what ``--executor`` calls it.
        aliases: further names.
        needs: modules that have to be installed for it.
        extra: the extra of ganbench that installs them, where one does.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def check(self) -> None:
        """Raises UsageError where something that it needs is not installed: one sentence that says what to install."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            what = f'"ganbench[{self.extra}]"' if self.extra else " ".join(missing)
            names = " and ".join(missing)
            raise UsageError(f"--executor {self.name} needs {names}, which is not installed here: pip install {what}")

    def device(self, asked: str) -> str | None:
        """The device that a name means where cohorts run; None where that is this machine, which is asked itself.

        Raises:
            UsageError: it means nothing there.
        """
        return None

    @abstractmethod
    def run(self, cohorts: Sequence[Shard], context: RunContext) -> Generator[Event, None, None]:
        """Run cohorts to their ends, yielding what happens as it happens.

        Closing the generator lets every cohort end after its block and leave a checkpoint.

        Args:
            cohorts: what is missing: cohorts, which may be split by their seeds, and parts of experiments.
            context: results, data and device; threads and the like are the executor's to set.
        """


# -- failures ----------------------------------------------------------------------------------------------------------

EXHAUSTED = "OutOfMemory"  # the kind of failure that a smaller cohort may be spared
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Attributes:
        kind: the type of the error: ``ValueError``, ``OutOfMemory``, ``TimeLimit``, ``WorkerDied``.
        message: one line.
        log: all that is known, for ``error.log``.
    """

    kind: str
    message: str
    log: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception means."""
        try:
            message = " ".join(str(error).split())
        except Exception:  # a third party's __str__ may raise as well
            message = "(its message cannot be read)"
        return cls(_kind(error, message), message[:1000], "".join(traceback.format_exception(error)))


def _kind(error: BaseException, message: str) -> str:
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, unimported
    if exhausted or (isinstance(error, RuntimeError) and any(text in message.lower() for text in OUT_OF_MEMORY)):
        return EXHAUSTED
    return type(error).__name__


# -- work that is no cohort --------------------------------------------------------------------------------------------


class Job(Shard):
    """Work that an executor runs besides cohorts: it is not split, and stores its result itself."""

    @abstractmethod
    def run(self, context: RunContext, contact: Callbacks) -> list[TrialResult]:
        """Do it and store what it gives. Whatever it raises is a failure of this job alone."""

    def fail(self, failure: Failure) -> list[TrialResult]:
        """What is told of it where it has failed."""
        return [TrialResult(trial, "failed", str(failure)) for trial in self.trials()]
