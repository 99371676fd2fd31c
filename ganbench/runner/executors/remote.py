"""Run cohorts on a cluster: what Ray and Slurm share."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ganbench.errors import UsageError
from ganbench.interfaces.executor import Event, Failure, RunContext, TrialResult
from ganbench.plugins.build import variants
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import fail, made_with
from ganbench.runner.executors.local import cut
from ganbench.runner.executors.task import LOOK, ClusterBackend, Ended, Task, shared_folder_marker
from ganbench.runner.reference_generators import OBJECTIVE, key_of
from ganbench.spec import CohortSpec, Shard
from ganbench.store import locks
from ganbench.store.checkpoint import Checkpoints
from ganbench.store.folder import OWN, StudyFolder
from ganbench.store.locks import attempts_file

# -- splitting cohorts -------------------------------------------------------------------------------------------------


def divide(
    cohorts: Sequence[Shard], device: str, slots: int, groups: Callable[[CohortSpec], list[tuple[int, ...]]]
) -> list[Shard]:
    """Shards, the costliest first.

    Seeds cost less together than apart, on a GPU hardly more than one of them, so a cohort is cut only on CPUs, and
    only into as many parts as there would be idle slots for each.

    Args:
        cohorts: what is missing.
        device: ``cpu``, or one that trains all seeds at the price of a few.
        slots: shards that can run at once.
        groups: the seeds that a checkpoint holds together; they stay together.
    """
    parts = 1 if device != "cpu" else max(1, slots // max(1, len(cohorts)))
    return cut(cohorts, parts, groups)


# -- paths and devices of other machines -------------------------------------------------------------------------------


def with_absolute_paths(context: RunContext, threads: int) -> RunContext:
    """With paths that mean the same in every process, and so many threads for each cohort."""
    results, data_root = (str(Path(path).absolute()) for path in (context.results, context.data_root))
    return replace(context, threads=threads, results=results, data_root=data_root)


def device_of(asked: str, gpus: float) -> str:
    """The device of a cohort that is given so many GPUs, wherever it runs; it sees no others.

    Raises:
        UsageError: the two do not go together.
    """
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in ("cpu", "cuda"):
        raise UsageError(f"--device {asked} is of one machine; on a cluster say cpu, cuda or auto", subject="--device")
    if asked == "cuda" and not gpus:
        sentence = "--device cuda needs GPUs: say --gpus-per-cohort 1, or 0.5 to let two cohorts share one"
        raise UsageError(sentence, subject="--device", remedy="--gpus-per-cohort")
    return asked


# -- files that a task takes along -------------------------------------------------------------------------------------


def task_files(shard: Shard, checkpoints: Checkpoints) -> Mapping[str, bytes]:
    """A shard's checkpoints, its trials where there are any already, and the generators that its probe freezes."""
    store = checkpoints.store
    found: dict[str, bytes] = {}
    if not isinstance(shard, CohortSpec):
        return found
    for file in [*_trials(store, shard), *_references(store, shard), *_checkpoints(checkpoints, shard)]:
        with suppress(OSError):  # another run may be at it
            found[file.relative_to(store.path).as_posix()] = file.read_bytes()
    return found


def _trials(store: StudyFolder, shard: CohortSpec) -> Iterator[Path]:
    for trial in shard.trials():
        yield attempts_file(store, trial)
        yield from (store.folder(trial) / name for name in OWN)


def _references(store: StudyFolder, shard: CohortSpec) -> Iterator[Path]:
    if shard.probe is not None:
        ((component, _),) = variants(load_plugins().objectives, OBJECTIVE, {})
        for seed in shard.seeds:
            for code in component.codes():
                key = key_of(shard, replace(component, code=code))
                yield from (store.path / "references").glob(f"{key}-s{seed}[-.]*")


def _checkpoints(checkpoints: Checkpoints, shard: CohortSpec) -> Iterator[Path]:
    for folder in checkpoints.folders(shard):
        yield from folder.iterdir()


# -- the loop over all tasks -------------------------------------------------------------------------------------------

TRIES = 3  # deaths of a shard, one after the other without getting further, after which its trials have failed
PAUSES = (0.0, 5.0, 30.0)  # seconds before a shard is started again, so that a full machine is not asked at once


