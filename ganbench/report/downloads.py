"""Tables as CSV inside the page."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ganbench.formats import plain_cells

MOST_ROWS = 40_000  # of an embedded table; a larger one is thinned to every k-th step, and says so
PLAIN = 300_000  # bytes; a longer text is compressed

CLOCKS = ("step", "critic_step")  # the columns by which a table may be thinned


@dataclass(frozen=True)
class Download:
    """A table as a link.

    Attributes:
        name: of the file.
        rows: in the file.
        total: in the whole table.
        note: what was left out; empty where nothing was.
        href: the file itself, as a data address.
    """

    name: str
    rows: int
    total: int
    note: str
    href: str


def downloads(tables: Mapping[str, pd.DataFrame]) -> list[Download]:
    """A link for each table that has rows."""
    return [_download(name, table) for name, table in tables.items() if len(table)]


def _download(name: str, table: pd.DataFrame) -> Download:
    every, shown = thinned(table)
    note = f"one step in {every} and the last; the parquet files hold all {len(table):,} rows" if every > 1 else ""
    text = plain_cells(shown).to_csv(index=False, float_format="%.7g", lineterminator="\n").encode()
    stem = f"{name}-every-{every}" if every > 1 else name
    if len(text) <= PLAIN:
        return Download(f"{stem}.csv", len(shown), len(table), note, _href("text/csv", text))
    packed = gzip.compress(text, 9, mtime=0)
    return Download(f"{stem}.csv.gz", len(shown), len(table), note, _href("application/gzip", packed))


def thinned(table: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """The least k such that every k-th step (and the last one) leaves few enough rows, and these rows."""
    clock = next((c for c in CLOCKS if c in table), None)
    if clock is None or len(table) <= MOST_ROWS:
        return 1, table
    places, steps = pd.factorize(table[clock], sort=True)
    per_step = pd.Series(places).value_counts().reindex(range(len(steps))).to_numpy()
    for k in range(2, len(steps) + 1):
        if per_step[::k].sum() + per_step[-1] * ((len(steps) - 1) % k > 0) <= MOST_ROWS:
            break
    else:
        k = len(steps)
    return k, table[(places % k == 0) | (places == len(steps) - 1)]


def _href(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
