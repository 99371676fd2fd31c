"""What commands say: tables and results on standard output, remarks on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import typer


def say(text: str) -> None:
    """A remark, on standard error."""
    typer.echo(text, err=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their contents, on a terminal and in a pipe alike: nothing is ever cut."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, ["─" * width for width in widths], *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Rows with the same keys, as a table for people or as JSON for programs."""
    if as_json:
        typer.echo(json.dumps(list(rows), indent=1, default=str))
    elif rows:
        cells = [[", ".join(v) if isinstance(v, list | tuple) else str(v) for v in row.values()] for row in rows]
        print_table(tuple(rows[0]), cells)


def warn_of_broken(plugins: Iterable[Any]) -> None:
    """One line for every plugin that is broken or outdated, and for every one whose import changed global state."""
    for plugin in plugins:
        if plugin.state in ("broken", "outdated"):
            say(f"plugin {plugin.name} of {plugin.distribution} is {plugin.state} and left out: {plugin.remark()}")
        elif plugin.changed:
            say(f"plugin {plugin.name} of {plugin.distribution}: {replace(plugin, error='').remark()}")
