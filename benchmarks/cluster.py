"""What a Ray cluster costs: the same cohort by this machine's own processes and by a cluster of this machine, in turns.

``start`` is the time of the command less the time that its training took; ``training`` is the latter. The targets are
3 s more start and 2 % more training for a cohort of two minutes. Give ``--steps`` so that training takes that long.
``--own`` also measures a cluster that the command starts for itself and ends.
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
OWN = ["--executor", "ray", "--cpus-per-cohort", str(os.cpu_count())]
SIDES = {"local": [], "ray": [*OWN, "--address", ADDRESS], "own": OWN}


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
    parser.add_argument("--own", action="store_true")
    asked = parser.parse_args()
    sides = {name: options for name, options in SIDES.items() if name != "own" or asked.own}
    scratch = tempfile.mkdtemp(prefix="gb", dir="/tmp")
    node = start_node(scratch)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    try:
        for number in range(asked.rounds):
            for name, options in sides.items():
                start, training = measure(options, asked.steps, Path(scratch) / f"{name}-{number}")
                found[name].append((start, training))
                load = os.getloadavg()[0]
                print(f"{name:6} start {start:6.1f} s  training {training:6.1f} s  load {load:.1f}", flush=True)
    finally:
        for process in [*psutil.Process(node.pid).children(recursive=True), node]:
            process.kill()
        node.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    for name in list(sides)[1:]:
        print(f"{name}: {compared(found['local'], found[name])}")


def compared(local: list[tuple[float, float]], other: list[tuple[float, float]]) -> str:
    """Medians over rounds of what is more."""
    starts = [theirs[0] - ours[0] for ours, theirs in zip(local, other, strict=True)]
    trainings = [100 * (theirs[1] / ours[1] - 1) for ours, theirs in zip(local, other, strict=True)]
    spread = f"({min(starts):+.1f} to {max(starts):+.1f})"
    return f"start {statistics.median(starts):+.1f} s {spread}, training {statistics.median(trainings):+.1f} %"


if __name__ == "__main__":
    main()
