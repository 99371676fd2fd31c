# /// script
# dependencies = ["nox[uv]"]
# ///
"""The checks: ``nox`` runs all of them except ``soak`` and ``coverage``, ``nox -s tests-3.12`` one.

Every environment holds PyTorch with its CUDA libraries, about 6 GB. uv links the files of its cache into each of them,
so that only the first costs time and disk. Where `CI` is set the cache lies in `.nox` and is removed at the end; each
environment is removed when its session ends. What its imports have compiled stays for the next one of the same Python.
Where uv is missing, pip installs the same without a cache.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

# The tests start hundreds of processes; where this is set, each of them would compile all of PyTorch's modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _works(version: str) -> bool:
    """Whether this Python is here and starts: a version manager's shim may stand where no interpreter does."""
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0


THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
FOUND = [v for v in ("3.11", "3.12", "3.13") if v == THIS or _works(v)]
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]


@functools.cache
def _cache() -> str:
    """The uv cache of this run: beside the environments, since hard links do not cross file systems."""
    Path(".nox").mkdir(exist_ok=True)
    folder = str(Path(tempfile.mkdtemp(prefix="cache-", dir=".nox")).resolve())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _bytecode() -> Path:
    """Where compiled modules wait for the next environment: those of PyTorch take 20 seconds of a core to compile."""
    return Path(_cache()) / "bytecode"


def _link_bytecode(source: Path, target: Path, *, everywhere: bool = False) -> None:
    """Link compiled modules; Python checks each against its source, and compiles it again where that is another.

    Args:
        source, target: folders of one environment, or of ``_bytecode()``, with the same layout.
        everywhere: make folders that the target lacks; else only packages that it has get theirs.
    """
    for file in source.glob("lib/python*/site-packages/**/*.pyc"):
        place = target / file.relative_to(source)
        ours = "ganbench" in str(file.relative_to(source))  # which may have changed within a second
        if not ours and not place.exists() and (everywhere or place.parent.parent.is_dir()):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, place)


def _install(session: nox.Session, *what: str) -> None:
    """Install; on CI leave nothing outside ``.nox`` and no second copy on the disk."""
    if not os.environ.get("CI"):
        session.install(*what)
    elif session.venv_backend == "uv":
        session.install(*what, env={"UV_CACHE_DIR": _cache()})
        _link_bytecode(_bytecode(), Path(session.virtualenv.location))
    else:
        scratch = Path(session.virtualenv.location) / "tmp"
        scratch.mkdir(exist_ok=True)
        session.install(*what, env={"PIP_NO_CACHE_DIR": "1", "TMPDIR": str(scratch.resolve())})


def _frugal(run: Callable[[nox.Session], None]) -> Callable[[nox.Session], None]:
    """A session that leaves no environment behind on CI."""

    @functools.wraps(run)
    def session(session: nox.Session) -> None:
        try:
            run(session)
        finally:
            if os.environ.get("CI"):
                if session.venv_backend == "uv":
                    _link_bytecode(Path(session.virtualenv.location), _bytecode(), everywhere=True)
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
    """The tier ``quick``, on every Python."""
    _install(session, ".", *GROUPS["test"])
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
@_frugal
def slow(session: nox.Session) -> None:
    """The tier ``slow``, on one Python: trainings, processes, small clusters, a browser."""
    _install(session, ".", *GROUPS["test"], *GROUPS["cluster"])
    session.run("pytest", "-n", "2", "--maxschedchunk=1", "-m", "slow", *session.posargs)  # nobody hoards long ones


@nox.session(default=False)
@_frugal
def soak(session: nox.Session) -> None:
    """The tier ``soak``: clusters of two nodes, kills, torture schedules, the largest reports."""
    _install(session, ".", *GROUPS["test"], *GROUPS["cluster"])
    session.run("pytest", "-n", "2", "-m", "soak", *session.posargs)


