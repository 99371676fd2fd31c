"""A study on disk: ``run.json`` comes last, holds the checksums of the files beside it, and means that a trial ended.

What was asked for, ``study.json`` and ``trial.json``, comes first. Whatever is read is compared with its checksum.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.errors import DamageError, ObstructedError, StorageError, UsageError
from ganbench.spec import Trial
from ganbench.store import schema
from ganbench.store.files import (
    accepted_names,
    json_bytes,
    make_folder,
    parquet_bytes,
    read_record,
    remove,
    replace_files,
    tensor_bytes,
    write_bytes,
    write_record,
)
from ganbench.store.results import check_version, read_asked, read_floors, read_run, read_trial_tables, trial_row

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

LOG = "error.log"
FOLDERS = ("trials", "combined", "checkpoints", "references", "experiments", "logs", ".locks", ".jobs")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@dataclass(frozen=True)
class StudyFolder:
    """A results folder."""

    path: Path

    def check(self, option: str = "--out") -> None:
        """Raises UsageError, with the option in front, where the folder cannot take results.

        It may be a file, not writable, or of a newer schema.
        """
        try:
            existing = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        except OSError as error:  # a name that is too long, say
            raise UsageError(f"{option}: {error.strerror}; choose another folder") from error
        if not existing.is_dir():
            raise UsageError(f"{option}: {existing} is a file; name a folder", subject=existing, code="file")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise UsageError(f"{option}: {existing} cannot be written to; choose another folder")
        for folder in (self.path / name for name in FOLDERS):
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                raise ObstructedError(f"{folder} is a link or a file, and a folder belongs there: remove it")
        with contextlib.suppress(DamageError):  # it is written anew when the run begins
            check_version(self.path)

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Write ``study.json``: what was asked, before anything happens. A study that grows keeps all its requests.

        A damaged ``study.json`` is written anew; it determines no number.
        """
        self.open()
        try:
            earlier = read_asked(self.path) or {}
        except DamageError:
            earlier = {}
        request = json.loads(json_bytes(asked))  # tuples become lists, as they are in the file
        requests = [r for r in earlier.get("requests", []) if r != request] + [request]
        self.write_record(self.path / "study.json", {**earlier, "schema": schema.VERSION, "requests": requests})

    def open(self) -> None:
        """Make the folder.

        Raises:
            UsageError: it cannot be written to: a read-only disk, say, which permissions do not show.
            StorageError: the disk is full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in FULL:
                raise StorageError(f"{self.path} could not be made: {error.strerror}") from error
            raise UsageError(
                f"--out: {self.path} cannot be written to ({error.strerror}); choose another folder"
            ) from error
        self.make(self.path / "trials")

    def is_begun(self) -> bool:
        """Whether there is a whole ``study.json``."""
        try:
            return read_asked(self.path) is not None
        except DamageError:
            return False

    @contextlib.contextmanager
    def lock(self, name: str, say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
        """Hold a lock that one process at a time holds, whichever run it belongs to; it is waited for.

        Args:
            name: a trial's address, or ``study`` for what lies beside ``study.json``.
            say: gets a sentence about who holds it, after two seconds.
        """
        from ganbench.store.locks import Lock, waited_for

        self.make(self.path / ".locks")
        with waited_for(Lock(self.path / ".locks" / name, self.path), f"{name} of {self.path}", say):
            yield

    def make(self, folder: Path) -> None:
        """Make a folder below the results folder.

        Raises:
            ObstructedError: a link or a file stands in its place.
            StorageError: it cannot be made.
        """
        make_folder(folder, self.path)

    def write_bytes(self, file: Path, content: bytes, durable: bool = True) -> None:
        """Write a file below the results folder, through no link; see ``ganbench.store.files``. Raises StorageError."""
        write_bytes(file, content, self.path, durable)

    def write_record(self, file: Path, record: Mapping[str, Any]) -> None:
        """Write a sealed record below the results folder, through no link. Raises StorageError."""
        write_record(file, record, self.path)

    def remove(self, file: Path) -> None:
        """Remove a file below the results folder, through no link, if it is there. Raises StorageError."""
        remove(file, self.path)

    def folder(self, trial: Trial) -> Path:
        """Where a trial's files are."""
        return self.path / "trials" / trial.id

    @property
    def trackers(self) -> Path:
        """Where trackers may keep what they make of trials. It may not exist."""
        return self.path / "trackers"

    def run(self, trial: Trial) -> dict[str, Any] | None:
        """What happened to a trial; None where it has not finished. Raises DamageError."""
        return read_run(self.folder(trial))

    def status(self, trial: Trial) -> str | None:
        """``completed``, ``diverged`` or ``failed``; None where the trial has not finished."""
        run = self.run(trial)
        return None if run is None else str(run["status"])

    def attempts(self, trial: Trial) -> int:
        """How often the trial had been begun when its end was stored, as far as is known."""
        try:
            run = self.run(trial)
        except DamageError:
            return 0
        return 0 if run is None else int(run["attempts"])

    def read(self, trial: Trial) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
        """A finished trial's row of the trials table, and its tables by name."""
        folder = self.folder(trial)
        return trial_row(folder), read_trial_tables(folder)

    def write(
        self,
        trial: Trial,
        run: Mapping[str, Any],
        tables: Mapping[str, pd.DataFrame],
        weights: Mapping[str, Mapping[str, Tensor]],
        log: str = "",
    ) -> None:
        """Write a finished trial: description, tables, networks, log, and last of all what happened.

        Args:
            trial: the trial.
            run: what happened, for ``run.json``.
            tables: by name.
            weights: of the stored networks, ``generator`` and ``critic``, by name of the parameter.
            log: of a trial that did not complete.
        """
        folder = self.folder(trial)
        self.make(folder)
        contents = {"trial.json": json_bytes(_description(trial))}
        contents |= {f"{network}.safetensors": tensor_bytes(named) for network, named in weights.items()}
        if log:
            contents[LOG] = log.encode("utf-8", errors="replace")
        contents |= _parquets(tables)
        self._clear(folder, contents)
        self._add(trial, run, contents)

    def _clear(self, folder: Path, kept: Collection[str]) -> None:
        """Remove what an earlier attempt left, ``run.json`` first: a trial that is run again is unfinished meanwhile.

        Files that are about to be replaced stay until then, and so do files of third parties.
        """
        for name in OWN:
            if name not in kept:
                self.remove(folder / name)

    def add(self, trial: Trial, run: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
        """Write (more) tables of a trial and, last of all, what happened. The other files' checksums stay as they are.

        Raises:
            DamageError: ``run.json`` is not what was written.
        """
        self._add(trial, run, _parquets(tables))

    def _add(self, trial: Trial, run: Mapping[str, Any], contents: Mapping[str, bytes]) -> None:
        self.make(self.folder(trial))
        for remains in self.folder(trial).glob(".*.part"):  # of a process that was killed
            self.remove(remains)
        record = {"schema": schema.VERSION, "trial": trial.id, **run}
        replace_files(self.folder(trial) / "run.json", record, contents, self.path)

    def floors(self) -> pd.DataFrame:
        """What a perfect sampler scores; an empty table where nothing has been measured. Raises DamageError."""
        return read_floors(self.path)

    def forget(self, name: str) -> None:
        """Take a file that lay beside ``study.json`` and is no more out of its record."""
        study = read_record(self.path / "study.json") or {}
        if name in accepted_names(study):
            kept = {part: {n: s for n, s in study.get(part, {}).items() if n != name} for part in ("files", "pending")}
            self.write_record(self.path / "study.json", {**study, **kept})

    def write_floors(self, floors: pd.DataFrame) -> None:
        """Write ``floors.parquet``, and its checksum into ``study.json``."""
        self._write_beside("floors.parquet", parquet_bytes(floors, schema.FLOORS))

    def write_verdicts(self, verdicts: pd.DataFrame) -> None:
        """Write ``verdicts.parquet``, and its checksum into ``study.json``."""
        self._write_beside("verdicts.parquet", parquet_bytes(verdicts, schema.VERDICTS))

    def _write_beside(self, name: str, content: bytes) -> None:
        path = self.path / "study.json"
        study = read_record(path) or {"schema": schema.VERSION, "requests": []}
        replace_files(path, study, {name: content}, self.path)


NETWORKS = ("generator.safetensors", "critic.safetensors")
OWN = ("run.json", "trial.json", *NETWORKS, LOG, *(f"{name}.parquet" for name in schema.TABLES))


def _parquets(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    return {f"{name}.parquet": parquet_bytes(table, schema.TABLES[name]) for name, table in tables.items()}


def _description(trial: Trial) -> dict[str, Any]:
    return {"schema": schema.VERSION, "trial": trial.id, **vars(trial), "settings": json.loads(trial.settings)}
