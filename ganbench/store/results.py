"""A study as tables: whatever is read is compared with its checksum, so that nothing damaged passes for a number."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ganbench.errors import DamageError, UsageError
from ganbench.interfaces.metric import NOT_COMPUTED, split_protocol
from ganbench.plugins.former import current_settings, identity
from ganbench.store import records, schema
from ganbench.store.combined import NOTHING, Combined, is_worth_writing, read_combined, write_combined
from ganbench.store.files import SEAL, accepted, checksum, parse, read_bytes, read_record
from ganbench.store.parquet import LABELS, Owners, arrow_schema, arrow_table, check_owners, filled, with_labels_in_order

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ASKED = ("trial", "dataset", "architecture", "objective", "seed", "settings")  # columns that trial.json determines
THREADS = 4  # that read files
BATCH = 64  # files that a thread reads before it is given others, as that takes no less time than a small file does
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Results:
    """The tables of a study, each a pandas DataFrame with the columns of ``ganbench.store.schema``.

    Attributes:
        trials: one row a trial.
        steps: readings, one row a trial and step.
        evaluations: metrics, one row a trial, step and metric.
        modes: what the generator draws of each mode, one row a trial, step and mode; none where no modes are known.
        probes: the frozen-generator experiment, one row a trial, generator step and critic step.
        floors: what a perfect sampler scores, one row a dataset, metric and number of samples.
    """

    trials: pd.DataFrame
    steps: pd.DataFrame
    evaluations: pd.DataFrame
    modes: pd.DataFrame
    probes: pd.DataFrame
    floors: pd.DataFrame


def read_run(folder: Path) -> dict[str, Any] | None:
    """What happened to the trial of a folder; None where it has not finished.

    Raises:
        UsageError: it was written by a newer ganbench.
        DamageError: ``run.json`` is not what was written, or belongs to another trial.
    """
    run = read_record(folder / "run.json", records.Run)
    if run is not None and run["trial"] != folder.name:
        raise DamageError(
            f"{folder / 'run.json'} is another trial's ({run['trial']}); its folder is a copy: remove {folder}, and "
            "run the study again if a trial is missing then",
            subject=folder / "run.json",
            code="another-trial",
        )
    return run


def read_trial(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of a finished trial: ``trial.json``.

    Args:
        folder: the trial's.
        run: the content of its ``run.json``.

    Raises:
        DamageError: it is missing, is not what was written, or describes another trial.
    """
    path = folder / "trial.json"
    content = read_file(folder, run, path.name)
    if content is None:
        raise DamageError(
            f"{path} has no checksum in run.json; run the study again to mend it", subject=path, code="no-checksum"
        )
    found = records.validated(path, records.Trial, parse(path, content))
    if found["trial"] != folder.name:
        raise DamageError(
            f"{path} describes another trial ({found['trial']}); run the study again to mend it",
            subject=path,
            code="another-trial",
        )
    return found


def read_asked(path: Path) -> dict[str, Any] | None:
    """What was asked of a results folder; None where there is no ``study.json``.

    Raises:
        UsageError: it was written by a newer ganbench.
        DamageError: it is not what was written, or is the record of something else.
    """
    return read_record(path / "study.json", records.Study)


def read_file(folder: Path, record: Mapping[str, Any], name: str) -> bytes | None:
    """A stored file, checked against the record beside it; None where the record knows of none.

    Raises:
        DamageError: it is missing, or is not what was written.
    """
    sums = accepted(record, name)
    content = read_bytes(os.path.join(folder, name)) if sums else None  # a Path would take longer than the reading
    if content is None and name in record.get("files", {}):
        raise DamageError(
            f"{folder / name} is missing; run the study again to mend it", subject=folder / name, code="missing"
        )
    if content is not None and checksum(content) not in sums:
        raise DamageError(
            f"{folder / name} is not the file that was written; run the study again to mend it",
            subject=folder / name,
            code="checksum",
        )
    return content


def load(path: str | Path) -> Results:
    """Read a study as pandas tables.

    Args:
        path: a results folder, such as ``results/digits-dcgan``.

    Raises:
        UsageError: the folder is missing, is no results folder, or was written by a newer ganbench.
        DamageError: a stored file is not what was written.
    """
    return read_study(Path(path))


