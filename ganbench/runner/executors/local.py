"""Run cohorts in processes of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import ClassVar

from ganbench.interfaces.executor import Event, Executor, Failure, RunContext
from ganbench.runner.cohort_run import fail, made_with
from ganbench.runner.executors.worker import Worker, end
from ganbench.spec import CohortSpec, Shard
from ganbench.store.checkpoint import Checkpoints
from ganbench.store.folder import StudyFolder
from ganbench.store.scratch import scratch_folder

LOOK = 1.0  # seconds between two looks at processes, at least: the end of a fresh interpreter has no sure sign


@dataclass(frozen=True)
class Local(Executor):
    """Processes on this machine, forked from one that has imported everything."""

    name: ClassVar[str] = "local"
    jobs: int = 0

    def run(self, cohorts: Sequence[Shard], context: RunContext) -> Generator[Event, None, None]:
        """See ``run_local``."""
        return run_local(cohorts, context, self.jobs)


def run_local(cohorts: Sequence[Shard], context: RunContext, jobs: int = 0) -> Generator[Event, None, None]:
    """Run cohorts to their ends, yielding what happens as it happens.

    Closing it, or an interrupt, lets every process end after its block and leave a checkpoint.

    Args:
        cohorts: what is missing.
        context: results, data and device; the thread count is set here.
        jobs: parallel processes; 0 takes one a core on a CPU, and one in all on other devices.
    """
    jobs = jobs or default_jobs(context.device)
    shards = split(cohorts, jobs, Checkpoints(StudyFolder(Path(context.results)), made_with(context)).groups)
    jobs = min(jobs, len(shards)) or 1
    how = {"processes": jobs, "cores": cores()}
    context = replace(context, threads=max(1, cores() // jobs), provenance={**context.provenance, **how})
    running: list[Worker] = []
    with scratch_folder("ganbench-") as notes:
        try:
            while shards or running:
                while shards and len(running) < jobs:
                    running.append(Worker.start(shards[0], context, notes / f"{len(shards)}.txt"))
                    shards.pop(0)
                for worker, event in _events(running, context):
                    if event.outcomes:
                        running.remove(worker)
                        worker.process.join()
                    yield event
        finally:
            end(running)


def _events(running: Sequence[Worker], context: RunContext) -> Iterator[tuple[Worker, Event]]:
    """What has happened by the time that anything has."""
    soonest = min(worker.deadline for worker in running) - time.monotonic()
    wait([sign for worker in running for sign in worker.signs()], max(0.0, min(soonest, LOOK)))
    for worker in list(running):
        found = worker.look(context.trial_timeout)
        if isinstance(found, Failure):
            yield worker, Event(worker.shard, worker.shard.work(), tuple(fail(worker.shard, context, found)))
        elif found is not None:
            yield worker, found


def split(
    cohorts: Sequence[Shard], jobs: int, groups: Callable[[CohortSpec], list[tuple[int, ...]]] = lambda cohort: []
) -> list[Shard]:
    """Shards, the costliest first. A seed's numbers do not depend on others, so a cohort may be split anywhere.

    Few cohorts are cut into as many parts as there are processes, so that none of them ends up waiting for another;
    no part is left with a single seed where that can be helped, since a single one costs as much as two. Seeds that a
    checkpoint holds together stay together.
    """
    return cut(cohorts, 1 if len(cohorts) >= 4 * jobs else jobs, groups)


def cut(cohorts: Sequence[Shard], most: int, groups: Callable[[CohortSpec], list[tuple[int, ...]]]) -> list[Shard]:
    """Shards, the costliest first: every cohort in at most so many parts, as ``split`` describes them."""
    shards: list[Shard] = []
    for cohort in cohorts:
        together = groups(cohort) if isinstance(cohort, CohortSpec) and cohort.train else []
        shards += [cohort.with_seeds(group) for group in together]
        cohort = cohort.with_seeds(seed for seed in cohort.seeds if not any(seed in group for group in together))
        if not cohort.seeds:
            continue
        shards += [cohort.with_seeds(part) for part in partition_seeds(cohort.seeds, most)]
    return sorted(shards, key=lambda shard: shard.cost(), reverse=True)


def partition_seeds(seeds: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Seeds in at most so many parts, none of them of a single one where that can be helped."""
    parts = min(most, max(1, len(seeds) // 2))
    return [seeds[i::parts] for i in range(parts)]


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs(device: str) -> int:
    """One process a core: on small networks that beats several threads in one."""
    return cores() if device == "cpu" else 1
