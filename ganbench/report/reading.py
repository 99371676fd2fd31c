"""Studies as tables for a report: the same as ``ganbench.load`` gives, in less memory.

Labels repeat in every row of the large tables: steps, modes and probes. There they are categories: each is kept once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ganbench import schema
from ganbench.errors import UsageError
from ganbench.results import check_version, complete, read_file, read_floors, read_run, trial_row
from ganbench.store import Results, typed

LABELS = ("trial", "dataset", "architecture", "objective", "metric", "protocol")


def read_study(path: Path) -> Results:
    """The tables of a results folder; labels of steps, modes and probes are categories.

    Raises:
        UsageError: it is no results folder, or was written by a newer ganbench.
        DamageError: a stored file is not what was written.
    """
    if not (path / "study.json").is_file():
        raise UsageError(f"{path} is not a results folder: it has no study.json")
    check_version(path)
    runs = {folder: read_run(folder) or {} for folder in sorted(p.parent for p in path.glob("trials/*/run.json"))}
    rows = pd.DataFrame([trial_row(folder) for folder in runs], columns=list(schema.TRIALS))
    large = {name: _read(runs, name, schema.TABLES[name]) for name in ("steps", "modes", "probes")}
    evaluations = typed(_read(runs, "evaluations", schema.EVALUATIONS), schema.EVALUATIONS)
    return Results(typed(rows, schema.TRIALS), **large, evaluations=evaluations, floors=read_floors(path))


def _read(runs: Mapping[Path, Mapping[str, Any]], name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """One table out of all the files of one name, each checked against the record beside it."""
    contents = (read_file(folder, run, f"{name}.parquet") for folder, run in runs.items())
    parts = [_parse(content, columns) for content in contents if content is not None]
    if not parts:
        return typed(pd.DataFrame(columns=list(columns)), columns).astype(dict.fromkeys(_labels(columns), "category"))
    table = pa.concat_tables(parts).unify_dictionaries()
    parts.clear()
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def _parse(content: bytes, columns: Mapping[str, str]) -> pa.Table:
    return complete(pq.read_table(pa.BufferReader(content), read_dictionary=_labels(columns)), columns)


def _labels(columns: Mapping[str, str]) -> Sequence[str]:
    return [name for name in LABELS if name in columns]
