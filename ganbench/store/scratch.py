"""Temporary folders that go with their process: at its end, or at the next start where it was killed.

A folder holds a file that its process has locked. The system gives that lock up when the process ends, however it does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: nothing is marked there, and nothing removed
    fcntl = None  # type: ignore[assignment]

PREFIXES = ("ganbench-", "gb-", "pymp-")  # pymp: multiprocessing's, for its sockets
OWNER = ".ganbench-owner"

_owned: dict[Path, Any] = {}  # the open files whose locks say that this process lives


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder for as long as the block runs."""
    folder = make_scratch(prefix)
    try:
        yield folder
    finally:
        drop_scratch(folder)


def make_scratch(prefix: str, parent: str | None = None) -> Path:
    """Make a temporary folder that only this user can enter; folders of processes that are gone are removed.

    Args:
        prefix: of its name; one of PREFIXES, or longer.
        parent: where; the system's temporary folder unless given.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    mark_owned(folder)
    delete_abandoned(folder.parent)
    return folder


def drop_scratch(folder: Path) -> None:
    """Remove a temporary folder; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
    file = _owned.pop(folder, None)
    if file is not None:
        file.close()


def mark_owned(folder: Path) -> None:
    """Note in a temporary folder that it is this process's."""
    if fcntl is None or folder in _owned:
        return
    with contextlib.suppress(OSError):
        part = folder / f"{OWNER}.{os.getpid()}"
        file = part.open("x")
        fcntl.flock(file, fcntl.LOCK_EX)
        part.rename(folder / OWNER)  # it is never seen unlocked while the process lives
        _owned[folder] = file


def delete_abandoned(parent: Path) -> None:
    """Remove the temporary folders below ``parent`` that are this user's and whose process is gone."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIXES) and _is_left(Path(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether a folder was marked by a process of this user that is gone."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        descriptor = os.open(folder / OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
