"""A folder for PYTHONPATH that completes an environment: wheels of what it lacks, and ganbench as this checkout has it.

Nothing that is installed is changed, and PyTorch is never brought along: its build fits the machine's driver. No build
tool is needed: a distribution's plugins are found by its metadata, which are written from ``pyproject.toml``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = ("torch", "torchvision", "triton", "numpy", "nvidia", "cuda")  # first words of names; never replaced
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
    requirement = _packaging().Requirement
    waiting = [requirement(text) for text in (*project["dependencies"], *TESTS)]
    installed, lacking, seen = [], [], set()
    while waiting:
        wanted = waiting.pop(0)
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        found = _find(site, wanted.name)
        if found is None or not wanted.specifier.contains(found.version, prereleases=True):
            if reason := _install(site, wheels, wanted, found):
                lacking.append(reason)
                continue
            found = _find(site, wanted.name)
            installed.append(f"{name} {found.version if found else '?'}")
        if found and not _is_kept(name):
            waiting += [requirement(text) for text in found.requires or ()]
    return installed, lacking


def _install(site: Path, wheels: Path | None, wanted: Any, found: Distribution | None) -> str:
    """Install one distribution into the folder; a sentence where that cannot be."""
    here = f"{wanted} is wanted and {found.version if found else 'none'} is installed"
    if _is_kept(wanted.name) and (found or wanted.name != "numpy"):
        return f"{here}; it is not replaced"
    if wheels is None:
        return f"{here}; give a folder of wheels by --wheels"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    command += ["--no-deps", "--no-compile", "--upgrade", "--target", str(site), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{here}: {' '.join(done.stderr.split())[-200:]}" if done.returncode else ""


def _is_kept(name: str) -> bool:
    return re.split(r"[-_.]", name.lower())[0] in KEPT


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
