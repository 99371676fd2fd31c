"""What a Ray cluster costs: the same cohort by this machine's own processes and by a cluster of this machine, in turns.

``start`` is the time of the command less the time that its training took; ``training`` is the latter. The targets are
3 s more start and 2 % more training for a cohort of two minutes. Give ``--steps`` so that training takes that long.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

import ganbench
from ganbench.results import read_run

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
ROOT = Path(ganbench.__file__).parents[1]
ENVIRONMENT = {**os.environ, **TOKEN, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
ADDRESS = "127.0.0.2:6391"
CORES = f"--num-cpus={os.cpu_count()}"
RAY = ["--executor", "ray", "--address", ADDRESS]


def measure(executor: list[str], steps: int, folder: Path) -> tuple[float, float]:
    """Seconds of start and of training."""
    size = ["--steps", str(steps), "--evaluate-every", str(steps), "--n-samples", "100", "--seeds", "5", "--no-probe"]
    study = ["--datasets", "ring", "--objectives", "gan", "--device", "cpu", "--jobs", "1", *size]
    began = time.perf_counter()
    command = [sys.executable, "-m", "ganbench", "run", *study, "--out", str(folder), *executor]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    (training,) = {(read_run(trial) or {})["wall_seconds"] for trial in folder.glob("trials/*")}
    return seconds - training, training


def start_node(scratch: str) -> subprocess.Popen[bytes]:
    """A cluster of one machine, as ``ray start`` makes it."""
    port, ray = ADDRESS.rpartition(":")[2], str(Path(sys.executable).with_name("ray"))
    place = [
        "--head",
        f"--port={port}",
        "--node-ip-address=127.0.0.2",
        f"--temp-dir={scratch}",
        f"--num-cpus={os.cpu_count()}",
    ]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=80000000"]
    node = subprocess.Popen([ray, "start", "--block", *place, *quiet], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    time.sleep(20)
    return node


def main() -> None:
    """Alternate, and print a line a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    scratch = tempfile.mkdtemp(prefix="gb", dir="/tmp")
    node = start_node(scratch)
    found: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    try:
        for number in range(asked.rounds):
            for name, options in {"local": [], "ray": [*RAY, "--cpus-per-cohort", str(os.cpu_count())]}.items():
                found[name].append(measure(options, asked.steps, Path(scratch) / f"{name}-{number}"))
                start, training = found[name][-1]
                print(
                    f"{name:6} start {start:6.1f} s  training {training:6.1f} s  load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
    finally:
        for process in [*psutil.Process(node.pid).children(recursive=True), node]:
            process.kill()
        node.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    (start, training), (base, alone) = (
        [statistics.median(column) for column in zip(*found[name], strict=True)] for name in ("ray", "local")
    )
    print(f"start: {start - base:+.1f} s ({start / base:.2f}x), training: {100 * (training / alone - 1):+.1f} %")


if __name__ == "__main__":
    main()