def read_study(path: Path, categorical: bool = False, trials: Collection[str] | None = None) -> Results:
    """Read a study, or some of its trials.

    Args:
        path: a results folder.
        categorical: whether labels in steps, modes and probes are categories, which takes less memory.
        trials: which trials; all unless given.

    Raises:
        UsageError, DamageError: as ``load``.
    """
    if not (path / "study.json").is_file():
        raise UsageError(f"{path} is not a results folder: it has no study.json", subject=path, code="no-study")
    check_version(path)
    runs = {folder: read_run(folder) or {} for folder in finished_folders(path, trials)}
    asked = _once({folder: read_trial(folder, run) for folder, run in runs.items()})
    runs = {folder: run for folder, run in runs.items() if folder in asked}
    rows = [_row(asked[folder], run) for folder, run in runs.items()]
    owners = {folder: _owner(found) for folder, found in asked.items()}
    copied = read_combined(path, runs, owners)
    arrow = {name: read_arrow(runs, name, columns, owners, copied) for name, columns in schema.TABLES.items()}
    if is_worth_writing(path, runs, copied) and list(runs) == finished_folders(path):
        write_combined(path, runs, arrow)
    tables = {
        name: _frame(arrow.pop(name), columns, categorical and name != "evaluations")
        for name, columns in schema.TABLES.items()
    }
    return Results(_trials_table(path, rows), **tables, floors=read_floors(path))


def _once(asked: Mapping[Path, dict[str, Any]]) -> Mapping[Path, dict[str, Any]]:
    """The trials of some folders without those that are stored a second time, under a former address."""
    former = {folder for folder, trial in asked.items() if current_settings(trial["settings"]) != trial["settings"]}
    if not former:
        return asked
    current = {identity(trial) for folder, trial in asked.items() if folder not in former}
    doubled = {folder for folder in former if identity(asked[folder]) in current}
    return {folder: trial for folder, trial in asked.items() if folder not in doubled}


def find_floor(floors: pd.DataFrame, dataset: str, protocol: str) -> pd.DataFrame:
    """The row of a floors table that belongs to evaluations with this protocol; no row where there is none."""
    return floors[(floors["dataset"] == dataset) & (floor_protocols(floors) == protocol)]


def floor_protocols(floors: pd.DataFrame) -> pd.Series[str]:
    """The protocols of the evaluations that each row of a floors table belongs to."""
    return floors["protocol"].str.split(": ", n=1).str[0]


def finished_folders(path: Path, trials: Collection[str] | None = None) -> list[Path]:
    """The folders of trials that have ended, in the order of their names."""
    folder = path / "trials"
    if not folder.is_dir():
        return []
    wanted = None if trials is None else set(trials)
    names = sorted(name for name in os.listdir(folder) if wanted is None or name in wanted)
    return [folder / name for name in names if os.path.exists(os.path.join(folder, name, "run.json"))]


def _trials_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    try:
        return typed(pd.DataFrame(rows, columns=list(schema.TRIALS)), schema.TRIALS)
    except (ValueError, TypeError, OverflowError) as error:
        raise DamageError(f"{path}: records of its trials hold values of the wrong kind ({error})") from error


def _owner(asked: Mapping[str, Any]) -> tuple[str, int]:
    return str(asked["trial"]), int(asked["seed"])


def trial_row(folder: Path) -> dict[str, Any]:
    """The row of the trials table that belongs to a finished trial's folder. Raises DamageError."""
    run = read_run(folder)
    if run is None:
        raise DamageError(f"{folder} holds no finished trial; run the study again to mend it")
    return _row(read_trial(folder, run), run)


