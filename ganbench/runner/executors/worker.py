"""A process that runs one shard: it hears when it has to end, and leaves word of what ended it.

Nothing here imports PyTorch before the process has begun, as watching processes start workers, too.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from ganbench.interfaces.executor import Callbacks, Cancelled, Event, Failure, RunContext, TrialResult
from ganbench.runner.executors.forkserver import context_for, watch_parent
from ganbench.spec import Shard

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
    """Processes import the main module a second time, unless it is called so: here Ray's, or a user's script."""
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
    from ganbench.runner.cohort_run import run_cohort  # imports torch, which the starting process need not
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

    callbacks = Callbacks(
        tell, lambda text: tell(0, remark=text), stop.is_set, lambda: tell(0), lambda: not gone.is_set()
    )
    try:
        check_source_hashes(context.source_hashes)
        outcomes = run_cohort(shard, context, callbacks)
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

    def end_after_block() -> None:
        """End after the block, and after some seconds at the latest."""
        gone.set()
        stop.set()
        time.sleep(GRACE)

    watch_parent(end_after_block)
    return stop, gone
