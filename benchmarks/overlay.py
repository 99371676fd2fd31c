"""A folder for PYTHONPATH that completes an environment: wheels of what it lacks, and ganbench as this checkout has it.

Nothing that is installed is changed, and PyTorch is never brought along: its build fits the machine's driver. No build
tool is needed: a distribution's plugins are found by its metadata, which are written from ``pyproject.toml``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = re.compile(r"(torch|torchvision|triton|numpy|nvidia-.*|cuda-.*)$")  # never replaced
SLOWEST = 60.0  # seconds that an installation may take
TESTS = ("pytest>=8.2",)


def complete(site: Path, wheels: Path | None) -> tuple[list[str], list[str]]:
    """Fill a folder with what this interpreter lacks.

    Args:
        site: an empty folder, which must come first on PYTHONPATH.
        wheels: a folder of wheels, or None.

    Returns:
        What was installed, and for everything that is lacking a sentence.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    _write_metadata(site, project)
    installed: list[str] = []
    reasons: dict[str, str] = {}
    while wanted := [w for w in _unmet(site, project["dependencies"]) if w.name not in (*reasons, *installed)]:
        kept = [w for w in wanted if KEPT.match(w.name) and (w.name != "numpy" or _find(site, w.name))]
        reasons |= {w.name: f"{_state(site, w)}; it is never brought along" for w in kept}
        open_ = [w for w in wanted if w not in kept]
        if wheels is None:
            reasons |= {w.name: f"{_state(site, w)}; give a folder of wheels by --wheels" for w in open_}
        elif open_ and _pip(site, wheels, open_):  # one that cannot be had keeps out all: so one by one
            reasons |= {w.name: f"{_state(site, w)}: {said}" for w in open_ if (said := _pip(site, wheels, [w]))}
        installed += [w.name for w in open_ if w.name not in reasons]
    return installed, list(reasons.values())


def _unmet(site: Path, dependencies: Iterable[str]) -> list[Any]:
    """The requirements of ganbench, of its tests and of all that these require, which are not met."""
    requirement = _packaging().Requirement
    waiting, seen, unmet = [requirement(text) for text in (*dependencies, *TESTS)], set(), []
    while waiting:
        wanted = waiting.pop()
        if wanted.name in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        seen.add(wanted.name)
        found = _find(site, wanted.name)
        if found is None or not wanted.specifier.contains(found.version, prereleases=True):
            unmet.append(wanted)
        elif not KEPT.match(wanted.name):
            waiting += [requirement(text) for text in found.requires or ()]
    return unmet


def _state(site: Path, wanted: Any) -> str:
    found = _find(site, wanted.name)
    return f"{wanted} is wanted and {found.version if found else 'none'} is installed"


def _pip(site: Path, wheels: Path, wanted: Sequence[Any]) -> str:
    """Install distributions into the folder; the end of what pip says where it cannot."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    command += ["--no-deps", "--no-compile", "--upgrade", "--target", str(site), *map(str, wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SLOWEST)
    return " ".join(done.stderr.split())[-150:] if done.returncode else ""


def _find(site: Path, name: str) -> Distribution | None:
    found: Iterator[Distribution] = iter(distributions(name=name, path=[str(site), *sys.path]))
    return next(found, None)


def _packaging() -> Any:
    """The parser of requirements, pip's own copy where there is no other."""
    try:
        from packaging import requirements
    except ImportError:
        from pip._vendor.packaging import requirements
    return requirements


def _write_metadata(site: Path, project: dict[str, Any]) -> None:
    """What an installation of this checkout would leave behind: name, version and entry points."""
    text = (ROOT / "ganbench" / "__init__.py").read_text()
    version = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    assert version is not None
    folder = site / f"ganbench-{version[1]}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganbench\nVersion: {version[1]}\n")
    lines = [f"{name} = {module}" for name, module in project["entry-points"]["ganbench"].items()]
    (folder / "entry_points.txt").write_text("\n".join(["[ganbench]", *lines, ""]))
