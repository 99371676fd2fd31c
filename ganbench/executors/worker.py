"""One process for one shard: it hears when it has to end, and leaves word of what killed it."""

from __future__ import annotations

import faulthandler
import multiprocessing as mp
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

from ganbench.executors.memory import limit_memory
from ganbench.executors.server import context_for
from ganbench.failures import Failure
from ganbench.surroundings import Contact, Event, Outcome, Stopped, Surroundings
from ganbench.trials import CohortSpec

GRACE = 8.0  # seconds between being asked to end and being ended
ASKED_TO_END = 143  # what a process that SIGTERM ended is said to exit with


@dataclass
class Worker:
    """A running process.

    Attributes:
        process, shard: which is at what.
        connection: where its events come from.
        notes: a file in the system's temporary folder where it writes its stack if it dies.
        deadline: when it will be ended, by ``time.monotonic``; counted from when it has begun to work.
        step: the last it told of.
    """

    process: BaseProcess
    shard: CohortSpec
    connection: Connection
    notes: Path
    deadline: float = float("inf")
    step: int = 0

    @classmethod
    def start(cls, shard: CohortSpec, where: Surroundings, notes: Path) -> Worker:
        """Start a process on a shard."""
        context = context_for(where.device)
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(shard, where, theirs, str(notes)), daemon=True)  # type: ignore[attr-defined]
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


# -- inside the process ------------------------------------------------------------------------------------------------


def _work(shard: CohortSpec, where: Surroundings, connection: Connection, notes: str) -> None:
    from ganbench.execution import execute  # which imports torch: whoever starts this process may do without
    from ganbench.provenance import check_source_hashes

    stop, gone = _listen(Path(notes))
    if where.device == "cpu":
        limit_memory()

    def tell(step: int, outcomes: Sequence[Outcome] = (), remark: str = "") -> None:
        try:
            connection.send(Event(shard, step, tuple(outcomes), remark))
        except OSError:  # the parent is gone: whatever is whole by the end of the block is kept
            gone.set()
            stop.set()

    contact = Contact(tell, lambda text: tell(0, remark=text), stop.is_set, lambda: tell(0), lambda: not gone.is_set())
    try:
        check_source_hashes(where.source_hashes)
        outcomes = execute(shard, where, contact)
    except Stopped:
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
