"""Checkpoints: what a cohort needs to go on after its process has ended, in ``checkpoints/<cohort>/``.

Each is one safetensors file and one JSON record, which is renamed into its place last and holds the other's checksum.
A checkpoint that is damaged, or was made with other versions or on another device, is not used: the cohort then starts
over, and the numbers are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from torch import Tensor

from ganbench.engine.loop import LogChunk
from ganbench.engine.readings import READINGS
from ganbench.engine.training_log import TrainingLog, joined
from ganbench.errors import DamageError, UsageError
from ganbench.spec import CohortSpec, canonical, slug
from ganbench.store import records, schema
from ganbench.store.files import checksum, read_bytes, read_record, remove_folder, tensor_bytes
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_run

RECORD = "checkpoint.json"
READINGS_OF = ("readings", "critic_updates", "seconds")


@dataclass(frozen=True)
class Checkpoint:
    """A cohort at the end of a block.

    Attributes:
        record: all that was measured until then.
        tensors: the cohort's snapshot, one row a seed of the record.
        wall_seconds: how long it had taken.
    """

    record: TrainingLog
    tensors: Mapping[str, Tensor]
    wall_seconds: float


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a study.

    Attributes:
        store: the results folder.
        made_with: versions and device, which have to be the same for a cohort to go on.
        say: gets one sentence about each checkpoint that cannot be used.
    """

    store: StudyFolder
    made_with: Mapping[str, Any]
    say: Callable[[str], None] = lambda text: None

    def write(self, spec: CohortSpec, checkpoint: Checkpoint) -> None:
        """Store a checkpoint in the place of the cohort's earlier one. Raises StorageError."""
        folder, chunk = self.folder(spec), joined(checkpoint.record.chunks)
        self.store.make(folder)
        readings = {f"record.{name}": torch.from_numpy(getattr(chunk, name)) for name in READINGS_OF}
        content, file = tensor_bytes({**checkpoint.tensors, **readings}), f"{chunk.last}.safetensors"
        self.store.write_bytes(folder / file, content)
        described = {
            "schema": schema.VERSION,
            "cohort": spec.name,
            "settings": spec.settings(),
            "seeds": list(spec.seeds),
            "trials": [trial.id for trial in spec.trials()],
            "step": chunk.last,
            "evaluations": {str(s): rows for s, rows in checkpoint.record.evaluations.items()},
            "modes": {str(s): rows for s, rows in checkpoint.record.modes.items()},
            "wall_seconds": checkpoint.wall_seconds,
            "made_with": self.made_with,
            "files": {file: checksum(content)},
        }
        self.store.write_record(folder / RECORD, described)
        for other in folder.glob("*.safetensors"):
            if other.name != file:
                self.store.remove(other)

    def find(self, spec: CohortSpec) -> Checkpoint | None:
        """The furthest checkpoint that holds all seeds of a cohort and can be used, or None."""
        usable = [(r["step"], folder, r) for folder, r in self._records() if self._serves(r, spec)]
        for _, folder, record in sorted(usable, key=lambda found: -found[0]):
            try:
                return _read(folder, record)
            except (DamageError, SafetensorError, KeyError, TypeError, ValueError) as error:
                self.say(f"{folder.name}: its checkpoint is damaged and not used ({error})")
        return None

    def folders(self, spec: CohortSpec) -> list[Path]:
        """Those that hold a seed of a cohort, usable or not."""
        return [
            folder
            for folder, record in self._records()
            if canonical(record["settings"]) == canonical(spec.settings()) and set(spec.seeds) & set(record["seeds"])
        ]

    def groups(self, cohort: CohortSpec) -> list[tuple[int, ...]]:
        """Those of a cohort's seeds that a checkpoint holds together, so that they can go on together."""
        left, groups = list(cohort.seeds), []
        for _, record in sorted(self._records(), key=lambda found: -found[1]["step"]):
            if canonical(record["settings"]) == canonical(cohort.settings()):
                group = tuple(seed for seed in left if seed in record["seeds"])
                left = [seed for seed in left if seed not in group]
                groups += [group] if group else []
        return groups

    def remove(self, spec: CohortSpec) -> None:
        """Forget the cohort, which has ended."""
        self._discard(self.folder(spec))

    def sweep(self, ended: Callable[[str], bool]) -> None:
        """Remove the checkpoints of which every trial has ended, which a process may have had no time for."""
        for folder, record in self._records():
            if all(ended(trial) for trial in record["trials"]):
                self._discard(folder)

    def folder(self, spec: CohortSpec) -> Path:
        """Where the checkpoint of a cohort lies."""
        key = hashlib.blake2b(canonical([spec.settings(), spec.seeds]).encode(), digest_size=8).hexdigest()
        return self.store.path / "checkpoints" / f"{slug(spec.objective.label)}-{key}"

    def _discard(self, folder: Path) -> None:
        """The record first: without it, the rest is nothing."""
        with contextlib.suppress(OSError):  # a link, or gone already; another run may be at it too
            self.store.remove(folder / RECORD)
            remove_folder(folder, self.store.path)
            folder.parent.rmdir()  # only where it is empty

    def _records(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in sorted(self.store.path.glob(f"checkpoints/*/{RECORD}")):
            try:
                record = read_record(path, records.Checkpoint)
            except UsageError as error:
                self.say(f"{path.parent.name}: its checkpoint is damaged and not used ({error})")
                continue
            if record is not None:
                yield path.parent, record

    def _serves(self, record: Mapping[str, Any], spec: CohortSpec) -> bool:
        same = canonical(record["settings"]) == canonical(spec.settings()) and set(spec.seeds) <= set(record["seeds"])
        if same and canonical(record["made_with"]) != canonical(self.made_with):
            self.say(f"{spec.name}: its checkpoint was made with other versions or on another device and is not used")
            return False
        return same


def _read(folder: Path, described: Mapping[str, Any]) -> Checkpoint:
    ((file, expected),) = described["files"].items()
    content = read_bytes(folder / Path(file).name)
    if content is None or checksum(content) != expected:
        raise DamageError(f"{folder / file} is not the file that was written")
    tensors = parse_tensors(content)
    readings = {name: tensors.pop(f"record.{name}").numpy() for name in READINGS_OF}
    steps, seeds = described["step"], len(described["seeds"])
    wanted = {"readings": (steps, seeds, len(READINGS)), "critic_updates": (steps,), "seconds": (steps,)}
    if {name: values.shape for name, values in readings.items()} != wanted:
        raise DamageError(f"{folder / file} does not hold the readings of its record")
    record = TrainingLog(tuple(described["seeds"]))
    record.note(LogChunk(1, described["step"], **readings))
    record.evaluations |= {int(seed): list(rows) for seed, rows in described["evaluations"].items()}
    record.modes |= {int(seed): list(rows) for seed, rows in described["modes"].items()}
    return Checkpoint(record, tensors, described["wall_seconds"])


def check_checkpoint(folder: Path) -> Iterable[str]:
    """In words what is wrong with a checkpoint's files; nothing where all are whole."""
    try:
        record = read_record(folder / RECORD, records.Checkpoint)
        if record is not None:
            _read(folder, record)
    except (DamageError, SafetensorError, KeyError, ValueError, TypeError) as error:
        yield str(error)


def delete_finished(store: StudyFolder) -> None:
    """Remove the checkpoints of cohorts that have ended, which their processes may have had no time for."""

    def ended(trial: str) -> bool:
        try:
            run = read_run(store.path / "trials" / trial)
        except UsageError:  # damaged, or of a newer version
            return False
        return run is not None and run["status"] != "failed"

    Checkpoints(store, {}).sweep(ended)
