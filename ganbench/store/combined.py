"""The tables of a large study in one file each, below ``combined/``: a copy of the trials' own files, faster to read.

Rows of a trial are taken from the copy only while its ``run.json`` is the one that they were copied under. A copy that
is missing, damaged, of another version or out of date is not used; nothing depends on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import __version__
from ganbench.errors import DamageError, StorageError, UsageError
from ganbench.store import records, schema
from ganbench.store.files import (
    SEAL,
    accepted,
    arrow_bytes,
    checksum,
    make_folder,
    read_bytes,
    read_record,
    remove,
    write_bytes,
    write_record,
)
from ganbench.store.parquet import Owners, arrow_schema, arrow_table, check_owners

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "combined"
INDEX = "index.json"
LEAST = 250  # trials read from their own files, which takes a second, that make a copy worth its writing
FILES = {f"{name}.parquet": name for name in schema.TABLES}
Runs = Mapping[Path, Mapping[str, Any]]  # the content of ``run.json``, by the folders of trials


@dataclass(frozen=True)
class Combined:
    """What the copy holds of trials that have not changed since.

    Attributes:
        folders: theirs.
        tables: by name, their rows, trial by trial in the order of the folders' names.
        counts: by name of the table, how many rows each folder has.
        stamps: size and time of change of each trial's files when they were copied, by folder and file.
    """

    folders: frozenset[Path] = frozenset()
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    counts: Mapping[str, Mapping[Path, int]] = field(default_factory=dict)
    stamps: Mapping[Path, Mapping[str, Sequence[int]]] = field(default_factory=dict)

    def is_unchanged(self, folder: Path, file: str) -> bool:
        """Whether a trial's file has the size and the time of change that it had when it was copied."""
        return folder in self.folders and self.stamps[folder].get(file) == _stamp(os.path.join(folder, file))

    def joined(self, name: str, places: Iterable[Path], own: Mapping[Path, pa.Table]) -> list[pa.Table]:
        """The parts of a table in the order of ``places``: slices of the copy, and what ``own`` has of other folders.

        Args:
            name: of the table.
            places: folders of trials, in the order of their names.
            own: tables of those that are not among ``folders``; some may have none.
        """
        parts, start = [], 0
        for is_copied, folders in groupby(places, key=self.folders.__contains__):
            if is_copied:
                n = sum(self.counts[name].get(folder, 0) for folder in folders)
                parts.append(self.tables[name].slice(start, n))
                start += n
            else:
                parts += [own[folder] for folder in folders if folder in own]
        return parts


NOTHING = Combined()

# -- reading -----------------------------------------------------------------------------------------------------------


def read_combined(path: Path, runs: Runs, owners: Owners) -> Combined:
    """What the copy of a results folder holds of some trials; nothing where it cannot be used, or they are few.

    Args:
        path: the results folder.
        runs: the trials to read, as they are now, in the order of their names.
        owners: by folder, the trial and the seed that all its rows have to be of.
    """
    if len(runs) < LEAST:
        return NOTHING
    try:
        index = read_index(path)
        if index is None or is_outdated(index):
            return NOTHING
        folders = [folder for folder, run in runs.items() if _seal(run) == index["trials"].get(folder.name, "")]
        found = {name: _rows_of(folders, _read(path, index, file), owners, file) for file, name in FILES.items()}
    except UsageError:
        return NOTHING
    tables = {name: table for name, (table, _) in found.items()}
    stamps = {folder: index["stamps"].get(folder.name, {}) for folder in folders}
    return Combined(frozenset(folders), tables, {name: counts for name, (_, counts) in found.items()}, stamps)


def read_index(path: Path) -> dict[str, Any] | None:
    """The record of the copy; None where there is no copy, or a link in its place.

    Raises:
        UsageError: it was written by a newer ganbench.
        DamageError: it is not what was written.
    """
    folder = path / FOLDER
    return None if folder.is_symlink() else read_record(folder / INDEX, records.Combined)


