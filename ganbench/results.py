"""A study as tables: whatever is read is compared with its checksum, so that nothing damaged passes for a number."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import records, schema
from ganbench.durable import SEAL, accepted, arrow_types, checksum, parse, read_record
from ganbench.errors import DamageError, UsageError
from ganbench.files import read_bytes

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ASKED = ("trial", "dataset", "architecture", "objective", "seed", "settings")  # columns that trial.json determines
LABELS = ("trial", "dataset", "architecture", "objective", "metric", "protocol")  # few different texts in many rows
FILLS: dict[str, Any] = {"str": "", "int64": 0, "float64": float("nan"), "bool": False}  # where a column is missing
AT_ONCE = 1000  # files whose contents are in memory at a time


@dataclass(frozen=True)
class Results:
    """The tables of a study, each a pandas DataFrame with the columns of ``ganbench.schema``.

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
            "run the study again if a trial is missing then"
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
        raise DamageError(f"{path} has no checksum in run.json; run the study again to mend it")
    found = records.validated(path, records.Trial, parse(path, content))
    if found["trial"] != folder.name:
        raise DamageError(f"{path} describes another trial ({found['trial']}); run the study again to mend it")
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
    content = read_bytes(folder / name) if sums else None
    if content is None and name in record.get("files", {}):
        raise DamageError(f"{folder / name} is missing; run the study again to mend it")
    if content is not None and checksum(content) not in sums:
        raise DamageError(f"{folder / name} is not the file that was written; run the study again to mend it")
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
        raise UsageError(f"{path} is not a results folder: it has no study.json")
    check_version(path)
    runs = {folder: read_run(folder) or {} for folder in finished_folders(path, trials)}
    asked = {folder: read_trial(folder, run) for folder, run in runs.items()}
    rows = [_row(asked[folder], run) for folder, run in runs.items()]
    owners = {folder: (str(found["trial"]), int(found["seed"])) for folder, found in asked.items()}
    tables = {
        name: read_tables(runs, name, columns, owners, categorical and name != "evaluations")
        for name, columns in schema.TABLES.items()
    }
    return Results(_trials_table(path, rows), **tables, floors=read_floors(path))


def finished_folders(path: Path, trials: Collection[str] | None = None) -> list[Path]:
    """The folders of trials that have ended, in the order of their names."""
    folder = path / "trials"
    if not folder.is_dir():
        return []
    wanted = None if trials is None else set(trials)
    names = sorted(name for name in os.listdir(folder) if wanted is None or name in wanted)
    return [folder / name for name in names if (folder / name / "run.json").exists()]


def _trials_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    try:
        return typed(pd.DataFrame(rows, columns=list(schema.TRIALS)), schema.TRIALS)
    except (ValueError, TypeError, OverflowError) as error:
        raise DamageError(f"{path}: records of its trials hold values of the wrong kind ({error})") from error


def trial_row(folder: Path) -> dict[str, Any]:
    """The row of the trials table that belongs to a finished trial's folder. Raises DamageError."""
    run = read_run(folder)
    if run is None:
        raise DamageError(f"{folder} holds no finished trial; run the study again to mend it")
    return _row(read_trial(folder, run), run)


