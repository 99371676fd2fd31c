"""Locks on trials: of all the processes and runs that want a trial, one trains it and the others take its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from ganbench.errors import StorageError
from ganbench.store import Store
from ganbench.trials import Trial

PAUSE = 0.2  # seconds between two looks at locks that others hold


@contextmanager
def hold(store: Store, trials: Sequence[Trial], wait: Callable[[], None] | None) -> Iterator[list[Trial]]:
    """Hold the locks of all the trials that nobody else holds; the system gives them up when a process dies.

    Args:
        store: the results folder.
        trials: the wanted ones.
        wait: called again and again while others hold all of them, until one is free; what it raises ends the waiting.
            None does not wait.
    """
    store.make(store.path / ".locks")
    with ExitStack() as locks:
        held = [trial for trial in trials if _take(store, trial, locks)]
        while not held and wait is not None:
            wait()
            time.sleep(PAUSE)
            held = [trial for trial in trials if _take(store, trial, locks)]
        yield held


def _take(store: Store, trial: Trial, locks: ExitStack) -> bool:
    try:
        locks.enter_context(FileLock(store.path / ".locks" / f"{trial.id}.lock", timeout=0))
    except Timeout:
        return False
    except OSError as error:
        raise StorageError(f"{store.path / '.locks'} could not be written to: {error.strerror or error}") from error
    return True
