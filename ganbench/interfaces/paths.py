"""Paths of the user: the home folder that ``~`` stands for, and ganbench's folder in the cache."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from ganbench.errors import UsageError

NOWHERE = Path(os.devnull) / "ganbench"  # no file can lie below it


def cache_folder() -> Path:
    """Ganbench's folder in the user's cache, which need not exist; NOWHERE for a user without a home folder."""
    try:
        folder = user_cache_path("ganbench")
    except RuntimeError:  # of newer versions of platformdirs; older ones give a path that begins with ~
        return NOWHERE
    return folder if folder.is_absolute() else NOWHERE


def expand_home(text: str, where: str = "") -> str:
    """A path with the home folder in the place of ``~`` or ``~user``. Raises UsageError where none is known."""
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        name = f"{where} is" if where else "the path"
        raise UsageError(f"{name} {text!r}, and no home folder is known for it; give the whole path") from None
