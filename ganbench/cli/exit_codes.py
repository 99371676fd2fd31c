"""How a command ends: the exit codes, and what errors, signals and warnings do to it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from ganbench.cli.terminal import UNREAD, discard, echo_err
from ganbench.errors import GanbenchError, ObstructedError, ProcessError, StorageError

DONE, FAILED, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130


def exit_with_code(command: Callable[[], object]) -> None:
    """Run a command; an error that is meant for a user becomes one sentence, and every error an exit code."""
    signals = _listen()
    try:
        command()
    except (KeyboardInterrupt, SystemExit) as stop:
        if signals:  # typer makes a silent exit of an interrupt
            _leave()
        if isinstance(stop.__context__, BrokenPipeError):  # typer was printing help, and exits with 1
            discard(sys.stdout)
            sys.exit(UNREAD)
        raise
    except Exception as error:
        expected = _explain(error)
        if (
            expected is None and signals
        ):  # an import that is interrupted may turn the interrupt into an error of its own
            _leave()
        sentence, code = expected or _report(error)
        echo_err(f"ganbench: {sentence}")
        sys.exit(code)


# -- errors ------------------------------------------------------------------------------------------------------------

ADVICE = {  # what to do about an error of the operating system, wherever it comes from
    errno.EACCES: "make it readable and writable, or name another path",
    errno.EPERM: "make it readable and writable, or name another path",
    errno.EROFS: "name a path on a disk that can be written to",
    errno.EMFILE: "raise the number of files that a process may open (ulimit -n), or lower --jobs",
    errno.ENFILE: "close other programs, or lower --jobs",
    errno.EAGAIN: "raise the number of processes that may run (ulimit -u), or lower --jobs",
}


def _explain(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code of an error that is meant for a user; None of any other."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ObstructedError):
        return str(error), USAGE
    if isinstance(error, StorageError) or number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{error}; what was finished is kept, and the same command runs what is missing", FAILED
    if isinstance(error, ProcessError):
        return str(error), FAILED
    if isinstance(error, GanbenchError):
        return str(error), USAGE
    if isinstance(error, OSError) and number == errno.ENAMETOOLONG:
        return f"{str(error.filename)[:40]}...: {error.strerror}; give a shorter path", USAGE
    if isinstance(error, OSError) and number in ADVICE:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; {ADVICE[number]}", USAGE
    if isinstance(error, FileNotFoundError) and error.filename is None:  # tempfile's
        return f"{error.strerror}; make one of them writable, or name another folder with TMPDIR", USAGE
    return None


def _report(error: Exception) -> tuple[str, int]:
    """Print the traceback of an unexpected error."""
    import traceback

    for line in traceback.format_exc().splitlines():
        echo_err(line)
    return f"internal error, please report it: {type(error).__name__}: {error}", INTERNAL


# -- signals -----------------------------------------------------------------------------------------------------------


def _listen() -> list[int]:
    """Let SIGINT and SIGTERM end the program in order, a second one at once. Returns the list of received signals."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)  # also where a script has started this with `&`, which ignores it
    return received


def _leave() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    echo_err("ganbench: interrupted; the same command runs what is missing")
    sys.exit(INTERRUPTED)


# -- warnings ----------------------------------------------------------------------------------------------------------


def show_warnings() -> None:
    """Show the warnings that PYTHONWARNINGS or -W would raise as errors: those of other packages must not end a run."""
    actions = {option: option.partition(":")[0].strip() for option in sys.warnoptions}
    kept = [option for option, action in actions.items() if not (action and "error".startswith(action))]
    if len(kept) < len(sys.warnoptions):
        sys.warnoptions[:] = kept  # processes that multiprocessing starts take them over
        os.environ["PYTHONWARNINGS"] = ",".join(kept)
        warnings.simplefilter("default")
