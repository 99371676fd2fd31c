"""Runs a study on whatever engine can: counts, starts again what died, and shows how far things are.

Results and checkpoints are files that the shards write themselves; nothing is lost with this process.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ganbench import tries
from ganbench.checkpoints import Checkpoints
from ganbench.execution import fail, made_with
from ganbench.executors.cell import mark_of
from ganbench.executors.division import divide
from ganbench.executors.engine import Ended, Engine, Task
from ganbench.executors.luggage import luggage
from ganbench.failures import Failure
from ganbench.store import Store
from ganbench.surroundings import Event, Outcome, Surroundings
from ganbench.trials import CohortSpec

TRIES = 3  # deaths of a shard, one after the other without getting further, after which its trials have failed
PAUSES = (0.0, 5.0, 30.0)  # seconds before a shard is started again, so that a full machine is not asked at once
LOOK = 1.0  # seconds between two looks at what has happened


@dataclass
class _Progress:
    """A shard's way through deaths.

    Attributes:
        reached: the furthest step that was heard of.
        record: the furthest at its last death.
        deaths: in a row, without getting further.
        after: not to be started before, by ``time.monotonic``.
    """

    shard: CohortSpec
    reached: int = 0
    record: int = 0
    deaths: int = 0
    after: float = 0.0

    def die(self) -> bool:
        """Note a death. Returns whether to try again."""
        self.deaths = 1 if self.reached > self.record else self.deaths + 1
        self.record = max(self.record, self.reached)
        self.after = time.monotonic() + PAUSES[min(self.deaths, len(PAUSES)) - 1]
        return self.deaths < TRIES


def run_on(
    engine: Engine, cohorts: Sequence[CohortSpec], where: Surroundings, jobs: int = 0
) -> Generator[Event, None, None]:
    """Run cohorts on an engine to their ends, yielding what happens as it happens.

    Args:
        engine: which.
        cohorts: what is missing.
        where: of this machine; paths have to be absolute.
        jobs: the most shards at a time; 0 leaves it to the engine.
    """
    where = replace(where, shared=True)
    shelf = Checkpoints(Store(Path(where.results)), made_with(where))
    shards = divide(cohorts, where.device, min(jobs or engine.slots(), engine.slots()), shelf.groups)
    waiting = deque(_Progress(shard) for shard in shards)
    tasks: dict[int, _Progress] = {}
    running: dict[Hashable, int] = {}
    with _marked(shelf.store) as run:
        try:
            while waiting or running:
                for progress in _due(waiting, (jobs or _window(engine)) - len(running)):
                    things = {} if engine.shares(mark_of(shelf.store.path, run)) else luggage(progress.shard, shelf)
                    task = Task(len(tasks), run, progress.shard, where, _variables(), things)
                    tasks[task.number] = progress
                    running[engine.submit(task)] = task.number
                ended = engine.ended(list(running), LOOK)
                yield from _heard(engine, tasks)
                for job in ended:
                    progress = tasks[running.pop(job)]
                    event = _end(progress, engine.result(job), where)
                    if not event.outcomes:
                        waiting.appendleft(progress)
                    yield event
        finally:
            engine.stop(list(running))


@contextmanager
def _marked(store: Store) -> Iterator[str]:
    """A name for this run, and a file in the results folder that says so to machines that see it."""
    store.make(store.path / ".locks")
    run = secrets.token_hex(8)
    store.write_bytes(mark_of(store.path, run), b"", durable=False)
    try:
        yield run
    finally:
        with suppress(OSError):
            store.remove(mark_of(store.path, run))


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GANBENCH_")}


def _window(engine: Engine) -> int:
    """More than can run, so that nobody waits for the next one and a cluster that can grow sees why; not everything."""
    return 2 * engine.slots() + 8


def _due(waiting: deque[_Progress], room: int) -> Iterator[_Progress]:
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


def _heard(engine: Engine, tasks: Mapping[int, _Progress]) -> Iterator[Event]:
    for news in engine.news():
        progress = tasks[news.number]
        progress.reached = max(progress.reached, news.step)
        yield Event(progress.shard, progress.reached, remark=news.remark)


def _end(progress: _Progress, found: Ended, where: Surroundings) -> Event:
    """What to tell of a task that has ended; without outcomes it is to be started again."""
    shard = progress.shard
    if not isinstance(found, Failure):
        return Event(shard, shard.work(), _settled(shard, where, found))
    if found.kind == "WorkerDied" and progress.die():
        again = f"it goes on elsewhere (death {progress.deaths} of {TRIES} without getting further)"
        return Event(shard, progress.reached, remark=f"{shard.name}: {found.message}; {again}")
    return Event(shard, shard.work(), _settled(shard, where, fail(shard, where, found)))


def _settled(shard: CohortSpec, where: Surroundings, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Forget what an ended shard needs no more, and look at its folders anew: network file systems remember absence."""
    store = Store(Path(where.results))
    for outcome in outcomes:
        with suppress(OSError):
            os.listdir(store.folder(outcome.trial))
        if store.run(outcome.trial) is not None:
            tries.forget(store, outcome.trial)
    if all(outcome.status != "failed" for outcome in outcomes):
        Checkpoints(store, {}).remove(shard)
    return tuple(outcomes)
