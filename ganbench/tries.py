"""How often a trial has been begun: what died on the way counts too, wherever and whenever that was.

Every process that begins a trial adds a line to a file beside the trial's lock, which it holds meanwhile. One that is
asked to end takes its line back, as it has only paused; one whose parent has died does not. Whoever stores the trial's
end removes the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ganbench.errors import StorageError
from ganbench.store import Store
from ganbench.trials import Trial


def begin(store: Store, trials: Iterable[Trial]) -> None:
    """Note that trials have been begun. Raises StorageError."""
    for trial in trials:
        file = tries_file(store, trial)
        try:
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{os.getpid()}\n")
        except OSError as error:
            raise StorageError(f"{file} could not be written: {error.strerror or error}") from error


def withdraw(store: Store, trials: Iterable[Trial]) -> None:
    """Take back the last note of each: it has been paused, and left a checkpoint."""
    for trial in trials:
        file = tries_file(store, trial)
        with suppress(OSError):
            file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[:-1]))


def count(store: Store, trial: Trial) -> int:
    """How often it has been begun since its end was last stored; at least once."""
    try:
        return max(1, len(tries_file(store, trial).read_text().splitlines()))
    except OSError:
        return 1


def forget(store: Store, trial: Trial) -> None:
    """Its end has been stored."""
    with suppress(OSError):
        tries_file(store, trial).unlink(missing_ok=True)


def tries_file(store: Store, trial: Trial) -> Path:
    """Beside the trial's lock."""
    return store.path / ".locks" / f"{trial.id}.begun"
