"""What of a study is damaged, missing, foreign or unfinished: nothing is changed, nothing is believed unchecked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ganbench.errors import DamageError
from ganbench.spec import ProbeProtocol, Trial, canonical
from ganbench.store import combined, schema
from ganbench.store.combined import NOTHING
from ganbench.store.files import accepted, accepted_names, read_record
from ganbench.store.folder import OWN, StudyFolder
from ganbench.store.results import read_arrow, read_asked, read_file, read_run, read_trial

REQUIRED = ("trial.json", "steps.parquet", "evaluations.parquet")
PARTS = (
    "study.json", "floors.parquet", "verdicts.parquet", "trials", "combined", "checkpoints", "references",
    "experiments", "logs", ".locks", ".jobs",
)  # fmt: skip
READ = ("run.json", "trial.json", *combined.FILES)  # what tables are read from
APART = ("report", "trackers")  # what others keep here; no checksums are known of it
REFERENCE = re.compile(r"[0-9a-f]{12}-s\d+(-\d+)?\.(json|safetensors)")  # the names that ganbench gives
MEASUREMENT = re.compile(r".*-[0-9a-f]{12}\.(json|parquet)")


@dataclass(frozen=True)
class Issue:
    """Something that is not as it should be.

    Attributes:
        kind: ``damaged``, ``missing``, ``unfinished`` or ``foreign``.
        path: the file or folder.
        reason: what is the matter with it.
    """

    kind: str
    path: Path
    reason: str


class TrialState(StrEnum):
    """How a trial stands in a results folder."""

    MISSING = "missing"
    DAMAGED = "damaged"  # a file is not what was written
    FAILED = "failed"
    FAILED_NOW = "failed in this run"  # which does not try it again
    UNPROBED = "unprobed"  # trained, without the probe that was asked for
    COMPLETED = "completed"
    DIVERGED = "diverged"

    @property
    def is_to_train(self) -> bool:
        """Whether a run trains it."""
        return self in (TrialState.MISSING, TrialState.DAMAGED, TrialState.FAILED)

    @property
    def is_to_probe(self) -> bool:
        """Whether a run probes it without training it."""
        return self is TrialState.UNPROBED


def trial_state(store: StudyFolder, trial: Trial, probe: ProbeProtocol | None = None, since: str = "") -> TrialState:
    """How a trial stands; every file of it is compared with its checksum.

    Args:
        store: the results folder.
        trial: the trial.
        probe: the probe that it is to have; none asks for none.
        since: when a run began, in ISO format: what has failed since is FAILED_NOW.
    """
    folder = store.folder(trial)
    try:
        run = read_run(folder)
    except DamageError:
        return TrialState.DAMAGED
    if run is None:
        return TrialState.MISSING
    broken = {issue.path.name for issue in check_files(folder, run)}
    if broken - {"probes.parquet"}:
        return TrialState.DAMAGED
    if run["status"] == "failed":
        return TrialState.FAILED_NOW if since and run.get("finished", "") >= since else TrialState.FAILED
    wanted = probe.settings() if probe else None
    if broken or (wanted is not None and canonical(run.get("probe")) != canonical(wanted)):
        return TrialState.UNPROBED
    return TrialState(run["status"])


def check_files(folder: Path, run: Mapping[str, Any]) -> Iterator[Issue]:
    """Which of a finished trial's files are not what ``run.json`` says."""
    names = set(REQUIRED) | set(run.get("files", {}))
    if run.get("status") == "completed":
        names.add("generator.safetensors")
    asked = _asked(folder, run)
    for name in sorted(names):
        if name not in OWN or (folder / name).is_symlink():
            yield Issue("damaged", folder / name, "leads out of the trial's folder, or is no file of a trial")
        elif (finding := _check(folder, run, name)) is not None:
            yield finding
        elif name == "trial.json" and (asked is None or _address(asked) != folder.name):
            yield Issue("damaged", folder / name, "describes another trial than its folder is named after")
        elif name.endswith(".parquet") and asked is not None and not _are_rows_of(folder, run, name, asked["seed"]):
            yield Issue("damaged", folder / name, "holds rows of another trial, or is no such table")


def _check(folder: Path, record: Mapping[str, Any], name: str) -> Issue | None:
    if not (folder / name).is_file() and name in record.get("pending", {}) and name not in record.get("files", {}):
        return Issue("unfinished", folder / name, "was about to be written when the process ended")
    if not (folder / name).is_file():
        return Issue("missing", folder / name, "was written and is not there")
    if not accepted(record, name):
        return Issue("damaged", folder / name, "has no checksum")
    try:
        read_file(folder, record, name)
    except DamageError:
        return Issue("damaged", folder / name, "is not what was written")
    return None