@dataclass
class _ShardState:
    """A shard's way through deaths.

    Attributes:
        reached: the furthest step that was heard of.
        record: the furthest at its last crash.
        deaths: in a row, without getting further.
        after: not to be started before, by ``time.monotonic``.
    """

    shard: Shard
    reached: int = 0
    record: int = 0
    deaths: int = 0
    after: float = 0.0

    def die(self) -> bool:
        """Count a crash. Returns whether to try again."""
        self.deaths = 1 if self.reached > self.record else self.deaths + 1
        self.record = max(self.record, self.reached)
        self.after = time.monotonic() + PAUSES[min(self.deaths, len(PAUSES)) - 1]
        return self.deaths < TRIES


def run_on(
    engine: ClusterBackend, cohorts: Sequence[Shard], context: RunContext, jobs: int = 0
) -> Generator[Event, None, None]:
    """Run cohorts on an engine to their ends, yielding what happens as it happens.

    Args:
        engine: which.
        cohorts: what is missing.
        context: of this machine; paths have to be absolute.
        jobs: the most shards at a time; 0 leaves it to the engine.
    """
    context = replace(context, shared=True)
    checkpoints = Checkpoints(StudyFolder(Path(context.results)), made_with(context))
    shards = divide(cohorts, context.device, min(jobs or engine.slots(), engine.slots()), checkpoints.groups)
    waiting = deque(_ShardState(shard) for shard in shards)
    tasks: dict[int, _ShardState] = {}
    running: dict[Hashable, int] = {}
    with _marked(checkpoints.store) as run:
        try:
            while waiting or running:
                for progress in _due(waiting, (jobs or _window(engine)) - len(running)):
                    things = (
                        {}
                        if engine.shares(shared_folder_marker(checkpoints.store.path, run))
                        else task_files(progress.shard, checkpoints)
                    )
                    task = Task(len(tasks), run, progress.shard, context, _variables(), things)
                    tasks[task.number] = progress
                    running[engine.submit(task)] = task.number
                ended = engine.ended(list(running), LOOK)
                yield from _heard(engine, tasks)
                for job in ended:
                    progress = tasks[running.pop(job)]
                    event = _end(progress, engine.result(job), context)
                    if not event.outcomes:
                        waiting.appendleft(progress)
                    yield event
        finally:
            engine.stop(list(running))


@contextmanager
def _marked(store: StudyFolder) -> Iterator[str]:
    """A name for this run, and a file in the results folder that says so to machines that see it."""
    store.make(store.path / ".locks")
    run = secrets.token_hex(8)
    store.write_bytes(shared_folder_marker(store.path, run), b"", durable=False)
    try:
        yield run
    finally:
        with suppress(OSError):
            store.remove(shared_folder_marker(store.path, run))


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GANBENCH_")}


def _window(engine: ClusterBackend) -> int:
    """More than can run, so that nobody waits for the next one and a cluster that can grow sees why; not everything."""
    return 2 * engine.slots() + 8


def _due(waiting: deque[_ShardState], room: int) -> Iterator[_ShardState]:
    """As many as there is room for of those that may start now."""
    for _ in range(len(waiting)):
        if room <= 0:
            return
        progress = waiting.popleft()
        if progress.after <= time.monotonic():
            room -= 1
            yield progress
        else:
            waiting.append(progress)


def _heard(engine: ClusterBackend, tasks: Mapping[int, _ShardState]) -> Iterator[Event]:
    for news in engine.news():
        progress = tasks[news.number]
        progress.reached = max(progress.reached, news.step)
        yield Event(progress.shard, progress.reached, remark=news.remark)


def _end(progress: _ShardState, found: Ended, context: RunContext) -> Event:
    """What to tell of a task that has ended; without outcomes it is to be started again."""
    shard = progress.shard
    if not isinstance(found, Failure):
        return Event(shard, shard.work(), _settled(shard, context, found))
    if found.kind == "WorkerDied" and progress.die():
        again = f"it goes on elsewhere (crash {progress.deaths} of {TRIES} without getting further)"
        return Event(shard, progress.reached, remark=f"{shard.name}: {found.message}; {again}")
    return Event(shard, shard.work(), _settled(shard, context, fail(shard, context, found)))


def _settled(shard: Shard, context: RunContext, outcomes: Sequence[TrialResult]) -> tuple[TrialResult, ...]:
    """Forget what an ended shard needs no more, and look at its folders anew: network file systems remember absence."""
    store = StudyFolder(Path(context.results))
    for outcome in outcomes:
        with suppress(OSError):
            os.listdir(store.folder(outcome.trial))
        if store.run(outcome.trial) is not None:
            locks.forget_attempts(store, outcome.trial)
    if isinstance(shard, CohortSpec) and all(outcome.status != "failed" for outcome in outcomes):
        Checkpoints(store, {}).remove(shard)
    return tuple(outcomes)
