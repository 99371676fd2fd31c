"""Arrow tables out of parquet files: of the wanted columns, without gaps, with the rows of the right trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ganbench.errors import DamageError
from ganbench.store import schema
from ganbench.store.files import arrow_types

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("trial", "dataset", "architecture", "objective", "metric", "protocol")  # few different texts in many rows
Owners: TypeAlias = Mapping[Path, tuple[str, int]]  # by folder, the trial and the seed that its rows are of


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow's types of some columns; labels are dictionaries."""
    import pyarrow as pa

    label, types = pa.dictionary(pa.int32(), pa.string()), arrow_types()
    return pa.schema([(name, label if name in LABELS else types[kind]) for name, kind in columns.items()])


def arrow_table(path: Path, content: bytes, wanted: pa.Schema) -> pa.Table:
    """The rows of a parquet file; columns that it lacks are empty. Raises DamageError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows(labels: Sequence[str]) -> pa.Table:
        return pq.ParquetFile(pa.BufferReader(content), read_dictionary=labels).read(use_threads=False)

    try:
        try:
            table = rows([name for name in LABELS if name in wanted.names])
        except KeyError:  # it lacks a label
            table = rows([])
        table = table.replace_schema_metadata(None)
        return table if table.schema.equals(wanted) else _fitted(table, wanted)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamageError(
            f"{path} is no table that ganbench writes ({reason}); run the study again", subject=path, code="table"
        ) from error


def _fitted(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """A table of an older or a newer version with the wanted columns, in their order and of their types."""
    import pyarrow as pa

    columns = []
    for field in wanted:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
        elif pa.types.is_dictionary(field.type):
            columns.append(table[field.name].cast(pa.string()).dictionary_encode())
        else:
            columns.append(table[field.name].cast(field.type))
    return pa.Table.from_arrays(columns, schema=wanted)


def filled(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """A table without gaps in columns that can have none in pandas."""
    import pyarrow.compute as pc

    for place, (name, kind) in enumerate(columns.items()):
        if table[name].null_count and kind != "float64":
            column = pc.fill_null(table[name].cast(arrow_types()[kind]), schema.EMPTY[kind])
            table = table.set_column(place, name, column.dictionary_encode() if name in LABELS else column)
    return table


def with_labels_in_order(table: pa.Table) -> pa.Table:
    """A table whose dictionaries have exactly the labels of its rows, in the order in which they come."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table[field.name].cast(field.type.value_type).dictionary_encode()
            table = table.set_column(place, field, column)
    return table


def check_owners(table: pa.Table, counts: Mapping[Path, int], owners: Owners, name: str) -> None:
    """Raises DamageError where a file holds rows of another trial than that of its folder."""
    import numpy as np

    rows, wanted = list(counts.values()), [owners[folder] for folder in counts]
    trials = np.repeat(np.array([trial for trial, _ in wanted], dtype=object), rows)
    seeds = np.repeat(np.array([seed for _, seed in wanted], dtype=np.int64), rows)
    wrong = table["trial"].cast("string").to_numpy() != trials
    wrong |= table["seed"].to_numpy() != seeds
    if wrong.any():
        folder = list(counts)[int(np.searchsorted(np.cumsum(rows), int(wrong.argmax()), side="right"))]
        raise DamageError(
            f"{folder / name} holds rows of another trial; run the study again to mend it",
            subject=folder / name,
            code="rows",
        )