@nox.session(default=False)
@_frugal
def coverage(session: nox.Session) -> None:
    """Branch coverage of ``ganbench/`` by the tiers ``quick`` and ``slow``, as the test processes see it."""
    # Editable, since coverage takes `ganbench` for the folder of that name, and measures nothing of an installed copy.
    _install(session, "-e", ".", *GROUPS["test"], *GROUPS["cluster"], "pytest-cov>=6")
    measured = ("--cov=ganbench", "--cov-branch", "--cov-report=term:skip-covered")
    session.run("pytest", "-n", "2", "-m", "quick or slow", *measured, *session.posargs)


@nox.session
@_frugal
def types(session: nox.Session) -> None:
    """Static types, strictly."""
    _install(session, ".", *GROUPS["types"])
    session.run("mypy")


@nox.session(reuse_venv=False)
@_frugal
def smoke(session: nox.Session) -> None:
    """What a newcomer does first, in a fresh environment and an empty folder."""
    _install(session, ".")
    folder = session.create_tmp()
    with session.chdir(folder):
        session.run("ganbench", "run", "--quick", "--objectives", "gan,wgan", "--out", "results/smoke")
        session.run("ganbench", "run", "--quick", "--objectives", "gan,wgan", "--out", "results/smoke", "--plan")
        session.run("ganbench", "list", "objectives")
        session.run("ganbench", "run", "--quick", "--executor", "ray", success_codes=[2])  # which is not installed
        shutil.rmtree("ganbench-demo", ignore_errors=True)
        session.run("ganbench", "plugin", "new", "demo")
        _install(session, "./ganbench-demo")
        session.run("ganbench", "plugin", "check", "demo")
        session.run("ganbench", "run", "--quick", "--no-probe", "--objectives", "demo", "--out", "results/demo")
        session.run("ganbench", "plugins")


@nox.session
@_frugal
def plugins(session: nox.Session) -> None:
    """Distributions as third parties build and install them: wheels, their own tests, a run with a tracker."""
    names = ("ganbench-spectral", "ganbench-tensorboard")
    wheels = Path(session.create_tmp()) / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    _install(session, "build", "hatchling")
    for folder in (".", *(f"plugins/{name}" for name in names)):
        session.run("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), folder)
    built = (str(wheel) for wheel in sorted(wheels.glob("*.whl")))
    _install(session, "--force-reinstall", *built, "pytest>=8.2")  # an environment that is there holds the last ones
    for name in names:
        session.run("pytest", "-q", f"plugins/{name}")
    with session.chdir(session.create_tmp()):
        shutil.rmtree("results", ignore_errors=True)
        wanted = ("--objectives", "wgan-sn", "--datasets", "ring", "--architectures", "mlp-sn")
        session.run("ganbench", "run", "--quick", "--steps", "40", "--no-probe", *wanted, "--out", "results/plugins")
        session.run("python", "-c", TRACKED)
        session.run("ganbench", "verify", "results/plugins")
        session.run("ganbench", "plugins")


# Every stored reading of a run, as TensorBoard reads it back, and nothing in ganbench's wheel that is not its own.
TRACKED = """
import ganbench, importlib.metadata as metadata
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
results = ganbench.load("results/plugins")
assert set(results.trials.status) == {"completed"}, results.trials.status
for trial, steps in results.steps.groupby("trial"):
    events = EventAccumulator(str(Path("results/plugins/trackers/tensorboard") / trial), {"scalars": 0}).Reload()
    read = [event.value for event in events.Scalars("steps/generator_grad_norm")]
    assert read == steps.generator_grad_norm.astype("float32").tolist(), trial
tops = {file.parts[0] for file in metadata.files("ganbench")} - {".."}
assert {t for t in tops if not t.endswith(".dist-info")} == {"ganbench", "ganbench_objectives"}, tops
"""


@nox.session
@_frugal
def docs(session: nox.Session) -> None:
    """The documentation, without a warning. Its reference pages are in the repository, so it needs no PyTorch."""
    _install(session, *GROUPS["docs"])
    built = Path(session.create_tmp()).resolve() / "html"
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-b", "html", "docs", str(built))
