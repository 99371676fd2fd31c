"""What is wrong with an objective, in one line: the check that found it, the reason and the fix."""

from __future__ import annotations

import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One thing that an objective does not keep of its contract.

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


def raised(error: BaseException, file: str) -> str:
    """An exception in a few words, with the last line of ``file`` that it came through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    place = f" (line {lines[-1]})" if lines else ""
    message = str(error).strip().partition("\n")[0]
    return f"raised {type(error).__name__}{': ' if message else ''}{message}{place}"