def _row(asked: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    row = {c: (asked if c in ASKED else run).get(c, schema.EMPTY[kind]) for c, kind in schema.TRIALS.items()}
    row |= {name: json.dumps(row[name], sort_keys=True) for name in ("settings", "versions")}
    if run["log"]:
        row["error"] = f"{run['error']} (log: {run['log']})"
    return row


def read_trial_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """All tables of a finished trial, by name. Raises DamageError."""
    run = read_run(folder)
    if run is None:
        raise DamageError(f"{folder} holds no finished trial; run the study again to mend it")
    owners = {folder: _owner(read_trial(folder, run))}
    return {name: read_tables({folder: run}, name, columns, owners) for name, columns in schema.TABLES.items()}


def read_floors(path: Path) -> pd.DataFrame:
    """What a perfect sampler scores; an empty table where nothing has been measured. Raises DamageError."""
    file = path / "study.json"
    content = read_bytes(file)
    study = {} if content is None else records.validated(file, records.Record, parse(file, content))
    return read_tables({path: study}, "floors", schema.FLOORS)


def typed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table with exactly these columns, in this order and of these types; those that it lacks are empty."""
    table = table.assign(**{name: schema.EMPTY[kind] for name, kind in columns.items() if name not in table})
    if "reason" in columns:
        table = _with_reasons(table)
    return table[list(columns)].astype({c: (object if t == "str" else t) for c, t in columns.items()})


def _with_reasons(table: pd.DataFrame) -> pd.DataFrame:
    """The reasons that earlier versions kept behind the protocol, in their own column."""
    protocols, reasons = table["protocol"].astype(object), table["reason"].fillna("")
    old = protocols.str.contains(NOT_COMPUTED, regex=False).fillna(False).astype(bool)
    if old.any():
        parts = protocols[old].map(split_protocol)
        protocols, reasons = protocols.where(~old, parts.str[0]), reasons.where(~old, parts.str[1])
    return table.assign(protocol=protocols, reason=reasons)


def check_version(path: Path) -> None:
    """Check ``study.json``, if there is one.

    Raises:
        UsageError: the folder was written by a newer ganbench.
        DamageError: it is not what was written, or is the record of something else.
    """
    file = path / "study.json"
    content = read_bytes(file)
    if content is None:
        return
    study = parse(file, content)
    if SEAL not in study:
        records.check_schema(path, study)
    read_asked(path)  # a changed bit does not make a newer version


# -- tables ------------------------------------------------------------------------------------------------------------


def read_tables(
    places: Mapping[Path, Mapping[str, Any]], name: str, columns: Mapping[str, str], owners: Owners | None = None
) -> pd.DataFrame:
    """One table out of all the files of one name, each checked against the record beside it.

    Args:
        places: folders with the record that holds the checksums of their files.
        name: of the table: ``steps`` is read from ``steps.parquet``.
        columns: with their types. One that a file lacks is filled; others than these are left out.
        owners: by folder, the trial and the seed that all its rows have to be of.

    Raises:
        DamageError: a file is not what was written, is no such table, or holds another trial's rows.
    """
    return _frame(read_arrow(places, name, columns, owners), columns)


def read_arrow(
    places: Mapping[Path, Mapping[str, Any]],
    name: str,
    columns: Mapping[str, str],
    owners: Owners | None = None,
    copied: Combined = NOTHING,
) -> pa.Table:
    """As ``read_tables``, a table of Arrow's.

    ``copied`` has rows that need not be decoded again. A file that they are a copy of is compared with its checksum
    again where its size or its time of change is another.
    """
    import pyarrow as pa

    wanted = arrow_schema(columns)

    def read(folder: Path) -> pa.Table | None:
        if copied.is_unchanged(folder, f"{name}.parquet"):
            return None
        content = read_file(folder, places[folder], f"{name}.parquet")
        if content is None or folder in copied.folders:
            return None
        return arrow_table(folder / f"{name}.parquet", content, wanted)

    found = {f: part for f, part in zip(places, _in_threads(read, list(places)), strict=True) if part is not None}
    if owners is not None and found:
        counts = {folder: part.num_rows for folder, part in found.items()}
        check_owners(pa.concat_tables(found.values()), counts, owners, f"{name}.parquet")
    table = pa.concat_tables(copied.joined(name, places, found) or [wanted.empty_table()])
    return filled(with_labels_in_order(table) if copied.folders else table.unify_dictionaries(), columns)


def _in_threads(function: Callable[[A], B], values: Sequence[A]) -> Iterator[B]:
    """``map`` in several threads: decoding and waiting for a disk leave Python's lock alone."""
    size = max(1, min(BATCH, len(values) // THREADS))
    if size == len(values):
        yield from map(function, values)
        return
    batches = [values[start : start + size] for start in range(0, len(values), size)]
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda batch: [function(value) for value in batch], batches):
            yield from found


def _frame(table: pa.Table, columns: Mapping[str, str], categorical: bool = False) -> pd.DataFrame:
    """A table as pandas has it; it is used up. Labels are categories where ``categorical`` is set."""
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    if not categorical:
        return typed(frame, columns)
    labels = [column for column in LABELS if column in columns]
    # the categories of no rows are of another type than those of some, and the two would not go together
    return frame if len(frame) else frame.astype(dict.fromkeys(labels, pd.CategoricalDtype(pd.Index([], dtype="str"))))
