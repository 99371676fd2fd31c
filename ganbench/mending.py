"""Clears away what is damaged beside the trials, so that whoever needs it makes it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganbench.checkpoints import Checkpoints
from ganbench.errors import UsageError
from ganbench.integrity import rebuilt
from ganbench.results import read_run
from ganbench.store import Store


def mend(store: Store, say: Callable[[str], None]) -> None:
    """Remove damaged floors, checkpoints and references, and what a killed process left half written beside them.

    Args:
        store: the results folder.
        say: gets one sentence about each.
    """
    remains = list(store.path.glob(".*.part"))
    damaged = [finding for finding in rebuilt(store.path) if finding.kind in ("damaged", "missing")]
    if not damaged and not remains:
        return
    with store.lock("study", say):
        for path in remains:
            store.remove(path)
        for finding in damaged:
            say(f"{finding.path} {finding.reason}: it is made again where it is needed")
            _remove(store, finding.path)
            store.forget(finding.path.name)


def sweep(store: Store) -> None:
    """Remove the checkpoints of cohorts that have ended, which their processes may have had no time for."""

    def ended(trial: str) -> bool:
        try:
            run = read_run(store.path / "trials" / trial)
        except UsageError:  # damaged, or of a newer version
            return False
        return run is not None and run["status"] != "failed"

    Checkpoints(store, {}).sweep(ended)


def _remove(store: Store, path: Path) -> None:
    """A file; of a reference all that belongs to its seed, as they are trained together."""
    seed = path.stem if path.suffix == ".json" else path.stem.rpartition("-")[0]
    together = path.parent.glob(f"{seed}[-.]*") if path.parent.name == "references" else [path]
    for file in list(together):
        store.remove(file)  # another run may have mended it meanwhile
