"""Kills runs, damages files and fills disks, and counts how often the tables come out right all the same.

    python benchmarks/torture.py [--kills 50] [--kinds kills,files,disk] [--seed 0] [--keep FOLDER]

Every run is ``ganbench run`` on a small study, in a process that is forked from this one, so that a hundred of them
take minutes; its cohort processes are forked from it. A killing takes either the whole process group at a random
moment, the main process alone, or the group at a random write or rename inside ganbench's folders (an audit hook does
it). Then the same command is run again, and all tables are compared with those of an undisturbed run, to the bit;
``seconds``, ``wall_seconds``, ``attempts`` and what says when and how a result was made are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing as mp

import torch

import ganbench
from ganbench import cli
from ganbench.commands import run as command  # everything that a run needs is imported before the first fork
from ganbench.executors import server, warm, worker
from ganbench.integrity import inspect

STUDY = (
    "run --objectives gan,wgan --seeds 2 --datasets ring --steps 130 --evaluate-every 65 --n-samples 60 "
    "--batch-size 8 --jobs 2 --device cpu"
)
LEFT_OUT = ["seconds", "wall_seconds", "attempts", "versions", "device"]


@dataclass(frozen=True)
class Blow:
    """One killing.

    Attributes:
        kind: ``group``, ``main`` (which leaves its processes orphaned) or ``write``.
        moment: seconds after the start; for ``write`` the number of the write or rename in one process.
    """

    kind: str
    moment: float


def study(folder: Path) -> list[str]:
    """The command line of the study."""
    return [*STUDY.split(), "--out", str(folder)]


def start(arguments: list[str], log: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Fork a process, the head of a new group, that runs a command; gives its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        prepare()
        sys.argv = ["ganbench", *arguments]
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(pid: int) -> int:
    """Wait for a process; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(folder: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """The study, to its end."""
    return finish(start(study(folder), folder.with_suffix(".log"), prepare))


def digest(folder: Path) -> str:
    """A checksum of all tables of a study, taken in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, _digest(folder).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    finish(pid)
    return text or "nothing could be read"


def _digest(folder: Path) -> str:
    try:
        results, text = ganbench.load(folder), ""
    except ganbench.errors.GanbenchError as error:
        return str(error)
    for name in ("trials", "steps", "evaluations", "probes", "floors"):
        table = getattr(results, name).drop(columns=LEFT_OUT, errors="ignore")
        text += table.sort_values(list(table)).to_csv(index=False, float_format="%.17g")
    return hashlib.sha256(text.encode()).hexdigest()


def strike(folder: Path, blow: Blow) -> bool:
    """Start the study and kill it; whether it was still running then."""
    log = folder.with_suffix(".log")
    at_write = blow.kind == "write"
    pid = start(study(folder), log, (lambda: _kill_at_write(int(blow.moment))) if at_write else lambda: None)
    if at_write:
        return finish(pid) == -signal.SIGKILL
    time.sleep(blow.moment)
    alive = os.waitpid(pid, os.WNOHANG)[0] == 0
    if alive:
        (os.killpg if blow.kind == "group" else os.kill)(pid, signal.SIGKILL)
        finish(pid)
    return alive


def _kill_at_write(count: int) -> None:
    """Kill the process group before one of the writes or renames that one of its processes makes."""
    left = [count]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" or (event == "open" and str(arguments[0]).endswith(".part")):
            left[0] -= 1
            if left[0] == 0:
                os.killpg(0, signal.SIGKILL)

    sys.addaudithook(watch)


def blows(n: int, duration: float, rng: random.Random) -> Iterator[Blow]:
    """Killings of all kinds, at moments spread over a run."""
    for k in range(n):
        kind = ("group", "write", "main")[k % 3]
        yield Blow(kind, rng.uniform(0, duration) if kind != "write" else rng.randint(1, 40))


def kills(root: Path, n: int, rng: random.Random, expected: str, duration: float) -> bool:
    """Kill, run again, compare; whether all came out right."""
    right = landed = 0
    for k, blow in enumerate(blows(n, duration, rng)):
        folder = root / f"kill-{k}"
        hit = strike(folder, blow)
        code, found = run(folder), digest(folder)
        good = code == 0 and found == expected
        right, landed = right + good, landed + hit
        print(
            f"kill {k + 1:3} {blow.kind:5} at {blow.moment:6.2f}: {_word(good)}{'' if hit else ' (had ended)'}",
            flush=True,
        )
        if not good:
            say(f"    exit code {code}; {found}; log: {folder.with_suffix('.log')}")
        else:
            shutil.rmtree(folder)
    print(
        f"kills: {right} of {n} ended with the undisturbed run's tables; {landed} struck a running process", flush=True
    )
    return right == n


DAMAGE: dict[str, Callable[[Path, Path, random.Random], None]] = {
    "truncated": lambda path, other, rng: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path, other, rng: path.write_bytes(b""),
    "bit-flipped": lambda path, other, rng: _flip(path, rng),
    "replaced": lambda path, other, rng: path.write_bytes(other.read_bytes()),
}


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))


def stored_files(folder: Path) -> list[Path]:
    """Every file of a study that holds something."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)


def _twin(path: Path, folder: Path) -> Path:
    """Another file of the same kind, with other content."""
    same = [p for p in stored_files(folder) if p.suffix == path.suffix and p.read_bytes() != path.read_bytes()]
    named = [p for p in same if p.name == path.name]
    return (named or same)[0]


def files(root: Path, calm: Path, rng: random.Random, expected: str) -> bool:
    """Damage every stored file in every way, one at a time; whether each was noticed and mended."""
    noticed = mended = total = 0
    for path in stored_files(calm):
        for name, damage in DAMAGE.items():
            folder = root / "damaged"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(calm, folder)
            damage(folder / path.relative_to(calm), _twin(path, calm), rng)
            total += 1
            saw = any(f.kind != "foreign" for f in inspect(folder))
            code = run(folder)
            good = code == 0 and digest(folder) == expected and not inspect(folder)
            noticed, mended = noticed + saw, mended + good
            if not (saw and good):
                print(
                    f"{path.relative_to(calm)} {name}: {'noticed' if saw else 'NOT NOTICED'}, {_word(good)}", flush=True
                )
    say(f"files: {noticed} of {total} noticed, {mended} of {total} right after a rerun")
    return noticed == mended == total


def disk(root: Path, expected: str) -> bool:
    """Give out of room at several sizes; whether each ended with code 1, readable, and completed with room."""
    right, sizes = 0, (1, 2_000, 5_000, 10_000, 30_000, 60_000, 100_000)
    for size in sizes:
        folder = root / f"disk-{size}"
        code = run(folder, lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)))
        text = folder.with_suffix(".log").read_text()
        clear = code in (0, 1) and "Traceback" not in text
        again = run(folder)
        good = clear and again == 0 and digest(folder) == expected
        right += good
        say(f"disk: files of at most {size} bytes: exit code {code}, then {again}: {_word(good)}")
    say(f"disk: {right} of {len(sizes)}")
    return right == len(sizes)


