# /// script
# dependencies = ["nox[uv]"]
# ///
"""The checks: ``nox`` runs all of them, ``nox -s tests-3.12`` one.

Every environment holds PyTorch with its CUDA libraries, about 6 GB. uv links its files to one cached copy; where ``CI``
is set nothing is cached, and an environment goes as soon as its session ends, so that never more than one is there.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True


def _works(version: str) -> bool:
    """Whether this Python is here and starts: a version manager's shim may stand where no interpreter does."""
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0


THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
FOUND = [v for v in ("3.11", "3.12", "3.13") if v == THIS or _works(v)]
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]


def _install(session: nox.Session, *what: str) -> None:
    """Install; on CI without a cache, in the environment's own folder, so that no second copy fills the disk."""
    if not os.environ.get("CI"):
        session.install(*what)
        return
    scratch = Path(session.virtualenv.location) / "tmp"
    scratch.mkdir(exist_ok=True)
    session.install(*what, env={"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", "TMPDIR": str(scratch.resolve())})


def _frugal(run: Callable[[nox.Session], None]) -> Callable[[nox.Session], None]:
    """A session that leaves no environment behind on CI."""

    @functools.wraps(run)
    def session(session: nox.Session) -> None:
        try:
            run(session)
        finally:
            if os.environ.get("CI"):
                shutil.rmtree(session.virtualenv.location, ignore_errors=True)

    return session


@nox.session
@_frugal
def lint(session: nox.Session) -> None:
    """Style, imports, docstrings."""
    _install(session, *GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=FOUND)
@_frugal
def tests(session: nox.Session) -> None:
    """The test suite: quick tests on every Python, the slow ones once, on this one."""
    everything = session.python == THIS or THIS not in FOUND
    _install(session, ".", *GROUPS["test"], *(GROUPS["cluster"] if everything else ()))
    session.run("pytest", "-n", "2", "-m", "" if everything else "not slow", *session.posargs)


@nox.session
@_frugal
def types(session: nox.Session) -> None:
    """Static types, strictly."""
    _install(session, ".", *GROUPS["types"])
    session.run("mypy")


@nox.session
@_frugal
def smoke(session: nox.Session) -> None:
    """What a newcomer does first, in a fresh environment and an empty folder."""
    _install(session, ".")
    folder = session.create_tmp()
    with session.chdir(folder):
        session.run("ganbench", "run", "--quick", "--objectives", "gan,wgan", "--out", "results/smoke")
        session.run("ganbench", "run", "--quick", "--objectives", "gan,wgan", "--out", "results/smoke", "--plan")
        session.run("ganbench", "list", "objectives")
        session.run("ganbench", "plugins")
