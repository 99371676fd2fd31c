"""Files that are there whole or not at all, and that tell when they have been changed.

A file is written beside its place, flushed to the disk and renamed into it, and the folder is flushed after it: a
reader sees the old file or the new one, never half, whenever the power fails. A JSON record carries the checksum of
itself, so that one changed bit is noticed; the files beside it have theirs in its ``files``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import schema
from ganbench.errors import DamageError, StorageError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

SEAL = "checksum"


def checksum(content: bytes) -> str:
    """SHA-256, in hexadecimal: what ``run.json`` records of every file beside it."""
    return hashlib.sha256(content).hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically and durably.

    Raises:
        StorageError: there is no room, or the device failed; what was there before is untouched.
    """
    part = path.with_name(f".{path.name}.{platform.node()[:32]}.{os.getpid()}.part")  # machines may share the folder
    try:
        part.unlink(missing_ok=True)
        _write_new(part, content)
        os.replace(part, path)
        flush_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _write_new(path: Path, content: bytes) -> None:
    """Into a file that is not there yet: a link that somebody has put in its place is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Make a rename or a new folder in it last. Where folders cannot be opened (Windows), the system does without."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON, atomically."""
    write_bytes(path, json_bytes(value))


def write_parquet(path: Path, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Write a table atomically; see ``parquet_bytes``."""
    write_bytes(path, parquet_bytes(table, columns))


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write tensors by name, atomically, as safetensors."""
    write_bytes(path, tensor_bytes(weights))


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """An object as indented JSON."""
    return (json.dumps(value, indent=1, sort_keys=False, default=list) + "\n").encode()


def parquet_bytes(table: pd.DataFrame, columns: Mapping[str, str]) -> bytes:
    """A table as parquet, with its columns' types (an empty one has them too) and the schema's version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    fields = [pa.field(name, types[kind]) for name, kind in columns.items()]
    arrow = pa.Table.from_pandas(table, pa.schema(fields), preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"ganbench_schema": b"%d" % schema.VERSION})
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd")
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


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a sealed record, atomically."""
    write_json(path, seal(record))


def read_record(path: Path) -> dict[str, Any] | None:
    """A sealed record, or None where there is none.

    Raises:
        DamageError: it is there and is not, to the byte, what was written.
    """
    content = read_bytes(path)
    if content is None:
        return None
    record = parse(path, content)
    if SEAL not in record:
        raise DamageError(f"{path} is damaged (it carries no checksum); the command that made it makes it again")
    if json_bytes(seal(record)) != content:
        raise DamageError(f"{path} is damaged (its checksum does not fit); the command that made it makes it again")
    return record


def read_bytes(path: Path) -> bytes | None:
    """A file's content, or None where there is none. Raises DamageError where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamageError(f"{path} cannot be read ({error.strerror}); remove it and run again") from error


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON object that a file holds. Raises DamageError where it holds none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{path} cannot be read ({error}); the command that made it makes it again") from error
    if not isinstance(value, dict):
        raise DamageError(f"{path} is damaged (it holds no JSON object); the command that made it makes it again")
    return value


def replace_files(record_path: Path, record: Mapping[str, Any], contents: Mapping[str, bytes]) -> None:
    """Replace some of a record's files and the record itself, so that it fits them at every moment in between.

    Until all are in place the old record stands and accepts both: ``files`` are the old checksums, ``pending`` the new.

    Args:
        record_path: the record's file; the others lie beside it.
        record: what it is to say, besides ``files``.
        contents: by file name.
    """
    old = read_record(record_path)
    sums = {name: checksum(content) for name, content in contents.items()}
    if old is not None:
        write_record(record_path, {**old, "pending": sums})
    for name, content in contents.items():
        write_bytes(record_path.with_name(name), content)
    files = {**(old or {}).get("files", {}), **sums}
    kept = {name: value for name, value in record.items() if name not in ("files", "pending", SEAL)}
    write_record(record_path, {**kept, "files": files})


def accepted(record: Mapping[str, Any], name: str) -> set[str]:
    """The checksums that a record accepts of one of its files; none where it knows no such file."""
    found = {record.get(part, {}).get(name) for part in ("files", "pending")}
    return {text for text in found if isinstance(text, str)}


def accepted_names(record: Mapping[str, Any]) -> set[str]:
    """The files that a record holds checksums of."""
    return {*record.get("files", {}), *record.get("pending", {})}
