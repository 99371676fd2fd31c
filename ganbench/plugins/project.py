"""A plugin's folder as its author has it: what it would offer if it were installed."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

from ganbench.errors import PluginError, UsageError
from ganbench.interfaces.hookspecs import PROJECT


class _Folder(Distribution):
    """A distribution that nobody has built: its name, version and requirements as ``pyproject.toml`` says."""

    def __init__(self, project: dict[str, Any]) -> None:
        lines = [f"Name: {project.get('name', 'unknown')}", f"Version: {project.get('version', '0')}"]
        lines += [f"Requires-Dist: {text}" for text in project.get("dependencies", [])]
        self._metadata = "\n".join(lines)

    def read_text(self, filename: str) -> str | None:
        return self._metadata if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def entries_of(folder: Path) -> list[EntryPoint]:
    """The entry points that a folder's ``pyproject.toml`` names; its modules can be imported from then on.

    Raises:
        UsageError: the file cannot be read.
        PluginError: it names none for ganbench.
    """
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("project", {})
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a readable TOML file: {error}") from error
    named = project.get("entry-points", {}).get(PROJECT, {})
    if not named:
        raise PluginError(f'{file} has no entry point; add [project.entry-points.{PROJECT}] with name = "module"')
    for source in (folder / "src", folder):
        if source.is_dir():
            sys.path.insert(0, str(source.absolute()))
    distribution = _Folder(project)
    return [EntryPoint(name, value, PROJECT)._for(distribution) for name, value in named.items()]  # type: ignore[attr-defined]
