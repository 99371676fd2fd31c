"""Run cohorts in processes of this machine."""

from __future__ import annotations

import faulthandler
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import ClassVar

import psutil

from ganbench.interfaces.executor import Callbacks, Cancelled, Event, Executor, Failure, RunContext, TrialResult
from ganbench.runner.cohort_run import fail, made_with
from ganbench.runner.executors.forkserver import context_for
from ganbench.spec import CohortSpec, Shard
from ganbench.store.checkpoint import Checkpoints
from ganbench.store.folder import StudyFolder
from ganbench.store.scratch import scratch_folder

# -- memory limit ------------------------------------------------------------------------------------------------------

SHARE = 0.9  # of the memory that is free when a process begins
GROUP = Path("/sys/fs/cgroup")  # the container's own account, where there is one


def limit_memory() -> None:
    """Let allocations of this process fail when the machine's free memory is nearly used up. Linux only."""
    if sys.platform != "linux":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _data() + int(SHARE * available())
    limits = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))


def available() -> int:
    """Free memory in bytes, of the machine or of the container that this runs in."""
    free: int = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no such account, or one without a limit ("max")
        free = min(free, int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return max(free, 0)


def _data() -> int:
    """What this process has already, as the limit counts it."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["VmData"].split()[0]) * 1024


# -- worker process ----------------------------------------------------------------------------------------------------

GRACE = 8.0  # seconds between being asked to end and being ended
ASKED_TO_END = 143  # what a process that SIGTERM ended is said to exit with


@dataclass
class Worker:
    """A running process.

    Attributes:
        process, shard: which is at what.
        connection: where its events come from.
        notes: a file in the system's temporary folder where it writes its stack if it crashes.
        deadline: when it will be ended, by ``time.monotonic``; counted from when it has begun to work.
        step: the last it told of.
    """

    process: BaseProcess
    shard: Shard
    connection: Connection
    notes: Path
    deadline: float = float("inf")
    step: int = 0

    @classmethod
    def start(cls, shard: Shard, context: RunContext, notes: Path) -> Worker:
        """Start a process on a shard."""
        processes = context_for(context.device)
        ours, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=_work, args=(shard, context, theirs, str(notes)), daemon=True)  # type: ignore[attr-defined]
        with _without_main():
            process.start()
        theirs.close()
        return cls(process, shard, ours, notes)

    def signs(self) -> tuple[Connection, int]:
        """What becomes ready when there is something to look at, for ``multiprocessing.connection.wait``."""
        return self.connection, self.process.sentinel

    def look(self, timeout: float) -> Event | Failure | None:
        """What has become of it, without waiting. A process that has sent its last is waited for.

        The connection alone does not tell of its end, as a process that it forked may hold the other side open.
        """
        alive = self.process.is_alive()  # asked first: what it sent before its end is then in the connection
        if self.connection.poll() or not alive:
            return self._receive(timeout)
        return self._overdue(timeout)

    def _receive(self, timeout: float) -> Event | Failure:
        """What it has to tell, or why it cannot any more."""
        try:
            event: Event | Failure | None = self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            event = None
        if event is None:
            self.process.join()
            return self._death()
        if isinstance(event, Failure):
            return event
        if timeout and self.deadline == float("inf"):
            self.deadline = time.monotonic() + timeout
        self.step = event.step or self.step
        return event

    def _overdue(self, timeout: float) -> Failure | None:
        """End it if its time is up, and say where it was."""
        if time.monotonic() < self.deadline:
            return None
        if hasattr(signal, "SIGUSR1") and self.process.pid:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR1)  # it then writes its stack
            time.sleep(0.5)
        self.process.kill()
        self.process.join()
        message = f"the trial ran longer than {timeout:g} s (--trial-timeout); it was last heard of at step {self.step}"
        return self._failure("TimeLimit", message)

    def _death(self) -> Failure:
        code = self.process.exitcode
        reason = f"ended with code {code}"
        if code is not None and code < 0:
            reason = f"was ended by {signal.Signals(-code).name}" + (" (out of memory?)" if code == -9 else "")
        return self._failure("WorkerDied", f"the process {reason}; it was last heard of at step {self.step}")

    def _failure(self, kind: str, message: str) -> Failure:
        with suppress(OSError):
            return Failure(kind, message, f"{kind}: {message}\n\n{self.notes.read_text(errors='replace')}")
        return Failure(kind, message, f"{kind}: {message}\n")


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes import the main module a second time, unless it is called so: here Ray's, or somebody's script."""
    main = sys.modules["__main__"]
    before, main.__spec__ = main.__spec__, ModuleSpec("__main__", None)
    try:
        yield
    finally:
        main.__spec__ = before


def end(workers: Sequence[Worker]) -> None:
    """Ask processes to end after their block, and end those that do not; at once if interrupted meanwhile."""
    try:
        for worker in workers:
            worker.process.terminate()
        deadline, sentinels = time.monotonic() + GRACE, {worker.process.sentinel for worker in workers}
        while sentinels and (left := deadline - time.monotonic()) > 0:
            sentinels -= set(wait(list(sentinels), left))
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


# -- inside the worker process -----------------------------------------------------------------------------------------


def _work(shard: Shard, context: RunContext, connection: Connection, notes: str) -> None:
    from ganbench.runner.cohort_run import run_cohort  # which imports torch: whoever starts this process may do without
    from ganbench.study.provenance import check_source_hashes

    stop, gone = _listen(Path(notes))
    if context.device == "cpu":
        limit_memory()

    def tell(step: int, outcomes: Sequence[TrialResult] = (), remark: str = "") -> None:
        try:
            connection.send(Event(shard, step, tuple(outcomes), remark))
        except OSError:  # the parent is gone: whatever is whole by the end of the block is kept
            gone.set()
            stop.set()

    contact = Callbacks(
        tell, lambda text: tell(0, remark=text), stop.is_set, lambda: tell(0), lambda: not gone.is_set()
    )
    try:
        check_source_hashes(context.source_hashes)
        outcomes = run_cohort(shard, context, contact)
    except Cancelled:
        sys.exit(ASKED_TO_END)
    except Exception as error:  # none of an objective's, which are rows by now
        with suppress(OSError):  # the parent is gone
            connection.send(Failure.of(error))
    else:
        tell(shard.work(), outcomes)
    connection.close()


def _listen(notes: Path) -> tuple[threading.Event, threading.Event]:
    """Set when the process is to end after its block, as it was asked to or its parent is gone; set in that case."""
    stop, gone = threading.Event(), threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and asks this process to end
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    file = notes.open("w")  # left open: it is written to by a process that crashes
    faulthandler.enable(file)
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, file)
    threading.Thread(target=_watch_parent, args=(stop, gone), daemon=True).start()
    return stop, gone


def _watch_parent(stop: threading.Event, gone: threading.Event) -> None:
    """A process whose parent was killed ends after its block, and after some seconds at the latest."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        gone.set()
        stop.set()
        time.sleep(GRACE)
        os._exit(1)


# -- the executor ------------------------------------------------------------------------------------------------------

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
