"""How often a trial has been begun: what died on the way counts too, wherever and whenever that was.

Every process that begins a trial adds a line to a file beside the trial's lock, which it holds meanwhile. One that is
asked to end takes its line back, as it has only paused; one whose parent has died does not. Whoever stores the trial's
end removes the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ganbench.errors import DamageError
from ganbench.spec import Trial
from ganbench.store.files import read_bytes
from ganbench.store.folder import StudyFolder

MOST = 10_000  # notes that are kept


def begin(store: StudyFolder, trials: Iterable[Trial]) -> None:
    """Note that trials have been begun. Raises StorageError."""
    for trial in trials:
        _write(store, trial, [*_lines(store, trial), str(os.getpid())])


def withdraw(store: StudyFolder, trials: Iterable[Trial]) -> None:
    """Take back the last note of each: it has been paused, and left a checkpoint."""
    for trial in trials:
        with suppress(OSError):
            _write(store, trial, _lines(store, trial)[:-1])


def count(store: StudyFolder, trial: Trial) -> int:
    """How often it has been begun since its end was last stored; at least once."""
    return max(1, len(_lines(store, trial)))


def forget(store: StudyFolder, trial: Trial) -> None:
    """Its end has been stored."""
    with suppress(OSError):
        store.remove(tries_file(store, trial))


def _lines(store: StudyFolder, trial: Trial) -> list[str]:
    try:
        content = read_bytes(tries_file(store, trial)) or b""
    except DamageError:
        return []
    return content.decode(errors="replace").splitlines()[-MOST:]


def _write(store: StudyFolder, trial: Trial, lines: Sequence[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    store.write_bytes(tries_file(store, trial), content, durable=False)


def tries_file(store: StudyFolder, trial: Trial) -> Path:
    """Beside the trial's lock."""
    return store.path / ".locks" / f"{trial.id}.begun"
