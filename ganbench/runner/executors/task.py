"""One task on a machine of a cluster: its worker process, and messages to where the run began.

The watching process stays small and imports no PyTorch. It may be killed at any moment: its worker then ends after its
block, with a checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ganbench.errors import DamageError, StorageError
from ganbench.interfaces.executor import Event, Failure, RunContext, TrialResult
from ganbench.runner.executors.worker import Worker, end
from ganbench.spec import Shard
from ganbench.store.files import checksum, parse, read_bytes, read_record, replace_files
from ganbench.store.folder import OWN, StudyFolder
from ganbench.store.results import read_run
from ganbench.store.scratch import scratch_folder

# -- what a cluster has to do ------------------------------------------------------------------------------------------

Ended: TypeAlias = tuple[TrialResult, ...] | Failure  # the outcomes of all trials, or why there are none


@dataclass(frozen=True)
class Task:
    """A shard on its way to a machine, as plain data.

    Attributes:
        number: tells it from every other one of the run.
        run: tells the run from every other one.
        shard: what to train.
        context: with the paths of the machine that the run was started on.
        variables: the environment variables that ganbench reads.
        files: what a machine that does not see the results folder has to know of it, by path; else empty.
    """

    number: int
    run: str
    shard: Shard
    context: RunContext
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Heartbeat:
    """How far a task is, and what it has to say."""

    number: int
    step: int
    remark: str = ""


class ClusterBackend(ABC):
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
    def news(self) -> list[Heartbeat]:
        """What tasks have told since the last time."""

    @abstractmethod
    def stop(self, jobs: Sequence[Hashable]) -> None:
        """Let what still runs end after its block, with a checkpoint, and end it by force where it does not."""

    def shares(self, mark: Path) -> bool:
        """Whether all machines see a file of the results folder; else tasks take along what they need of it."""
        return True


# -- files that come back ----------------------------------------------------------------------------------------------

Parcel: TypeAlias = Mapping[str, bytes]
CHECKPOINT = "checkpoint.json"
KINDS = (".locks", "checkpoints", "references", "logs", "trials")


class Sender:
    """Sends what has changed in a folder.

    Args:
        results: the folder, on this machine.
        deliver: takes a parcel to where the run began.
    """

    def __init__(self, results: Path, deliver: Callable[[Parcel], None]) -> None:
        self.results, self._deliver = results, deliver
        self._known: dict[Path, tuple[int, int]] = {}

    def unpack(self, parcel: Parcel) -> None:
        """Begin with what the other side has."""
        store = StudyFolder(self.results)
        store.open()
        for name, content in parcel.items():
            file = self.results / inside(name)
            store.make(file.parent)
            store.write_bytes(file, content, durable=False)
        self._known = {file: _stamp(file) for file in self.results.rglob("*") if file.is_file()}

    def send(self) -> None:
        """Send everything that is whole and new."""
        parcel: dict[str, bytes] = {}
        for files in self._units():
            stamps = {file: _stamp(file) for file in files}
            if any(self._known.get(file) != stamp for file, stamp in stamps.items()):
                contents = _whole(files)
                if contents:
                    parcel |= {file.relative_to(self.results).as_posix(): held for file, held in contents.items()}
                    self._known |= stamps
        if parcel:
            self._deliver(parcel)

    def _units(self) -> Iterable[list[Path]]:
        """Files that belong together, each record after what it describes."""
        yield from ([file] for file in sorted(self.results.glob(".locks/*.begun")))
        for record in sorted(self.results.glob(f"checkpoints/*/{CHECKPOINT}")):
            yield from _described(record)
        for record in sorted(self.results.glob("references/[!.]*.json")):
            yield from _described(record)
        yield from ([file] for file in sorted(self.results.glob("logs/*.log")))
        for record in sorted(self.results.glob("trials/*/run.json")):
            yield from _described(record)


def _stamp(file: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size
    return 0, 0


def _described(record: Path) -> Iterable[list[Path]]:
    """A record's files and the record; nothing where it cannot be read."""
    with contextlib.suppress(DamageError):
        yield [*(record.with_name(Path(name).name) for name in (read_record(record) or {}).get("files", {})), record]


