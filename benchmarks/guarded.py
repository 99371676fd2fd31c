"""Rows of a benchmark, each measured in a process that may fail, hang or be killed without harm to the others.

One process measures row after row. It ends with the first row that fails, since an error on a GPU can spoil all that
the same process does afterwards; the rest is measured by a fresh one. Nothing here needs more than Python itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

OK, FAILED, TIMED_OUT, ABSENT, NOT_BEGUN = "ok", "failed", "timed out", "not on this device", "not begun"
GOOD = (OK, ABSENT)
NO_DEVICE = "PyTorch sees no CUDA device here"
LONGEST_REASON = 1000  # characters


@dataclass(frozen=True)
class Row:
    """One row of the table: what is measured, and what became of it.

    Attributes:
        part: the group it belongs to.
        name: unique within the part.
        measure: the function that gives the figures.
        arguments: what that function is called with; plain data.
        limit: seconds that it may take.
        precision: of the arithmetic.
        base: the row of the same part whose rate this one's is divided by.
        needs: what the device lacks for it, if anything; its figures are then those of the nearest thing that runs.
        status: one of the words above.
        reason: why it is not ``ok``.
        seconds: what it took, with everything that had to be made for it.
        figures: numbers or words by name, with the unit in brackets.
    """

    part: str
    name: str
    measure: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    limit: float = 60.0
    precision: str = "float32"
    base: str = ""
    needs: str = ""
    status: str = NOT_BEGUN
    reason: str = ""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)

    def ended(self, status: str, reason: str = "", seconds: float = 0.0, **figures: Any) -> Row:
        """The row with what became of it."""
        if status == OK and self.needs:
            status, reason = ABSENT, self.needs
        return replace(self, status=status, reason=shortened(reason), seconds=round(seconds, 2), figures=figures)


def shortened(text: str) -> str:
    """The end of a text, where the reason of a failure stands, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"… {line[-LONGEST_REASON:]}"


def measure_rows(
    rows: Sequence[Row], program: Path, deadlines: Mapping[str, float], folder: Path, tell: Callable[[Row], None]
) -> None:
    """Measure rows one after the other; ``tell`` gets each as soon as it is known what became of it.

    Args:
        rows: what is to be measured.
        program: a script that measures what its first argument asks for, such as ``measures.py``.
        deadlines: of every part, on ``time.monotonic``'s clock; what has not ended by then is ended.
        folder: where processes work and leave their messages.
        tell: called once for every row.
    """
    waiting = list(rows)
    while waiting:
        if time.monotonic() >= deadlines[waiting[0].part]:
            tell(waiting.pop(0).ended(TIMED_OUT, "not begun: the time of its part was over"))
            continue
        with _Process(program, waiting, folder) as process:
            waiting = _follow(process, waiting, deadlines, tell)


def _follow(
    process: _Process, waiting: list[Row], deadlines: Mapping[str, float], tell: Callable[[Row], None]
) -> list[Row]:
    """Hand on what a process says until it ends or has to be ended; the rows that are still to be measured."""
    while waiting:
        row, began = waiting[0], time.monotonic()
        allowed = min(row.limit, deadlines[row.part] - began)
        if allowed <= 0:
            return waiting
        try:
            said = process.answer(allowed)
        except TimeoutError:
            tell(row.ended(TIMED_OUT, f"ended after {allowed:.0f} s. {process.messages()}", time.monotonic() - began))
            return waiting[1:]
        seconds, waiting = time.monotonic() - began, waiting[1:]
        if said is None:
            tell(row.ended(FAILED, f"its process {process.end()}. {process.messages()}", seconds))
            return waiting
        if "error" in said:
            tell(row.ended(FAILED, said["error"], seconds))
            return waiting
        tell(row.ended(OK, seconds=seconds, **said["figures"]))
    return waiting


class _Process:
    """An interpreter that measures rows, with all processes that it starts."""

    def __init__(self, program: Path, rows: Sequence[Row], folder: Path) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the process
        orders = [{"measure": row.measure, "arguments": row.arguments} for row in rows]
        self._process = subprocess.Popen(
            [sys.executable, str(program), json.dumps(orders)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=folder,
            start_new_session=True,  # so that it can be ended with all that it has started
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The next row's figures or error; None where the process has ended without. Raises TimeoutError."""
        try:
            line = self._answers.get(timeout=max(seconds, 0))
        except queue.Empty:
            raise TimeoutError from None
        found: dict[str, Any] | None = None if line is None else json.loads(line)
        return found

    def end(self) -> str:
        """How it has ended, in words."""
        code = self._process.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def messages(self) -> str:
        """The last that it and what it started have written to standard error."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 2 * LONGEST_REASON))
        return self._log.read().decode(errors="replace")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.decode())
        self._answers.put(None)
