"""Every file that ganbench stores is written here: whole or not at all, through no link, inside the folder given.

A results folder may come from anywhere, with links in it. Folders are therefore opened one after the other from the
folder that was given, none of them through a link, and files are made inside the open folder. A file is written beside
its place, flushed to the disk and renamed into it, and the folder is flushed after it: a reader sees the old file or
the new one, never half, whenever the power fails.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganbench.errors import DamageError, ObstructedError, StorageError, UsageError

HAS_DESCRIPTORS = {os.open, os.mkdir, os.stat, os.unlink} <= os.supports_dir_fd
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_bytes(path: Path, content: bytes, below: Path | None = None, durable: bool = True) -> None:
    """Write a file atomically.

    Args:
        path: the file; its folder exists.
        content: of the file.
        below: the folder that was given: no folder between it and the file may be a link. The file's own folder
            unless given.
        durable: whether the file has to survive a power failure from now on.

    Raises:
        ObstructedError: a link, a folder or another thing stands where the file or one of its folders belongs.
        StorageError: there is no room, or the device failed; what was there before is untouched.
    """
    part = f".{path.name}.{platform.node()[:32]}.{os.getpid()}.part"  # machines may share the folder
    with _told(path, "written"), _open(path.parent, below) as folder:
        try:
            folder.unlink(part)
            folder.write(part, content, durable)
            if stat.S_ISDIR(folder.mode(path.name)):
                raise ObstructedError(f"{path} is a folder, and a file belongs there: move it away, then repeat")
            folder.replace(part, path.name)
            if durable:
                folder.flush()
        finally:
            with contextlib.suppress(OSError):
                folder.unlink(part)


def make_folder(path: Path, below: Path) -> None:
    """Make a folder, and those between it and ``below``, which exists. What is there already stays.

    Raises:
        ObstructedError: a link or a file stands where one of the folders belongs.
        StorageError: it cannot be made.
    """
    with _told(path, "made"), _open(path, below, make=True):
        pass


def remove(path: Path, below: Path) -> None:
    """Remove a file, or a link but not what it leads to; nothing happens where there is none. Raises StorageError."""
    with _told(path, "removed"), contextlib.suppress(FileNotFoundError), _open(path.parent, below) as folder:
        folder.unlink(path.name)


def remove_folder(path: Path, below: Path) -> None:
    """Remove a folder with all that is in it; links in it are removed, not followed. Raises StorageError."""
    with _told(path, "removed"), contextlib.suppress(FileNotFoundError), _open(path.parent, below) as folder:
        shutil.rmtree(folder.name(path.name), dir_fd=folder.descriptor)


def require_plain(path: Path, below: Path) -> None:
    """Check a file that another library writes. Raises ObstructedError where it, or one of its folders, is a link."""
    with _told(path, "opened"), contextlib.suppress(FileNotFoundError), _open(path.parent, below) as folder:
        mode = folder.mode(path.name)
        if mode and not stat.S_ISREG(mode):
            raise ObstructedError(f"{path} is {_kind(mode)}, and a file belongs there: remove it, then repeat")


def read_bytes(path: Path) -> bytes | None:
    """A file's content, or None where there is none.

    Raises:
        DamageError: it is no file or cannot be read.
        UsageError: it is no path of this system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamageError(f"{path} cannot be read ({error.strerror}); remove it and run again") from error
    except ValueError as error:
        raise UsageError(f"{path} is no path: {error}; name another one") from error
    raise DamageError(f"{path} is no ordinary file; remove it and run again")


# -- open folders ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    """An open folder.

    Attributes:
        path: of the folder.
        descriptor: None on systems where folders cannot be opened; they are then named by their path.
    """

    path: Path
    descriptor: int | None

    def name(self, name: str) -> str:
        """What the system is to call a file in it."""
        return name if self.descriptor is not None else str(self.path / name)

    def mode(self, name: str) -> int:
        """Type and permissions of a file in it, of a link itself; 0 where there is none."""
        try:
            return os.stat(self.name(name), dir_fd=self.descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return 0

    def unlink(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name(name), dir_fd=self.descriptor)

    def write(self, name: str, content: bytes, durable: bool) -> None:
        """Write a file that is not there yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self.name(name), flags, 0o666, dir_fd=self.descriptor), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())

    def replace(self, old: str, new: str) -> None:
        """Rename a file, in the place of another one or of a link."""
        os.replace(self.name(old), self.name(new), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def flush(self) -> None:
        """Make a rename or a new folder in it last."""
        if self.descriptor is not None:
            os.fsync(self.descriptor)

    def enter(self, name: str, make: bool) -> _Folder:
        """A folder in it, which is made if it is missing and ``make`` is set."""
        if make and not self.mode(name):
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.mkdir(self.name(name), dir_fd=self.descriptor)
                self.flush()
        mode = self.mode(name)
        if not mode:
            raise FileNotFoundError(2, "No such folder", str(self.path / name))
        if not stat.S_ISDIR(mode):
            kind = _kind(mode)
            raise ObstructedError(f"{self.path / name} is {kind}, and a folder belongs there: remove it, then repeat")
        descriptor = None if self.descriptor is None else os.open(name, FOLDER | NOFOLLOW, dir_fd=self.descriptor)
        return _Folder(self.path / name, descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        if self.descriptor is not None:
            os.close(self.descriptor)


@contextlib.contextmanager
def _open(path: Path, below: Path | None, make: bool = False) -> Iterator[_Folder]:
    """A folder, reached from ``below`` through no link."""
    below = path if below is None else below
    names = path.relative_to(below).parts
    if ".." in names:
        raise ObstructedError(f"{path} leads out of {below}")
    folder = _Folder(below, os.open(below, FOLDER) if HAS_DESCRIPTORS else None)
    try:
        for name in names:
            inner = folder.enter(name, make)
            folder.close()
            folder = inner
        yield folder
    finally:
        folder.close()


@contextlib.contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Every error of the system becomes one that says which file could not be written."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{path} could not be {what}: {error.strerror or error}") from error


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISREG, "a file"))
    return next((text for holds, text in kinds if holds(mode)), "no ordinary file")
