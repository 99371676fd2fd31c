"""The server that cohort processes are forked from: it imports torch once, and may do so while a study is resolved.

Nothing heavy is imported here, so that the server can be started before anything else is.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing as mp
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path

from ganbench.scratch import mark_owned

PRELOADED = ["ganbench.executors.warm"]
LONGEST_SOCKET = 108  # bytes of a path, the closing zero included: Linux, unix(7)


def context_for(device: str) -> mp.context.BaseContext:
    """Processes forked from the server; fresh interpreters where forking is not safe."""
    if sys.platform != "linux" or device != "cpu" or not socket_fits():
        return mp.get_context("spawn")
    start()
    return mp.get_context("forkserver")


def start_early(device: str) -> None:
    """Start the server in the background, if a run is likely to fork from it."""
    on_cpu = device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists())
    if sys.platform == "linux" and on_cpu and socket_fits():
        start()


def socket_fits() -> bool:
    """Whether the temporary folder's path is short enough for the server's socket, in a folder of its own there."""
    return len(os.fsencode(tempfile.gettempdir())) + len("/pymp-12345678/listener-12345678") < LONGEST_SOCKET


def start() -> None:
    """Start the server, unless it runs. Interrupts from the terminal never reach it, nor what it forks."""
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # glibc else keeps up to eight heaps a core, each with its own waste
    forkserver.set_forkserver_preload(PRELOADED)
    resource_tracker.ensure_running()
    mark_owned(Path(util.get_temp_dir()))  # its socket's folder; workers of a cluster are killed and leave it
    with _without_interrupts():  # the mask is inherited: an interrupt is the main process's to handle
        forkserver.ensure_running()
    atexit.register(_stop, os.getpid())


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(owner: int) -> None:
    """End the server with the process that started it, also in the middle of its imports. What it forked lives on."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None and os.getpid() == owner:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
