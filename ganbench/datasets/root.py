"""Where datasets that are files lie."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "GANBENCH_DATA"


def data_root(option: Path | None = None) -> Path:
    """The data folder: ``--data-root``, else the environment variable GANBENCH_DATA, else the user's cache folder.

    It is laid out as torchvision has it: MNIST lies in ``<root>/MNIST/raw``. It need not exist.
    """
    if option is not None:
        return option.expanduser()
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    return user_cache_path("ganbench") / "data"
