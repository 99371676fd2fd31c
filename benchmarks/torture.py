"""Kills runs, damages files and fills disks, and counts how often the tables come out right all the same.

    python benchmarks/torture.py [--kills 50] [--kinds kills,files,checkpoints,disk] [--seed 0] [--keep FOLDER]
    unshare -rm python benchmarks/torture.py --kinds tmpfs      # a disk that is really full; needs Linux

Every run is ``ganbench run`` on a small study, in a process that is forked from this one, so that a hundred of them
take minutes; its cohort processes are forked from it. A killing (SIGKILL) takes the whole process group or the main
process alone at a random moment, or the group in the middle of a random evaluation, with a random file half written,
or before a random rename. One that comes too late is made again, at another moment. Then the same command is run
again, and all tables and generators are compared with those of an undisturbed run, to the bit; ``seconds``,
``wall_seconds`` and ``attempts`` are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing as mp

import torch

import ganbench
from ganbench.cli import app
from ganbench.cli import run as command  # everything that a run needs is imported before the first fork
from ganbench.runner import trainer
from ganbench.runner.executors import forkserver, preload, worker
from ganbench.store import files as stored
from ganbench.store.verify import inspect

STUDY = "run --objectives gan,wgan --seeds 2 --datasets ring --n-samples 60 --batch-size 8 --jobs 2 --device cpu"
BUDGET = ["--steps", "130", "--evaluate-every", "65"]
LEFT_OUT = ["seconds", "wall_seconds", "attempts"]
KINDS = ("group", "main", "evaluation", "half-written", "rename")


@dataclass(frozen=True)
class Blow:
    """One killing.

    Attributes:
        kind: ``group``, ``main`` (which leaves its processes orphaned), ``evaluation``, ``half-written`` or ``rename``.
        moment: seconds after the start, or after the evaluation began.
        count: which evaluation, write or rename of one process; 0 where the moment alone decides.
    """

    kind: str
    moment: float
    count: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.count}" if self.count else f"{self.kind} at {self.moment:.2f} s"


def study(folder: Path) -> list[str]:
    """The command line of the study."""
    return [*STUDY.split(), *BUDGET, "--out", str(folder)]


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
        app.main()
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
    for name in ("trials", "steps", "evaluations", "modes", "probes", "floors"):
        table = getattr(results, name).drop(columns=LEFT_OUT, errors="ignore")
        text += table.sort_values(list(table)).to_csv(index=False, float_format="%.17g")
    for path in sorted(folder.glob("trials/*/generator.safetensors")):
        text += f"{path.parent.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def strike(folder: Path, blow: Blow) -> bool:
    """Start the study and kill it; whether it was still running then."""
    pid = start(study(folder), folder.with_suffix(".log"), lambda: _lie_in_wait(blow))
    if blow.count:
        return finish(pid) == -signal.SIGKILL
    time.sleep(blow.moment)
    alive = os.waitpid(pid, os.WNOHANG)[0] == 0
    if alive:
        (os.kill if blow.kind == "main" else os.killpg)(pid, signal.SIGKILL)
        finish(pid)
    return alive


def _lie_in_wait(blow: Blow) -> None:
    """Let a process, and those that are forked from it, kill their group when each has come so far."""
    left = [blow.count]

    def due() -> bool:
        left[0] -= 1
        return left[0] == 0

    def die() -> None:
        os.killpg(0, signal.SIGKILL)

    if blow.kind == "rename":
        sys.addaudithook(lambda event, arguments: die() if event == "os.rename" and due() else None)
    elif blow.kind == "half-written":
        write = stored._Folder.write
        stored._Folder.write = lambda folder, name, content, durable: (
            (write(folder, name, content[: len(content) // 2], durable), die())
            if due()
            else write(folder, name, content, durable)
        )
    elif blow.kind == "evaluation":
        evaluate = trainer.evaluate
        trainer.evaluate = lambda *arguments: (
            due() and threading.Timer(blow.moment, die).start(),
            evaluate(*arguments),
        )[1]


def aim(kind: str, duration: float, rng: random.Random) -> Blow:
    """A killing of a kind, at a random moment."""
    if kind == "evaluation":
        return Blow(kind, rng.uniform(0, 0.02), rng.randint(1, 3))
    return Blow(kind, rng.uniform(0, duration)) if kind in ("group", "main") else Blow(kind, 0, rng.randint(1, 25))


def kills(root: Path, n: int, rng: random.Random, expected: str, duration: float) -> bool:
    """Kill, run again, compare; whether all came out right."""
    right, late = 0, 0
    for k in range(n):
        folder = root / f"kill-{k}"
        while not strike(folder, blow := aim(KINDS[k % len(KINDS)], duration, rng)):
            late += 1
            shutil.rmtree(folder)
        code, found, findings = run(folder), digest(folder), inspect(folder)
        good = code == 0 and found == expected and not findings
        right += good
        say(f"kill {k + 1:3} {blow}: {_word(good)}")
        if good:
            shutil.rmtree(folder)
        else:
            say(f"    exit code {code}; {found}; {findings}; log: {folder.with_suffix('.log')}")
    say(f"kills: {right} of {n} ended with the undisturbed run's tables; {late} more came too late and were made again")
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


def files(root: Path, whole: Path, victims: list[Path], rng: random.Random, expected: str) -> bool:
    """Damage every one of some files in every way, one at a time; whether each was noticed and mended."""
    noticed = mended = total = 0
    for path in victims:
        for name, damage in DAMAGE.items():
            folder = root / "damaged"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(whole, folder)
            damaged = folder / path.relative_to(whole)
            damage(damaged, _twin(path, whole), rng)
            total += 1
            saw = any(f.kind == "damaged" and damaged.is_relative_to(f.path.parent) for f in inspect(folder))
            code = run(folder)
            good = code == 0 and digest(folder) == expected and not inspect(folder)
            noticed, mended = noticed + saw, mended + good
            if not (saw and good):
                say(f"{path.relative_to(whole)} {name}: {'noticed' if saw else 'NOT NOTICED'}, {_word(good)}")
    kinds = sorted({path.suffix for path in victims})
    say(f"{len(victims)} files ({' '.join(kinds)}), each damaged in {len(DAMAGE)} ways: {noticed} of {total} noticed, ")
    say(f"    {mended} of {total} right after a rerun")
    return noticed == mended == total


def halfway(root: Path) -> Path:
    """The study, killed when all of its cohorts have a checkpoint."""
    for attempt in range(20):
        folder = root / f"halfway-{attempt}"
        pid = start(study(folder), folder.with_suffix(".log"))
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if len(list(folder.glob("checkpoints/*/checkpoint.json"))) == 2:
                os.killpg(pid, signal.SIGKILL)
                finish(pid)
                break
            time.sleep(0.02)
        time.sleep(1)
        if len(list(folder.glob("checkpoints/*/checkpoint.json"))) == 2:
            return folder
    raise RuntimeError("no two checkpoints at the same time in 20 runs")


def disk(root: Path, expected: str) -> bool:
    """Run out of room at several sizes of a file; whether each ended with code 1, readable, and then completed."""
    right, sizes = 0, (500, 2_000, 5_000, 10_000, 30_000, 60_000, 100_000)
    for size in sizes:
        folder = root / f"disk-{size}"
        code = run(folder, lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)))
        right += _completes(f"files of at most {size} bytes", folder, code, "File too large", expected)
    say(f"disk: {right} of {len(sizes)}")
    return right == len(sizes)


def tmpfs(root: Path, expected: str) -> bool:
    """The same on a small disk of its own."""
    right, sizes = 0, (4, 200, 400, 600, 800)
    for size in sizes:
        folder = root / f"tmpfs-{size}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "ganbench", str(folder)], check=True)
        code = run(folder)
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        right += _completes(f"a disk of {size} KiB", folder, code, "No space left on device", expected)
        subprocess.run(["umount", str(folder)], check=True)
    say(f"tmpfs: {right} of {len(sizes)}")
    return right == len(sizes)


def _completes(what: str, folder: Path, code: int, sentence: str, expected: str) -> bool:
    text = folder.with_suffix(".log").read_text()
    clear = code == 1 and sentence in text and "Traceback" not in text
    finished = len(list(folder.glob("trials/*/run.json")))
    readable = not folder.exists() or not [f for f in inspect(folder) if f.kind in ("damaged", "missing") and finished]
    again = run(folder)
    good = clear and readable and again == 0 and digest(folder) == expected
    say(f"disk: {what}: exit code {code}, {finished} trials finished and readable, then {again}: {_word(good)}")
    return good


def say(text: str) -> None:
    """At once, also into a file."""
    print(text, flush=True)


def _word(good: bool) -> str:
    return "right" if good else "WRONG"


def main() -> None:
    """Print what was done and how it came out; exit code 1 where something came out wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kinds", default="kills,files,checkpoints,disk")
    parser.add_argument("--steps", type=int, default=130, help="fewer than 64 leave no checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder to work in; what came out wrong stays there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    BUDGET[:] = ["--steps", str(options.steps), "--evaluate-every", str(options.steps // 2)]
    assert preload
    assert command
    root, rng = options.keep or Path(tempfile.mkdtemp(prefix="ganbench-torture-")), random.Random(options.seed)
    root.mkdir(parents=True, exist_ok=True)
    os.environ |= {"XDG_CACHE_HOME": str(root / "cache"), "GANBENCH_CHECKPOINT_SECONDS": "0.2"}
    worker.context_for = lambda device: mp.get_context("fork")
    forkserver.start_early = lambda device: None
    calm = root / "calm"
    run(root / "first")  # fills the caches
    began = time.monotonic()
    assert run(calm) == 0, calm.with_suffix(".log").read_text()
    duration, expected, kinds = time.monotonic() - began, digest(calm), options.kinds.split(",")
    say(f"the undisturbed run took {duration:.1f} s; its tables: {expected[:16]}")
    good = digest(root / "first") == expected
    if "kills" in kinds:
        good &= kills(root, options.kills, rng, expected, duration)
    if "files" in kinds:
        good &= files(root, calm, stored_files(calm), rng, expected)
    if "checkpoints" in kinds:
        stopped = halfway(root)
        good &= files(root, stopped, stored_files(stopped / "checkpoints"), rng, expected)
    if "disk" in kinds:
        good &= disk(root, expected)
    if "tmpfs" in kinds:
        good &= tmpfs(root, expected)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
