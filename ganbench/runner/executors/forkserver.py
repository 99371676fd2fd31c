"""The server that cohort processes are forked from: it imports torch once, and may do so while a study is resolved.

Nothing heavy is imported here, so that the server can be started before anything else is.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing as mp
import os
import signal
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import ORIGINAL_DIR, BaseProcess  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from ganbench.store.scratch import mark_owned

PRELOADED = ["ganbench.runner.executors.preload"]
LONGEST_SOCKET = 108  # bytes of a path, the closing zero included: Linux, unix(7)


class _Spawned(SpawnProcess):
    """A fresh interpreter that imports what this one does."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802, multiprocessing's name
        with same_imports():
            return SpawnProcess._Popen(process_obj)


class _SpawnContext(SpawnContext):
    Process = _Spawned


def context_for(device: str, preload: Sequence[str] = PRELOADED) -> mp.context.BaseContext:
    """Processes forked from the server; fresh interpreters where forking is not safe.

    Args:
        device: that the processes are to use.
        preload: modules that the server imports, where it does not run already.
    """
    if sys.platform != "linux" or device != "cpu" or not socket_fits():
        if os.name == "posix":
            with same_imports():
                resource_tracker.ensure_running()
        return _SpawnContext()
    start(preload)
    return mp.get_context("forkserver")


def end_with_parent() -> None:
    """Let a process of a pool end with the process that started it; interrupts from the terminal are that one's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    watch_parent()


def watch_parent(before: Callable[[], object] = lambda: None) -> None:
    """End this process when the one that started it has ended, also where that was killed.

    Args:
        before: is called first, in a thread of its own.
    """

    def watch(parent: BaseProcess) -> None:
        parent.join()
        before()
        os._exit(1)

    if (parent := mp.parent_process()) is not None:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()


def search_path() -> list[str]:
    """Folders where this process looks for modules before it looks at Python's own."""
    return [folder or ORIGINAL_DIR for folder in itertools.takewhile(_is_no_part_of_python, sys.path)]


def _is_no_part_of_python(folder: str) -> bool:
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    return folder not in sysconfig.get_paths().values() and Path(folder).name != archive


@contextlib.contextmanager
def same_imports() -> Iterator[None]:
    """Interpreters that are started meanwhile look for modules where this one does.

    ``python -c`` and ``python -m`` would else look into the current folder first, whatever lies there.
    """
    variables = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(search_path())}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_early(device: str) -> None:
    """Start the server in the background, if a run is likely to fork from it."""
    on_cpu = device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists())
    if sys.platform == "linux" and on_cpu and socket_fits():
        start()


def socket_fits() -> bool:
    """Whether the temporary folder's path is short enough for the server's socket, in a folder of its own there."""
    return len(os.fsencode(tempfile.gettempdir())) + len("/pymp-12345678/listener-12345678") < LONGEST_SOCKET


def start(preload: Sequence[str] = PRELOADED) -> None:
    """Start the server, unless it runs. Interrupts from the terminal never reach it, nor what it forks."""
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # glibc else keeps up to eight heaps a core, each with its own waste
    forkserver.set_forkserver_preload(list(preload))
    with same_imports():
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
