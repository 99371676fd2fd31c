"""The folder in the user's cache where ganbench keeps floors, lists of what is installed and downloaded datasets."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

NOWHERE = Path(os.devnull) / "ganbench"  # no file can lie below it


def cache_folder() -> Path:
    """Ganbench's folder in the user's cache, which need not exist; NOWHERE for a user without a home folder."""
    try:
        folder = user_cache_path("ganbench")
    except RuntimeError:  # of newer versions of platformdirs; older ones give a path that begins with ~
        return NOWHERE
    return folder if folder.is_absolute() else NOWHERE
