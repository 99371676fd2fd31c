"""What a task takes along to a machine that does not see the results folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ganbench.checkpoints import Checkpoints
from ganbench.components import variants
from ganbench.plugins import load_plugins
from ganbench.references import OBJECTIVE, key_of
from ganbench.store import OWN, Store
from ganbench.trials import CohortSpec
from ganbench.tries import tries_file


def luggage(shard: CohortSpec, shelf: Checkpoints) -> Mapping[str, bytes]:
    """A shard's checkpoints, its trials where there are any already, and the generators that its probe freezes."""
    store, found = shelf.store, {}
    for file in [*_trials(store, shard), *_references(store, shard), *_checkpoints(shelf, shard)]:
        with suppress(OSError):  # another run may be at it
            found[file.relative_to(store.path).as_posix()] = file.read_bytes()
    return found


def _trials(store: Store, shard: CohortSpec) -> Iterator[Path]:
    for trial in shard.trials():
        yield tries_file(store, trial)
        yield from (store.folder(trial) / name for name in OWN)


def _references(store: Store, shard: CohortSpec) -> Iterator[Path]:
    if shard.probe is not None:
        ((component, _),) = variants(load_plugins().objectives, OBJECTIVE, {})
        for seed in shard.seeds:
            yield from (store.path / "references").glob(f"{key_of(shard, component)}-s{seed}[-.]*")


def _checkpoints(shelf: Checkpoints, shard: CohortSpec) -> Iterator[Path]:
    for folder in shelf.folders(shard):
        yield from folder.iterdir()