def _asked(folder: Path, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was asked of a trial; None where its description is damaged, which is an issue of its own."""
    try:
        return read_trial(folder, run)
    except DamageError:
        return None


def _address(asked: Mapping[str, Any]) -> str:
    """The address of the trial that a folder describes."""
    labels = asked["dataset"], asked["architecture"], asked["objective"]
    return Trial(*labels, asked["seed"], canonical(asked["settings"])).id


def _are_rows_of(folder: Path, run: Mapping[str, Any], name: str, seed: int) -> bool:
    """Whether all rows of a table are of the folder's trial and seed."""
    try:
        keys = {column: schema.STEPS[column] for column in ("trial", "seed")}
        read_arrow({folder: run}, name.removesuffix(".parquet"), keys, {folder: (folder.name, seed)})
    except DamageError:
        return False
    return True


# -- a whole study -----------------------------------------------------------------------------------------------------


def inspect(path: Path) -> list[Issue]:
    """Everything that is not as it should be in a results folder; empty where all is whole and finished."""
    study, findings = _study(path)
    findings += _absent(path, study or {})
    whole = []
    for folder in sorted((path / "trials").glob("*")):
        found = list(_trial(folder))
        findings += found
        whole += [folder] if not any(f.path == folder or f.path.name in READ for f in found) else []
    findings += [*rebuilt(path), *_copied_rows(path, whole), *_measurements(path, study)]
    for entry in sorted(path.glob("*")):
        if entry.name not in PARTS + APART:
            findings.append(_untracked(entry))
        elif entry.is_symlink():
            findings.append(Issue("foreign", entry, "is a link"))
    return findings


def _study(path: Path) -> tuple[dict[str, Any] | None, list[Issue]]:
    file = path / "study.json"
    try:
        study = read_asked(path)
    except DamageError as error:
        return None, [Issue("damaged", file, _reason(error, file))]
    return study, [] if study is not None else [Issue("missing", file, "was written and is not there")]


def _reason(error: DamageError, path: Path) -> str:
    """What the sentence says about the file, without the file and the advice."""
    return str(error).partition("; ")[0].removeprefix(f"{path} ")


def _beside(folder: Path, record: Mapping[str, Any]) -> list[Issue]:
    """The files that a record other than ``run.json`` holds the checksums of."""
    return [f for name in sorted(accepted_names(record)) if (f := _check(folder, record, Path(name).name)) is not None]


def rebuilt(path: Path) -> list[Issue]:
    """What is the matter with floors, combined tables, checkpoints and references: all is made again where needed."""
    study, _ = _study(path)
    return [*_beside(path, study or {}), *_combined(path), *_checkpoints(path), *_references(path)]


def _absent(path: Path, study: Mapping[str, Any]) -> Iterator[Issue]:
    asked = dict.fromkeys(trial for request in study.get("requests", ()) for trial in request.get("trials", ()))
    for trial in asked:
        if not (path / "trials" / Path(trial).name).is_dir():
            yield Issue("unfinished", path / "trials" / trial, "was asked for and has no result")


def _trial(folder: Path) -> Iterator[Issue]:
    if folder.is_symlink() or not folder.is_dir():
        yield _untracked(folder)
        return
    try:
        run = read_run(folder)
    except DamageError as error:
        yield Issue("damaged", folder / "run.json", _reason(error, folder / "run.json"))
        return
    if run is None:
        known = any((folder / name).exists() for name in OWN) or not any(folder.iterdir())
        yield Issue("unfinished" if known else "foreign", folder, "has no run.json")
        return
    yield from check_files(folder, run)
    if "pending" in run:
        yield Issue("unfinished", folder / "run.json", "tables were being added when the process ended")
    for entry in sorted(folder.iterdir()):
        if entry.name != "run.json" and not accepted(run, entry.name):
            yield _untracked(entry)


def _untracked(entry: Path) -> Issue:
    if entry.name.endswith(".part"):
        return Issue("unfinished", entry, "was being written when the process ended")
    return Issue("foreign", entry, "is a link" if entry.is_symlink() else "is not ganbench's")


def _combined(path: Path) -> Iterator[Issue]:
    """Files of the combined tables that are not what was written; a copy that is only out of date is not used."""
    folder = path / combined.FOLDER
    try:
        index = combined.read_index(path) or {}
    except DamageError as error:
        index = {}
        yield Issue("damaged", folder / combined.INDEX, _reason(error, folder / combined.INDEX))
    yield from _beside(folder, index)
    for entry in _entries(folder):
        if entry.name not in (combined.INDEX, *combined.FILES):
            yield _untracked(entry)
        elif entry.name != combined.INDEX and not accepted(index, entry.name):
            yield Issue("damaged", entry, "has no checksum")


def _copied_rows(path: Path, folders: Sequence[Path]) -> Iterator[Issue]:
    """Combined tables with other rows than the trials' own files, which their checksums cannot show."""
    runs = {folder: read_run(folder) or {} for folder in folders}
    owners = {folder: (folder.name, int(read_trial(folder, run)["seed"])) for folder, run in runs.items()}
    copied = combined.read_combined(path, runs, owners)
    runs = {folder: runs[folder] for folder in runs if folder in copied.folders}
    for file, name in combined.FILES.items() if runs else ():
        own, other = (read_arrow(runs, name, schema.TABLES[name], owners, part) for part in (NOTHING, copied))
        if not own.to_pandas().equals(other.to_pandas()):  # in which NaN is equal to NaN
            yield Issue("damaged", path / combined.FOLDER / file, "has other rows than the trials' own files")


def _checkpoints(path: Path) -> Iterator[Issue]:
    for folder in _entries(path / "checkpoints"):
        if folder.is_symlink():
            yield _untracked(folder)
            continue
        from ganbench.store.checkpoint import RECORD, check_checkpoint  # which imports torch

        reasons = list(check_checkpoint(folder))
        yield from (Issue("damaged", folder / RECORD, reason) for reason in reasons)
        if not reasons:
            yield Issue("unfinished", folder, "is the checkpoint of a cohort that has not ended")


def _references(path: Path) -> Iterator[Issue]:
    yield from _recorded(path / "references", REFERENCE)


def _measurements(path: Path, study: Mapping[str, Any] | None) -> Iterator[Issue]:
    """What is the matter with the measurements of the claims suite and with its verdicts."""
    verdicts = path / "verdicts.parquet"
    if study is not None and verdicts.exists() and not accepted(study, verdicts.name):
        yield Issue("damaged", verdicts, "has no checksum")
    for folder in _entries(path / "experiments"):
        if folder.is_symlink() or not folder.is_dir():
            yield _untracked(folder)
        else:
            yield from _recorded(folder, MEASUREMENT)


def _recorded(folder: Path, own: re.Pattern[str]) -> Iterator[Issue]:
    """Files with a record beside them that holds their checksums; other files are not taken for records."""
    known = set()
    for file in _entries(folder):
        if own.fullmatch(file.name) and file.suffix == ".json":
            try:
                record = read_record(file) or {}
            except DamageError as error:
                record = {}
                yield Issue("damaged", file, _reason(error, file))
            if not all(name.startswith((f"{file.stem}-", f"{file.stem}.")) for name in accepted_names(record)):
                yield Issue("damaged", file, "is the record of something else")
            known |= {file.name} | accepted_names(record)
            yield from _beside(folder, record)
    for entry in _entries(folder):
        if entry.name not in known and own.fullmatch(entry.name):
            yield Issue("unfinished", entry, "has no record, or a damaged one")
        elif entry.name not in known and not entry.name.endswith((".lock", ".lease")):
            yield _untracked(entry)


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where a link stands in its place, which may lead anywhere."""
    return [] if folder.is_symlink() else sorted(folder.glob("*"))


def delete_corrupt(store: StudyFolder, say: Callable[[str], None]) -> None:
    """Remove what a run makes again where it is damaged, and what a killed process left half written beside it.

    Args:
        store: the results folder.
        say: gets one sentence about each.
    """
    remains = list(store.path.glob(".*.part"))
    damaged = [finding for finding in rebuilt(store.path) if finding.kind in ("damaged", "missing")]
    if not damaged and not remains:
        return
    with store.lock("study", say):
        for path in remains:
            store.remove(path)
        for finding in damaged:
            say(f"{finding.path} {finding.reason}: it is made again where it is needed")
            _remove(store, finding.path)
            store.forget(finding.path.name)


def _remove(store: StudyFolder, path: Path) -> None:
    """A file; of a reference all that belongs to its seed, as they are trained together."""
    seed = path.stem if path.suffix == ".json" else path.stem.rpartition("-")[0]
    together = path.parent.glob(f"{seed}[-.]*") if path.parent.name == "references" else [path]
    for file in list(together):
        store.remove(file)  # another run may have mended it meanwhile
