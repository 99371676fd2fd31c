"""What checkpoints cost: the share of a run's time that goes into writing them.

    python benchmarks/checkpoints.py [ARGUMENTS OF ganbench run]     # --objectives gan,wgan --seeds 5 unless given

The time inside ``Trainer._write`` (snapshot, writing, flushing to the disk) over the time inside ``Trainer.run``, in
every cohort process; these are forked from this one, so that both can be wrapped here.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torture import finish, start

from ganbench.runner.executors import forkserver, worker
from ganbench.runner.trainer import Trainer

DEFAULT = ["--objectives", "gan,wgan", "--seeds", "5"]


def clocked(name: str, notes: Path) -> Callable[..., Any]:
    """The method of this name, which then leaves a line with how long each call took."""
    method = getattr(Trainer, name)

    def call(self: Trainer, *arguments: object) -> object:
        began = time.perf_counter()
        try:
            return method(self, *arguments)
        finally:
            with notes.open("a") as file:
                file.write(f"{name} {time.perf_counter() - began}\n")

    return call


def main() -> None:
    """Print the share; exit code 1 where it is 3 % or more."""
    torch.set_num_threads(1)
    worker.context_for = lambda device: mp.get_context("fork")
    forkserver.start_early = lambda device: None
    root = Path(tempfile.mkdtemp(prefix="ganbench-checkpoints-"))
    notes = root / "notes.txt"
    Trainer._write, Trainer.run = clocked("_write", notes), clocked("run", notes)
    arguments = ["run", *(sys.argv[1:] or DEFAULT), "--device", "cpu", "--out", str(root / "study")]
    began = time.perf_counter()
    code = finish(start(arguments, root / "log.txt"))
    wall = time.perf_counter() - began
    assert code == 0, (root / "log.txt").read_text()
    lines = [line.split() for line in notes.read_text().splitlines()]
    written, trained = ([float(s) for kind, s in lines if kind == name] for name in ("_write", "run"))
    share = sum(written) / sum(trained)
    print(f"ganbench {' '.join(arguments)}: {wall:.0f} s, {len(trained)} cohort processes")
    print(f"{len(written)} checkpoints took {sum(written):.2f} s of {sum(trained):.1f} s in training: {share:.2%}")
    shutil.rmtree(root)
    sys.exit(0 if share < 0.03 else 1)


if __name__ == "__main__":
    main()
