"""Results that go from a machine which does not see the results folder to the one where the run began.

A parcel is files by their path below the results folder, in the order in which they are to be written. A record always
comes after the files that it describes, and whoever unpacks a parcel writes each file atomically: what is stored is
whole at every moment, as it is where folders are shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ganbench.durable import checksum, parse, read_record, replace_files
from ganbench.errors import DamageError, StorageError
from ganbench.files import read_bytes
from ganbench.results import read_run
from ganbench.store import OWN, Store

Parcel: TypeAlias = Mapping[str, bytes]
CHECKPOINT = "checkpoint.json"
KINDS = (".locks", "checkpoints", "references", "logs", "trials")


class Sender:
    """Sends what has changed in a folder.

    Args:
        results: the folder, on this machine.
        deliver: takes a parcel to where the run began.
    """

    def __init__(self, results: Path, deliver: Callable[[Parcel], None]) -> None:
        self.results, self._deliver = results, deliver
        self._known: dict[Path, tuple[int, int]] = {}

    def unpack(self, parcel: Parcel) -> None:
        """Begin with what the other side has."""
        store = Store(self.results)
        store.open()
        for name, content in parcel.items():
            file = self.results / inside(name)
            store.make(file.parent)
            store.write_bytes(file, content, durable=False)
        self._known = {file: _stamp(file) for file in self.results.rglob("*") if file.is_file()}

    def send(self) -> None:
        """Send everything that is whole and new."""
        parcel: dict[str, bytes] = {}
        for files in self._units():
            stamps = {file: _stamp(file) for file in files}
            if any(self._known.get(file) != stamp for file, stamp in stamps.items()):
                contents = _whole(files)
                if contents:
                    parcel |= {file.relative_to(self.results).as_posix(): held for file, held in contents.items()}
                    self._known |= stamps
        if parcel:
            self._deliver(parcel)

    def _units(self) -> Iterable[list[Path]]:
        """Files that belong together, each record after what it describes."""
        yield from ([file] for file in sorted(self.results.glob(".locks/*.begun")))
        for record in sorted(self.results.glob(f"checkpoints/*/{CHECKPOINT}")):
            yield from _described(record)
        for record in sorted(self.results.glob("references/[!.]*.json")):
            yield from _described(record)
        yield from ([file] for file in sorted(self.results.glob("logs/*.log")))
        for record in sorted(self.results.glob("trials/*/run.json")):
            yield from _described(record)


def _stamp(file: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size
    return 0, 0


def _described(record: Path) -> Iterable[list[Path]]:
    """A record's files and the record; nothing where it cannot be read."""
    with contextlib.suppress(DamageError):
        yield [*(record.with_name(Path(name).name) for name in (read_record(record) or {}).get("files", {})), record]


def _whole(files: Sequence[Path]) -> dict[Path, bytes]:
    """The contents of files; none while they do not fit the record among them, as in the middle of a change.

    What is compared is what was read: a checkpoint may be replaced by the next one at any moment.
    """
    contents = {file: read_bytes(file) for file in files}
    found = {file: content for file, content in contents.items() if content is not None}
    *described, last = files
    if len(found) < len(files):
        return {}
    with contextlib.suppress(DamageError):
        sums = parse(last, found[last])["files"] if described else {}
        if sums == {file.name: checksum(found[file]) for file in described}:
            return found
    return {}


# -- on the other side -------------------------------------------------------------------------------------------------


def accept(results: Path, parcel: Parcel) -> None:
    """Write the files of a parcel into the results folder.

    Raises:
        StorageError: one could not be written, or leads elsewhere.
    """
    store = Store(results)
    trials: dict[str, dict[str, bytes]] = {}
    for name, content in parcel.items():
        path = inside(name)
        if path.parts[0] == "trials":
            trials.setdefault(path.parts[1], {})[path.name] = content
            continue
        store.make((results / path).parent)
        store.write_bytes(results / path, content)
        if path.name == CHECKPOINT:
            _clear_checkpoint(store, results / path, content)
    for trial, contents in trials.items():
        _accept_trial(store, results / "trials" / trial, contents)


def inside(name: str) -> PurePosixPath:
    """A path that stays inside a results folder. Raises StorageError where it does not."""
    path = PurePosixPath(name)
    if path.is_absolute() or len(path.parts) < 2 or ".." in path.parts or path.parts[0] not in KINDS:
        raise StorageError(f"{name!r} is no file of a results folder")
    return path


def _clear_checkpoint(store: Store, record: Path, content: bytes) -> None:
    for file in record.parent.glob("*.safetensors"):
        if file.name not in parse(record, content)["files"]:
            store.remove(file)


def _accept_trial(store: Store, folder: Path, contents: dict[str, bytes]) -> None:
    """A trial that has ended, or one that is known and has been given more tables."""
    store.make(folder)
    record = parse(folder / "run.json", contents.pop("run.json"))
    try:
        known = read_run(folder)
    except DamageError:
        known = None
    if known is None or known["finished"] != record.get(
        "finished"
    ):  # trained anew: nothing of an earlier attempt stays
        for name in OWN:
            store.remove(folder / name)
    replace_files(folder / "run.json", record, contents, store.path)
