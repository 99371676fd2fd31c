"""Records that tell when they have been changed, and the files beside them.

A JSON record carries the checksum of itself, so that one changed bit is noticed; the files beside it have theirs in its
``files``. All records are read here: what is not as ``ganbench.records`` describes it is damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import schema
from ganbench.errors import DamageError
from ganbench.files import read_bytes, write_bytes
from ganbench.records import Record, validated

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

SEAL = "checksum"
CLOSED = b"\n}\n"  # the end of a record


def checksum(content: bytes) -> str:
    """SHA-256, in hexadecimal: what ``run.json`` records of every file beside it."""
    return hashlib.sha256(content).hexdigest()


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """An object as indented JSON."""
    return (json.dumps(value, indent=1, sort_keys=False, default=list) + "\n").encode()


def arrow_types() -> dict[str, Any]:
    """Arrow's types by the names that ``ganbench.schema`` has for them."""
    import pyarrow as pa

    return {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


def parquet_bytes(table: pd.DataFrame, columns: Mapping[str, str]) -> bytes:
    """A table as parquet, with its columns' types (an empty one has them too) and the schema's version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = arrow_types()
    fields = [pa.field(name, types[kind]) for name, kind in columns.items()]
    arrow = pa.Table.from_pandas(table, pa.schema(fields), preserve_index=False)
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
        raise DamageError(f"{path} is damaged (it carries no checksum); the command that made it makes it again")
    if not _is_sealed(content, record):
        raise DamageError(f"{path} is damaged (its checksum does not fit); the command that made it makes it again")
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
        raise DamageError(f"{path} cannot be read ({error}); the command that made it makes it again") from error
    if not isinstance(value, dict):
        raise DamageError(f"{path} is damaged (it holds no JSON object); the command that made it makes it again")
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
    found = {record.get(part, {}).get(name) for part in ("files", "pending")}
    return {text for text in found if isinstance(text, str)}


def accepted_names(record: Mapping[str, Any]) -> set[str]:
    """The files that a record holds checksums of."""
    return {*record.get("files", {}), *record.get("pending", {})}