def _whole(files: Sequence[Path]) -> dict[Path, bytes]:
    """The contents of files; none while they do not fit the record among them, as in the middle of a change.

    What is compared is what was read: a checkpoint may be replaced by the next one at any moment.
    """
    contents = {file: read_bytes(file) for file in files}
    found = {file: content for file, content in contents.items() if content is not None}
    *described, last = files
    if len(found) < len(files):
        return {}
    with contextlib.suppress(DamageError):
        sums = parse(last, found[last])["files"] if described else {}
        if sums == {file.name: checksum(found[file]) for file in described}:
            return found
    return {}


# -- receiving files ---------------------------------------------------------------------------------------------------


def accept(results: Path, parcel: Parcel) -> None:
    """Write the files of a parcel into the results folder.

    Raises:
        StorageError: one could not be written, or leads elsewhere.
    """
    store = StudyFolder(results)
    trials: dict[str, dict[str, bytes]] = {}
    for name, content in parcel.items():
        path = inside(name)
        if path.parts[0] == "trials":
            trials.setdefault(path.parts[1], {})[path.name] = content
            continue
        store.make((results / path).parent)
        store.write_bytes(results / path, content)
        if path.name == CHECKPOINT:
            _clear_checkpoint(store, results / path, content)
    for trial, contents in trials.items():
        _accept_trial(store, results / "trials" / trial, contents)


def inside(name: str) -> PurePosixPath:
    """A path that stays inside a results folder. Raises StorageError where it does not."""
    path = PurePosixPath(name)
    if path.is_absolute() or len(path.parts) < 2 or ".." in path.parts or path.parts[0] not in KINDS:
        raise StorageError(f"{name!r} is no file of a results folder", subject=name, code="place")
    return path


def _clear_checkpoint(store: StudyFolder, record: Path, content: bytes) -> None:
    for file in record.parent.glob("*.safetensors"):
        if file.name not in parse(record, content)["files"]:
            store.remove(file)


def _accept_trial(store: StudyFolder, folder: Path, contents: dict[str, bytes]) -> None:
    """A trial that has ended, or one that is known and has been given more tables."""
    store.make(folder)
    record = parse(folder / "run.json", contents.pop("run.json"))
    try:
        known = read_run(folder)
    except DamageError:
        known = None
    if known is None or known["finished"] != record.get(
        "finished"
    ):  # trained anew: nothing of an earlier attempt stays
        for name in OWN:
            store.remove(folder / name)
    replace_files(folder / "run.json", record, contents, store.path)


# -- one task on its machine -------------------------------------------------------------------------------------------

LOOK = 1.0  # seconds between two words to where the run began, at least


class Channel(ABC):
    """The line from a machine to where the run began."""

    @abstractmethod
    def tell(self, news: Heartbeat) -> bool:
        """Say how far a task is. Returns whether it is to end early."""

    def deliver(self, parcel: Parcel) -> None:
        """Put files into the results folder, from a machine that does not see it."""
        raise NotImplementedError(f"{type(self).__name__} needs a results folder that all machines see")


def shared_folder_marker(results: Path, run: str) -> Path:
    """A file by which a machine knows whether the results folder that it sees is the run's."""
    return results / ".locks" / f"{run}.here"


def work(task: Task, line: Channel, gpus: Sequence[str]) -> Ended:
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
        if shared_folder_marker(Path(task.context.results), task.run).exists():
            return _watch(task, line, notes, None)
        sender = Sender(scratch / "results", line.deliver)
        sender.unpack(task.files)
        context = replace(task.context, results=str(sender.results), shared=False)
        return _watch(replace(task, context=context), line, notes, sender)


def _watch(task: Task, line: Channel, notes: Path, sender: Sender | None) -> Ended:
    worker = Worker.start(task.shard, task.context, notes)
    voice = _Reporter(line, task.number)
    try:
        while True:
            found = _look(worker, task.context.trial_timeout)
            if isinstance(found, Failure):
                return found
            if found is not None and found.outcomes:
                return found.outcomes
            if voice.stopped(found):
                return Failure("Cancelled", "it was asked to end", "")
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


class _Reporter:
    """Tells news at intervals, and remarks at once."""

    def __init__(self, line: Channel, number: int) -> None:
        self._line, self._number = line, number
        self._step, self._said = 0, float("-inf")

    def stopped(self, event: Event | None) -> bool:
        """Pass on what has happened, if there is anything. Returns whether to end early."""
        remark = event.remark if event else ""
        self._step = max(self._step, event.step) if event else self._step
        if not remark and time.monotonic() < self._said + LOOK:
            return False
        self._said = time.monotonic()
        return self._line.tell(Heartbeat(self._number, self._step, remark))
