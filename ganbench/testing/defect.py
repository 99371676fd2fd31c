"""What the conformance kit says of a plugin: defects, each in one line, and what was checked and what was not."""

from __future__ import annotations

import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One thing in which a plugin does not keep its contract.

    Attributes:
        check: the check that found it.
        reason: what was found.
        fix: what to do.
    """

    check: str
    reason: str
    fix: str

    def __str__(self) -> str:
        """One line, whatever the reason holds."""
        return " ".join(f"{self.check}: {self.reason}; {self.fix}".split())


@dataclass(frozen=True)
class Unchecked:
    """A check that was not made, or not to its end.

    Attributes:
        check: its name.
        reason: why not.
    """

    check: str
    reason: str

    def __str__(self) -> str:
        """One line, whatever the reason holds."""
        return " ".join(f"{self.check} ({self.reason})".split())


@dataclass(frozen=True)
class Examination:
    """All that the kit says of one objective, dataset, architecture, metric or tracker.

    Attributes:
        kind: ``objective``, ``dataset``, ``architecture``, ``metric`` or ``tracker``.
        name: its name.
        defects: what is wrong; empty where nothing is.
        checked: the names of the checks that were made.
        unchecked: those that were not, and what no check can tell.
    """

    kind: str
    name: str
    defects: tuple[Defect, ...]
    checked: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def raised(error: BaseException, file: str) -> str:
    """An exception in a few words, with the last line of ``file`` that it came through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    place = f" (line {lines[-1]})" if lines else ""
    message = str(error).strip().partition("\n")[0]
    return f"raised {type(error).__name__}{': ' if message else ''}{message}{place}"
