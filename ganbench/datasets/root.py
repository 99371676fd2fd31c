"""Where datasets that are files lie."""

from __future__ import annotations

import os
from pathlib import Path

from ganbench.errors import DataError
from ganbench.interfaces.paths import NOWHERE, cache_folder, expand_home

VARIABLE = "GANBENCH_DATA"


def data_root(option: str | Path | None = None) -> Path:
    """The data folder: ``--data-root``, else the environment variable GANBENCH_DATA, else the user's cache folder.

    It is laid out as torchvision has it: MNIST lies in ``<root>/MNIST/raw``. It need not exist.

    Raises:
        UsageError: it begins with ``~``, and no home folder is known.
    """
    if option is not None:
        return Path(expand_home(str(option), "--data-root"))
    if os.environ.get(VARIABLE):
        return Path(expand_home(os.environ[VARIABLE], VARIABLE))
    return cache_folder() / "data"


def check_known(root: Path) -> None:
    """Raises DataError where datasets have no folder, because the user has no home folder and named none."""
    if root.is_relative_to(NOWHERE):
        raise DataError(
            f"no home folder is known, so datasets have no place: set {VARIABLE}, or name --data-root",
            code="no-home",
            remedy="--data-root",
        )