def _row(asked: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    row = {c: (asked if c in ASKED else run).get(c, FILLS[kind]) for c, kind in schema.TRIALS.items()}
    row |= {name: json.dumps(row[name], sort_keys=True) for name in ("settings", "versions")}
    if run["log"]:
        row["error"] = f"{run['error']} (log: {run['log']})"
    return row


def read_trial_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """All tables of a finished trial, by name. Raises DamageError."""
    run = read_run(folder)
    if run is None:
        raise DamageError(f"{folder} holds no finished trial; run the study again to mend it")
    asked = read_trial(folder, run)
    owners = {folder: (str(asked["trial"]), int(asked["seed"]))}
    return {name: read_tables({folder: run}, name, columns, owners) for name, columns in schema.TABLES.items()}


def read_floors(path: Path) -> pd.DataFrame:
    """What a perfect sampler scores; an empty table where nothing has been measured. Raises DamageError."""
    file = path / "study.json"
    content = read_bytes(file)
    study = {} if content is None else records.validated(file, records.Record, parse(file, content))
    return read_tables({path: study}, "floors", schema.FLOORS)


def typed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table with exactly these columns, in this order and of these types."""
    return table[list(columns)].astype({c: (object if t == "str" else t) for c, t in columns.items()})


def check_version(path: Path) -> None:
    """Raises UsageError where a results folder was written by a newer ganbench, DamageError where nobody can tell."""
    file = path / "study.json"
    content = read_bytes(file)
    if content is None:
        return
    study = parse(file, content)
    if SEAL in study and study.get("schema", 0) != schema.VERSION:
        read_record(file)  # a changed bit does not make a newer version
    records.check_schema(path, study)


# -- parquet -----------------------------------------------------------------------------------------------------------


def read_tables(
    places: Mapping[Path, Mapping[str, Any]],
    name: str,
    columns: Mapping[str, str],
    owners: Mapping[Path, tuple[str, int]] | None = None,
    categorical: bool = False,
) -> pd.DataFrame:
    """One table out of all the files of one name, each checked against the record beside it.

    Args:
        places: folders with the record that holds the checksums of their files.
        name: of the table: ``steps`` is read from ``steps.parquet``.
        columns: with their types. One that a file lacks is filled; others than these are left out.
        owners: by folder, the trial and the seed that all its rows have to be of.
        categorical: whether labels are categories.

    Raises:
        DamageError: a file is not what was written, is no such table, or holds another trial's rows.
    """
    import pandas as pd
    import pyarrow as pa

    parts = [_arrow_table(batch, columns, owners) for batch in _batches(places, f"{name}.parquet")]
    table = pa.concat_tables(parts) if parts else _arrow_schema(columns).empty_table()
    parts.clear()
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(split_blocks=True, self_destruct=True)
    if not categorical:
        return typed(frame, columns)
    labels = [column for column in LABELS if column in columns]
    # the categories of no rows are of another type than those of some, and the two would not go together
    return frame if len(frame) else frame.astype(dict.fromkeys(labels, pd.CategoricalDtype(pd.Index([], dtype="str"))))


def _batches(places: Mapping[Path, Mapping[str, Any]], name: str) -> Iterator[dict[Path, bytes]]:
    """The contents of the files of one name by path, so many at a time. Raises DamageError."""
    batch: dict[Path, bytes] = {}
    for folder, record in places.items():
        content = read_file(folder, record, name)
        if content is not None:
            batch[folder / name] = content
        if len(batch) == AT_ONCE:
            yield batch
            batch = {}
    if batch:
        yield batch


def _arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa

    label, types = pa.dictionary(pa.int32(), pa.string()), arrow_types()
    return pa.schema([(name, label if name in LABELS else types[kind]) for name, kind in columns.items()])


def _arrow_table(
    contents: Mapping[Path, bytes], columns: Mapping[str, str], owners: Mapping[Path, tuple[str, int]] | None
) -> pa.Table:
    """The rows of some parquet files, one file after the other. Raises DamageError."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    wanted = _arrow_schema(columns)
    kind = ds.ParquetFileFormat(dictionary_columns=[name for name in LABELS if name in columns])
    try:
        fragments = [kind.make_fragment(pa.py_buffer(content)) for content in contents.values()]
        table = _filled(ds.FileSystemDataset(fragments, wanted, kind).to_table(), columns)
        counts = [fragment.metadata.num_rows for fragment in fragments] if owners else []
    except (pa.ArrowException, OSError) as error:
        if len(contents) == 1:
            (path,) = contents
            reason = " ".join(str(error).split())[:200]
            raise DamageError(f"{path} is no table that ganbench writes ({reason}); run the study again") from error
        return pa.concat_tables([_arrow_table({p: c}, columns, owners) for p, c in contents.items()])
    if owners:
        _check_owners(table, counts, [*contents], owners)
    return table


def _filled(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """A table without gaps in columns that can have none in pandas."""
    import pyarrow.compute as pc

    for place, (name, kind) in enumerate(columns.items()):
        if table[name].null_count and kind != "float64":
            column = table[name].cast(arrow_types()[kind])
            column = pc.fill_null(column, FILLS[kind])
            column = column.dictionary_encode() if name in LABELS else column
            table = table.set_column(place, name, column)
    return table


def _check_owners(
    table: pa.Table, counts: Sequence[int], files: Sequence[Path], owners: Mapping[Path, tuple[str, int]]
) -> None:
    """Raises DamageError where a file holds rows of another trial than that of its folder."""
    import numpy as np

    wanted = [owners[file.parent] for file in files]
    trials = np.repeat(np.array([trial for trial, _ in wanted], dtype=object), counts)
    seeds = np.repeat(np.array([seed for _, seed in wanted], dtype=np.int64), counts)
    wrong = table["trial"].cast("string").to_numpy() != trials
    wrong |= table["seed"].to_numpy() != seeds
    if wrong.any():
        file = files[int(np.searchsorted(np.cumsum(counts), int(wrong.argmax()), side="right"))]
        raise DamageError(f"{file} holds rows of another trial; run the study again to mend it")
