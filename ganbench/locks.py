"""Locks on trials: of all the processes and runs that want a trial, one trains it and the others take its result.

On one machine the system gives a lock up when its process dies. Machines that share a folder cannot rely on that: a
machine that is gone gives nothing up, and some network file systems lock for each machine alone. Their locks are
leases, files that their holder refreshes; who sees one unrefreshed for too long, by its own clock, takes it over. Two
that train one trial all the same write the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, SoftFileLease, Timeout

from ganbench.errors import StorageError
from ganbench.store import Store
from ganbench.trials import Trial

PAUSE = 0.2  # seconds between two looks at locks that others hold
LEASE = 30.0  # seconds after which a lease that is not refreshed is up


@contextmanager
def hold(
    store: Store, trials: Sequence[Trial], wait: Callable[[], None] | None, leased: bool = False
) -> Iterator[list[Trial]]:
    """Hold the locks of all the trials that nobody else holds; they are given up when a process dies.

    Args:
        store: the results folder.
        trials: the wanted ones.
        wait: called again and again while others hold all of them, until one is free; what it raises ends the waiting.
            None does not wait.
        leased: whether the folder is shared by machines.
    """
    store.make(store.path / ".locks")
    wanted = {trial: lock_at(store.path / ".locks" / trial.id, leased) for trial in trials}
    with ExitStack() as locks:
        held = [trial for trial, lock in wanted.items() if _take(store, lock, locks)]
        while not held and wait is not None:
            wait()
            time.sleep(PAUSE)
            held = [trial for trial, lock in wanted.items() if _take(store, lock, locks)]
        yield held


def lock_at(path: Path, leased: bool) -> AbstractContextManager[Any]:
    """A lock, waited for, in a file beside ``path``: a lease, or the system's own."""
    if leased:
        return SoftFileLease(f"{path}.lease", lease_duration=LEASE, poll_interval=PAUSE)
    return FileLock(f"{path}.lock")


def _take(store: Store, lock: Any, locks: ExitStack) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise StorageError(f"{store.path / '.locks'} could not be written to: {error.strerror or error}") from error
    locks.callback(lock.release)
    return True
