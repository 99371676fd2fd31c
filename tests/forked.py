"""Commands of ganbench in forks of the test process: each starts with everything imported, and leaves no trace in it.

A fork shares the server that cohort processes are forked from. What hangs on how an interpreter starts (its variables,
its search path, interrupts while it imports) needs a process of its own instead.
"""

import importlib
import os
import sys
import tempfile
import time
import traceback
from multiprocessing import forkserver
from pathlib import Path
from subprocess import CompletedProcess

from ganbench.cli import app
from ganbench.runner.executors import forkserver as server


def call(function, *args, cwd=".", path=(), timeout=250, **variables):
    """Call a function in a fork.

    Args:
        function: what is called; its SystemExit is the exit code, and any other exception is 1 with a traceback.
        args: of the function.
        cwd: the current folder of the fork.
        path: folders in front of the search path; plugins are found there.
        timeout: seconds.
        variables: of the environment, besides those that are there.

    Returns:
        Exit code, standard output and standard error.
    """
    server.start()  # while it is nobody's child but this process's
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _run(function, args, cwd, path, variables, out.fileno(), err.fileno())
        code = _wait(pid, timeout)
        texts = [(file.seek(0), file.read().decode(errors="replace"))[1] for file in (out, err)]
    return CompletedProcess(args, code, *texts)


def ganbench(*words, **how):
    """``ganbench WORDS`` in a fork; see ``call``."""
    return call(_main, [str(word) for word in words], **how)


def _main(words):
    sys.argv = ["ganbench", *words]
    app.main()


def _run(function, args, cwd, path, variables, out, err):
    """The fork's life; it never returns to the test."""
    code = 1
    try:
        os.chdir(cwd)
        os.environ.update(variables)
        sys.path[:0] = [str(Path(folder).absolute()) for folder in path]
        importlib.invalidate_caches()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin, sys.stdout, sys.stderr = (open(n, "rw"[n > 0], encoding="utf-8") for n in range(3))  # noqa: SIM115
        forkserver.ensure_running = forkserver._forkserver.ensure_running = _nothing
        function(*args)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _nothing():
    """In the place of what looks whether the server runs: it would wait for a child that is the parent's."""


def _wait(pid, timeout):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise TimeoutError(f"the fork was ended after {timeout} s")
