"""What is made once a test run, whichever of its processes asks first."""

import os

from filelock import FileLock


def once(tmp_path_factory, name, make):
    """A folder that ``make(folder)`` fills; others read it, and change copies of it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"once-{name}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = folder.with_name(f"{folder.name}.part")
            part.mkdir()  # it is there already where making it has failed before
            make(part)
            part.rename(folder)
    return folder
