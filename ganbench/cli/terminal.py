"""What commands print: the answer on standard output, remarks on standard error. All text passes ``printable``."""

from __future__ import annotations

import codecs
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TextIO

from ganbench.errors import UsageError

UNREAD = 141  # the exit code where the reader of a pipe has left: 128 + SIGPIPE, as a shell reports it

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories: control, format, surrogate, line and paragraph separator
SIMILAR = {"─": "-", "–": "-", "−": "-", "‖": "|", "·": ".", "↓": "v", "↑": "^"}


def printable(text: str) -> str:
    r"""One line of text in which control and format characters are written as escapes, such as ``\x1b`` or ``\n``.

    Names in records and plugins may hold escape sequences, line ends, right-to-left marks and undecodable bytes, all of
    which change what a terminal shows of the text around them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in HIDDEN else c for c in text)


def tell(text: str) -> None:
    """A line of the answer, on standard output. Raises SystemExit where the reader of a pipe has left."""
    _write(printable(text) + "\n")


def tell_document(text: str) -> None:
    """Lines for another program, on standard output, to the letter but for characters that ``printable`` escapes.

    Raises:
        UsageError: the encoding of standard output lacks a character.
    """
    shown = "\n".join(map(printable, text.split("\n")))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        shown.encode(encoding)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"standard output is encoded as {encoding}, which lacks {shown[error.start]!a}; set "
            "PYTHONIOENCODING=utf-8, or write a file with --out"
        ) from error
    _write(shown)


def _write(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        discard(sys.stdout)
        raise SystemExit(UNREAD) from None


def echo_err(text: str) -> None:
    """A remark, on standard error. One that cannot be written is lost, and nothing else is."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


# -- standard streams --------------------------------------------------------------------------------------------------


def prepare_streams() -> None:
    """Make standard streams take any text: open those that are closed, and replace what an encoding lacks."""
    for number in range(3):
        try:
            os.fstat(number)
        except (
            OSError
        ):  # open the lowest free number, which the next file would get: results would hold what is printed
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("ganbench", _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="ganbench")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks become similar ones, or ``?``; a table keeps its widths."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SIMILAR.get(c, "?") for c in error.object[error.start : error.end]), error.end


def settle_streams() -> None:
    """Write what buffers still hold; what cannot be written is dropped, else Python would exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            discard(stream)


def discard(stream: TextIO | None) -> None:
    """Let a stream that cannot be written to any more lead nowhere, with what its buffer still holds."""
    with suppress(OSError, ValueError, AttributeError):
        number = stream.fileno()  # type: ignore[union-attr]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


# -- tables ------------------------------------------------------------------------------------------------------------


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their contents, on a terminal and in a pipe alike: nothing is ever cut."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *cells]) for i in range(len(columns))]
    for row in [columns, ["─" * width for width in widths], *cells]:
        tell("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Rows with the same keys, as a table for people or as JSON for programs."""
    if as_json:
        tell_document(json.dumps(list(rows), indent=1, default=str) + "\n")
    elif rows:
        cells = [[", ".join(v) if isinstance(v, list | tuple) else str(v) for v in row.values()] for row in rows]
        print_table(tuple(rows[0]), cells)


def warn_of_broken(plugins: Iterable[Any]) -> None:
    """One line for every plugin that is broken or outdated, and for every one whose import changed global state."""
    for plugin in plugins:
        if plugin.state in ("broken", "outdated"):
            echo_err(f"plugin {plugin.name} of {plugin.distribution} is {plugin.state} and left out: {plugin.remark()}")
        elif plugin.changed:
            echo_err(f"plugin {plugin.name} of {plugin.distribution}: {replace(plugin, error='').remark()}")
