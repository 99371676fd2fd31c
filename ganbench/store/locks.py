"""Locks in a results folder: of all the processes and runs that want a trial, one has it and the others wait.

Every command takes them in the same way, on one machine and on clusters. A lock is two files. The first is locked by
the system, which gives it up when its process ends, and decides between the processes of one machine. The second is a
lease, a file that its holder refreshes, and decides between machines that share the folder: some network file systems
lock for each machine alone, and a machine that is gone gives nothing up. A lease that was not refreshed for ``LEASE``
seconds, by the clock of the one that waits, is taken over. Two that train one trial all the same write the same
numbers.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, SoftFileLease, Timeout

from ganbench.errors import DamageError, ObstructedError, StorageError
from ganbench.store.files import read_bytes, require_plain

if TYPE_CHECKING:
    from ganbench.spec import Trial
    from ganbench.store.folder import StudyFolder

Say = Callable[[str], None]

PAUSE = 0.2  # seconds between two looks at locks that others hold
PATIENCE = 2.0  # seconds of waiting after which it is said
LEASE = 30.0  # seconds after which a lease that is not refreshed is up
ABSENT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # file systems without locks: the lease alone decides


class Lock:
    """A lock that one process holds, on whichever machine.

    Args:
        path: beside which its two files lie, with the endings ``.lock`` and ``.lease``.
        below: the results folder; no link is followed inside it.
    """

    def __init__(self, path: Path, below: Path) -> None:
        self._below, self._files = below, (Path(f"{path}.lock"), Path(f"{path}.lease"))
        system, lease = self._files
        self._locks = FileLock(system), SoftFileLease(lease, lease_duration=LEASE, poll_interval=PAUSE)
        self._held = ExitStack()

    def take(self) -> bool:
        """Take it, unless another process holds it. Returns whether it is held now.

        Raises:
            ObstructedError: a link or a folder stands in the place of one of its files.
            StorageError: they cannot be written.
        """
        with ExitStack() as taken:
            try:
                for file, lock in zip(self._files, self._locks, strict=True):
                    require_plain(file, self._below)
                    _acquire(lock, taken)
            except Timeout:
                return False
            except StorageError:
                raise
            except OSError as error:
                raise StorageError(f"{file} could not be written: {error.strerror or error}") from error
            except (ValueError, RuntimeError) as error:  # a lease that no ganbench has written
                raise ObstructedError(f"{file} is no lock of ganbench's ({error}): remove it, then repeat") from error
            self._held = taken.pop_all()
        return True

    def release(self) -> None:
        """Give it up."""
        self._held.close()

    def holder(self) -> str:
        """In words who holds it, as far as its lease says."""
        try:
            text = (read_bytes(self._files[1]) or b"")[:1000].decode("ascii", errors="replace")
        except DamageError:
            text = ""
        fields = dict(re.findall(r"^(pid|host)=([\w.-]{1,80})", text, flags=re.MULTILINE))
        return "process {pid} on {host}".format(**fields) if len(fields) == 2 else "another process"


def _acquire(lock: Any, taken: ExitStack) -> None:
    try:
        lock.acquire(timeout=0)
    except (OSError, NotImplementedError) as error:
        if isinstance(lock, FileLock) and getattr(error, "errno", errno.ENOSYS) in ABSENT:
            return
        raise
    taken.callback(lock.release)


@contextmanager
def waited_for(
    lock: Lock, what: str, say: Say = lambda text: None, pause: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold a lock, for which one waits.

    Args:
        lock: which.
        what: it guards, for the sentence that says what is waited for.
        say: gets that sentence, after two seconds.
        pause: called again and again meanwhile; what it raises ends the waiting.
    """
    waiting = _Waiting(say)
    while not lock.take():
        pause()
        waiting.look(f"{what}, which {lock.holder()} holds")
        time.sleep(PAUSE)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def acquire_trials(
    store: StudyFolder, trials: Sequence[Trial], wait: Callable[[], None] | None, say: Say = lambda text: None
) -> Iterator[list[Trial]]:
    """Hold the locks of all the trials that nobody else holds; they are given up when a process ends.

    Args:
        store: the results folder.
        trials: the wanted ones.
        wait: called again and again while others hold all of them, until one is free; what it raises ends the waiting.
            None does not wait.
        say: gets a sentence about whom is waited for, after two seconds.
    """
    store.make(store.path / ".locks")
    wanted = {trial: Lock(store.path / ".locks" / trial.id, store.path) for trial in trials}
    waiting = _Waiting(say)
    with ExitStack() as locks:
        held = [trial for trial, lock in wanted.items() if _take(lock, locks)]
        while not held and wait is not None:
            wait()
            trial, lock = next(iter(wanted.items()))
            waiting.look(f"{trial.id}{_others(len(wanted) - 1)}, which {lock.holder()} holds")
            time.sleep(PAUSE)
            held = [trial for trial, lock in wanted.items() if _take(lock, locks)]
        yield held


def _take(lock: Lock, locks: ExitStack) -> bool:
    if lock.take():
        locks.callback(lock.release)
        return True
    return False


def _others(n: int) -> str:
    return f" and {n} other{'s' if n > 1 else ''}" if n else ""


class _Waiting:
    """Says once what is waited for, after some patience."""

    def __init__(self, say: Say) -> None:
        self._say, self._since, self._said = say, time.monotonic(), False

    def look(self, what: str) -> None:
        if not self._said and time.monotonic() >= self._since + PATIENCE:
            self._said = True
            self._say(f"waiting for {what}")


# -- attempts ----------------------------------------------------------------------------------------------------------

# A process that begins a trial holds its lock and adds a line to a file beside it. If it is asked to end, it removes
# the line, since the trial is only paused; if its parent is gone, it does not. The process that stores the end of the
# trial removes the file.
MOST_ATTEMPTS = 10_000  # notes that are kept


def note_attempt(store: StudyFolder, trials: Iterable[Trial]) -> None:
    """Note that trials have been begun. Raises StorageError."""
    for trial in trials:
        _write_attempts(store, trial, [*_attempts(store, trial), str(os.getpid())])


def withdraw_attempt(store: StudyFolder, trials: Iterable[Trial]) -> None:
    """Take back the last note of each: it has been paused, and left a checkpoint."""
    for trial in trials:
        with suppress(OSError):
            _write_attempts(store, trial, _attempts(store, trial)[:-1])


def count_attempts(store: StudyFolder, trial: Trial) -> int:
    """How often it has been begun since its end was last stored; at least once."""
    return max(1, len(_attempts(store, trial)))


def forget_attempts(store: StudyFolder, trial: Trial) -> None:
    """Its end has been stored."""
    with suppress(OSError):
        store.remove(attempts_file(store, trial))


def _attempts(store: StudyFolder, trial: Trial) -> list[str]:
    try:
        content = read_bytes(attempts_file(store, trial)) or b""
    except DamageError:
        return []
    return content.decode(errors="replace").splitlines()[-MOST_ATTEMPTS:]


def _write_attempts(store: StudyFolder, trial: Trial, lines: Sequence[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    store.write_bytes(attempts_file(store, trial), content, durable=False)


def attempts_file(store: StudyFolder, trial: Trial) -> Path:
    """Beside the trial's lock."""
    return store.path / ".locks" / f"{trial.id}.begun"