def is_outdated(index: Mapping[str, Any]) -> bool:
    """Whether another version wrote the copy: it may have read the trials' files in another way."""
    return (index["made_with"], index["columns"]) != (__version__, schema.TABLES)


def _stamp(file: str) -> list[int] | None:
    """Size in bytes and time of change in nanoseconds; None where there is no such file."""
    try:
        status = os.stat(file, follow_symlinks=False)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _seal(run: Mapping[str, Any]) -> str | None:
    """The checksum of ``run.json``, and so of the trial's tables; None while they are being replaced."""
    return None if run.get("pending") else run.get(SEAL)


def _read(path: Path, index: Mapping[str, Any], file: str) -> pa.Table:
    """A table of the copy. Raises DamageError where it is not what was written."""
    import pyarrow as pa

    place = path / FOLDER / file
    content = read_bytes(place)
    if content is None or checksum(content) not in accepted(index, file):
        raise DamageError(f"{place} is not the file that was written; it is made again by reading the study")
    wanted = arrow_schema(schema.TABLES[FILES[file]])
    table = arrow_table(place, content, wanted)
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DamageError(f"{place} is no table that ganbench writes; it is made again by reading the study") from error
    return table


def _rows_of(folders: Collection[Path], table: pa.Table, owners: Owners, file: str) -> tuple[pa.Table, dict[Path, int]]:
    """The rows that belong to some folders, and how many each has. Raises DamageError where they are out of order."""
    import numpy as np
    import pyarrow as pa

    trials = table.column("trial").unify_dictionaries().combine_chunks()
    if trials.null_count:
        raise DamageError(f"{FOLDER}/{file} has rows of no trial; it is made again by reading the study")
    if isinstance(trials, pa.ChunkedArray):  # of no rows
        return table, {}
    names, codes = trials.dictionary.to_pylist(), trials.indices.to_numpy()
    wanted = {folder.name: folder for folder in folders}
    kept = np.array([name in wanted for name in names], dtype=bool)[codes]
    rows = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    counts = {folder: rows[folder.name] for folder in folders if folder.name in rows}
    chosen = table if kept.all() else table.filter(pa.array(kept))
    check_owners(chosen, counts, owners, file)
    return chosen, counts


# -- writing -----------------------------------------------------------------------------------------------------------


def is_worth_writing(path: Path, runs: Runs, copied: Combined) -> bool:
    """Whether so many trials had to be read from their own files that a new copy saves time, and it can be written."""
    return len(runs) - len(copied.folders) >= LEAST and os.access(path, os.W_OK | os.X_OK)


def _stamps(folder: Path) -> dict[str, list[int]]:
    stamps = {file: _stamp(os.path.join(folder, file)) for file in FILES}
    return {file: stamp for file, stamp in stamps.items() if stamp is not None}


def write_combined(path: Path, runs: Runs, tables: Mapping[str, pa.Table]) -> None:
    """Write a new copy; the index comes last, so that one that is half written is not used.

    Where it cannot be written, on a full disk for example, there is none, or the one that was there is out of date.

    Args:
        path: the results folder.
        runs: its trials.
        tables: their rows by name, trial by trial in the order of ``runs``.
    """
    seals = {folder.name: seal for folder, run in runs.items() if (seal := _seal(run))}
    contents = {file: arrow_bytes(tables[name], schema.TABLES[name]) for file, name in FILES.items()}
    index = {
        "schema": schema.VERSION,
        "made_with": __version__,
        "columns": schema.TABLES,
        "trials": seals,
        "stamps": {folder.name: _stamps(folder) for folder in runs if folder.name in seals},
        "files": {file: checksum(content) for file, content in contents.items()},
    }
    folder = path / FOLDER
    with contextlib.suppress(StorageError):
        make_folder(folder, path)
        for remains in folder.glob(".*.part"):  # of a process that was killed
            remove(remains, path)
        for file, content in contents.items():
            write_bytes(folder / file, content, path, durable=False)
        write_record(folder / INDEX, index, path)
