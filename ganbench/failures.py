"""What went wrong, as plain text: it outlives the exception, the frames that it holds and the process."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

EXHAUSTED = "OutOfMemory"  # the kind of failure that a smaller cohort may be spared
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Attributes:
        kind: the type of the error: ``ValueError``, ``OutOfMemory``, ``TimeLimit``, ``WorkerDied``.
        message: one line.
        log: all that is known, for ``error.log``.
    """

    kind: str
    message: str
    log: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception means."""
        try:
            message = " ".join(str(error).split())
        except Exception:  # a stranger's __str__ may raise as well
            message = "(its message cannot be read)"
        return cls(_kind(error, message), message[:1000], "".join(traceback.format_exception(error)))


def _kind(error: BaseException, message: str) -> str:
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, unimported
    if exhausted or (isinstance(error, RuntimeError) and any(text in message.lower() for text in OUT_OF_MEMORY)):
        return EXHAUSTED
    return type(error).__name__