def say(text: str) -> None:
    """At once, also into a file."""
    print(text, flush=True)


def _word(good: bool) -> str:
    return "right" if good else "WRONG"


def main() -> None:
    """Print what was done and how it came out; exit code 1 where something came out wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kinds", default="kills,files,disk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder to work in; what came out wrong stays there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    assert warm
    assert command
    root, rng = options.keep or Path(tempfile.mkdtemp(prefix="ganbench-torture-")), random.Random(options.seed)
    root.mkdir(parents=True, exist_ok=True)
    os.environ |= {"XDG_CACHE_HOME": str(root / "cache"), "GANBENCH_CHECKPOINT_SECONDS": "0.2"}
    worker.context_for = lambda device: mp.get_context("fork")
    server.start_early = lambda device: None
    calm = root / "calm"
    run(root / "first")  # fills the caches
    began = time.monotonic()
    assert run(calm) == 0, calm.with_suffix(".log").read_text()
    duration, expected, kinds = time.monotonic() - began, digest(calm), options.kinds.split(",")
    say(f"the undisturbed run took {duration:.1f} s; its tables: {expected[:16]}")
    good = digest(root / "first") == expected
    good &= "kills" not in kinds or kills(root, options.kills, rng, expected, duration)
    good &= "files" not in kinds or files(root, calm, rng, expected)
    good &= "disk" not in kinds or disk(root, expected)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
