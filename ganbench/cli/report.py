"""``ganbench report``: figures and one page out of tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ganbench.cli.terminal import echo_err, tell, warn_of_broken
from ganbench.datasets.root import data_root
from ganbench.errors import UsageError
from ganbench.plugins.registry import load_plugins
from ganbench.report.build import build
from ganbench.report.sections import load_report_data
from ganbench.runner.executors.local import cores

DEFAULT = Path("results")


def report(results: Sequence[Path], out: Path | None, root: str | None) -> None:
    """Write the report of one or several studies and print its path.

    Raises:
        UsageError: a folder is no results folder, or the report's folder cannot be written to.
        DamageError: a stored file is not what was written.
    """
    folders = list(results) or _all_below(DEFAULT)
    place = out or _place(folders)
    below = out or (folders[0] if len(folders) == 1 else place.parent)
    _check(place)
    data = load_report_data(folders)
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    page = build(data, registry, data_root(root), place, echo_err, cores(), below)
    tell(f"report: {page} (figures: {place / 'figures'})")


def _all_below(folder: Path) -> list[Path]:
    studies = sorted(path.parent for path in folder.glob("*/study.json"))
    if not studies:
        raise UsageError(f"there is no results folder below {folder}; name one, or make one with `ganbench run`")
    return studies


def _place(folders: Sequence[Path]) -> Path:
    """``report`` inside the one folder, or beside several of them."""
    if len(folders) == 1:
        return folders[0] / "report"
    return Path(os.path.commonpath([folder.absolute().parent for folder in folders])) / "report"


def _check(place: Path) -> None:
    existing = next(p for p in (place, *place.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise UsageError(f"--out: {existing} is a file; name a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"--out: {existing} cannot be written to; choose another folder")
