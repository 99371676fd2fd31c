"""Read and write files safely: no link is followed, and a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.errors import DamageError, ObstructedError, StorageError, UsageError
from ganbench.store import schema
from ganbench.store.records import Record, validated

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from torch import Tensor


# -- reading and writing -----------------------------------------------------------------------------------------------

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
                raise ObstructedError(
                    f"{path} is a folder, and a file belongs there: move it away, then repeat", subject=path
                )
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
            raise ObstructedError(
                f"{path} is {_kind(mode)}, and a file belongs there: remove it, then repeat", subject=path
            )


def read_bytes(path: Path | str) -> bytes | None:
    """A file's content, or None where there is none.

    Raises:
        DamageError: it is no file or cannot be read.
        UsageError: it is no path of this system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with io.FileIO(descriptor) as file:  # without a buffer: small files are many
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamageError(
            f"{Path(path)} cannot be read ({error.strerror}); remove it and run again", subject=path, code="unreadable"
        ) from error
    except ValueError as error:
        raise UsageError(f"{Path(path)} is no path: {error}; name another one") from error
    raise DamageError(f"{Path(path)} is no ordinary file; remove it and run again", subject=path, code="special")


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
            raise ObstructedError(
                f"{self.path / name} is {kind}, and a folder belongs there: remove it, then repeat",
                subject=self.path / name,
            )
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
        raise StorageError(f"{path} could not be {what}: {error.strerror or error}", subject=path) from error


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISREG, "a file"))
    return next((text for holds, text in kinds if holds(mode)), "no ordinary file")


# -- durable writes ----------------------------------------------------------------------------------------------------

SEAL = "checksum"
CLOSED = b"\n}\n"  # the end of a record


def checksum(content: bytes) -> str:
    """SHA-256, in hexadecimal: what ``run.json`` records of every file beside it."""
    return hashlib.sha256(content).hexdigest()


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """An object as indented JSON."""
    return (json.dumps(value, indent=1, sort_keys=False, default=list) + "\n").encode()


def arrow_types() -> dict[str, Any]:
    """Arrow's types by the names that ``ganbench.store.schema`` has for them."""
    import pyarrow as pa

    return {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def parquet_bytes(table: pd.DataFrame, columns: Mapping[str, str]) -> bytes:
    """A table as parquet, with its columns' types (an empty one has them too) and the schema's version."""
    import pyarrow as pa

    types = arrow_types()
    fields = [pa.field(name, types[kind]) for name, kind in columns.items()]
    return arrow_bytes(pa.Table.from_pandas(table, pa.schema(fields), preserve_index=False), columns)


def arrow_bytes(arrow: pa.Table, columns: Mapping[str, str]) -> bytes:
    """As ``parquet_bytes``, of a table that Arrow has already."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"ganbench_schema": b"%d" % schema.VERSION})
    sink = pa.BufferOutputStream()
    split = {name: "BYTE_STREAM_SPLIT" for name, kind in columns.items() if kind == "float64"}
    repeated = [name for name in columns if name not in split]
    # smaller than zstd over dictionaries, and read in less than half the time
    pq.write_table(arrow, sink, compression="snappy", use_dictionary=repeated, column_encoding=split or None)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors by name as safetensors."""
    from safetensors.torch import save

    content: bytes = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    return content


# -- records that know their own checksum ------------------------------------------------------------------------------


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the checksum of all its other fields."""
    plain = {name: value for name, value in json.loads(json_bytes(record)).items() if name != SEAL}
    return {**plain, SEAL: checksum(json_bytes(plain))}


def write_record(path: Path, record: Mapping[str, Any], below: Path | None = None) -> None:
    """Write a sealed record, atomically; ``below`` as in ``write_bytes``."""
    write_bytes(path, json_bytes(seal(record)), below)


def read_record(path: Path, kind: type[Record] = Record) -> dict[str, Any] | None:
    """A sealed record, or None where there is none.

    Args:
        path: the file.
        kind: what its fields have to be; those that may be absent get their defaults.

    Raises:
        UsageError: it was written by a newer ganbench.
        DamageError: it is there and is not, to the byte, what was written, or lacks what a record of its kind has.
    """
    content = read_bytes(path)
    if content is None:
        return None
    record = parse(path, content)
    if SEAL not in record:
        raise DamageError(
            f"{path} is damaged (it carries no checksum); the command that made it makes it again",
            subject=path,
            code="no-checksum",
        )
    if not _is_sealed(content, record):
        raise DamageError(
            f"{path} is damaged (its checksum does not fit); the command that made it makes it again",
            subject=path,
            code="checksum",
        )
    return validated(path, kind, record)


def _is_sealed(content: bytes, record: Mapping[str, Any]) -> bool:
    """Whether a record's checksum is that of its text without it, which is found without writing the record anew."""
    plain, _, end = content.rpartition(f',\n "{SEAL}": "'.encode())
    if plain and end == f'{checksum(plain + CLOSED)}"\n}}\n'.encode():
        return True
    try:
        return json_bytes(seal(record)) == content
    except (ValueError, RecursionError):
        return False


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON object that a file holds. Raises DamageError where it holds none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamageError(
            f"{path} cannot be read ({error}); the command that made it makes it again", subject=path, code="unreadable"
        ) from error
    if not isinstance(value, dict):
        raise DamageError(
            f"{path} is damaged (it holds no JSON object); the command that made it makes it again",
            subject=path,
            code="no-object",
        )
    return value


def replace_files(
    record_path: Path, record: Mapping[str, Any], contents: Mapping[str, bytes], below: Path | None = None
) -> None:
    """Replace some of a record's files and the record itself, so that it fits them at every moment in between.

    Until all are in place the old record stands and accepts both: ``files`` are the old checksums, ``pending`` the new.

    Args:
        record_path: the record's file; the others lie beside it.
        record: what it is to say, besides ``files``.
        contents: by file name.
        below: as in ``write_bytes``.
    """
    old = read_record(record_path)
    sums = {name: checksum(content) for name, content in contents.items()}
    if old is not None:
        write_record(record_path, {**old, "pending": sums}, below)
    for name, content in contents.items():
        write_bytes(record_path.with_name(name), content, below)
    files = {**(old or {}).get("files", {}), **sums}
    kept = {name: value for name, value in record.items() if name not in ("files", "pending", SEAL)}
    write_record(record_path, {**kept, "files": files}, below)


def accepted(record: Mapping[str, Any], name: str) -> set[str]:
    """The checksums that a record accepts of one of its files; none where it knows no such file."""
    found = (record[part].get(name) for part in ("files", "pending") if part in record)
    return {text for text in found if isinstance(text, str)}


def accepted_names(record: Mapping[str, Any]) -> set[str]:
    """The files that a record holds checksums of."""
    return {*record.get("files", {}), *record.get("pending", {})}
