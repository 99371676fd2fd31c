"""A study as tables: whatever is read is compared with its checksum, so that nothing damaged passes for a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import schema
from ganbench.durable import SEAL, accepted, checksum, parse, read_bytes, read_record
from ganbench.errors import DamageError, UsageError
from ganbench.protocol_text import NOT_COMPUTED, split_protocol

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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
        DamageError: ``run.json`` is not what was written, or belongs to another trial.
    """
    run = read_record(folder / "run.json")
    if run is not None and run.get("trial") != folder.name:
        raise DamageError(f"{folder / 'run.json'} is another trial's ({run.get('trial')}); run again to mend it")
    return run


def read_asked(path: Path) -> dict[str, Any] | None:
    """What was asked of a results folder; None where there is no ``study.json``.

    Raises:
        DamageError: it is not what was written, or is the record of something else.
    """
    study = read_record(path / "study.json")
    if study is not None and not isinstance(study.get("requests"), list):
        raise DamageError(f"{path / 'study.json'} is damaged (it is no study's); run again to write it anew")
    return study


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
    path = Path(path)
    if not (path / "study.json").is_file():
        raise UsageError(f"{path} is not a results folder: it has no study.json")
    check_version(path)
    folders = sorted(p.parent for p in path.glob("trials/*/run.json"))
    tables = {name: gather(folders, name) for name in schema.TABLES}
    return Results(_trials_table(folders), **tables, floors=read_floors(path))


def _trials_table(folders: list[Path]) -> pd.DataFrame:
    import pandas as pd

    return typed(pd.DataFrame([trial_row(f) for f in folders], columns=list(schema.TRIALS)), schema.TRIALS)


def trial_row(folder: Path) -> dict[str, Any]:
    """The row of the trials table that belongs to a trial's folder."""
    run = read_run(folder) or {}
    row = {**parse(folder / "trial.json", read_file(folder, run, "trial.json") or b"{}"), **run}
    texts = {name: json.dumps(row[name], sort_keys=True) for name in ("settings", "versions")}
    if row.get("log"):
        texts["error"] = f"{row['error']} (log: {row['log']})"
    return {column: {**row, **texts}[column] for column in schema.TRIALS}


def gather(folders: list[Path], name: str) -> pd.DataFrame:
    """One of the tables (``steps``, say) of some trials' folders."""
    return _read_tables([(folder, read_run(folder) or {}) for folder in folders], name, schema.TABLES[name])


def _read_tables(places: list[tuple[Path, dict[str, Any]]], name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """One table out of all the files of one name, each checked against the record beside it."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    contents = [read_file(folder, record, f"{name}.parquet") for folder, record in places]
    found = [complete(pq.read_table(pa.BufferReader(c)), columns) for c in contents if c is not None]
    if not found:
        return typed(pd.DataFrame(columns=list(columns)), columns)
    table: pd.DataFrame = pa.concat_tables(found).to_pandas()
    return typed(table, columns)


def read_floors(path: Path) -> pd.DataFrame:
    """What a perfect sampler scores; an empty table where nothing has been measured. Raises DamageError."""
    content = read_bytes(path / "study.json")
    study = {} if content is None else parse(path / "study.json", content)
    return _read_tables([(path, study)], "floors", schema.FLOORS)


def complete(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """The content of one file with exactly these columns: those that it lacks are empty."""
    import pyarrow as pa

    for name, kind in columns.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(schema.EMPTY[kind], len(table)))
    return table.select(list(columns)).replace_schema_metadata(None)


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
    """Raises UsageError where a results folder was written by a newer ganbench, DamageError where nobody can tell."""
    content = read_bytes(path / "study.json")
    if content is None:
        return
    study = parse(path / "study.json", content)
    found = study.get("schema", 0)
    if not isinstance(found, int) or found > schema.VERSION:
        if SEAL in study:
            read_record(path / "study.json")  # a changed bit does not make a newer version
        raise UsageError(
            f"{path} was written by a newer ganbench (schema {found}, this one reads {schema.VERSION}): upgrade"
        )
