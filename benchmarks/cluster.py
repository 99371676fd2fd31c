"""What a Ray cluster costs: the same cohort by this machine's own processes and by a cluster of this machine.

``start``: what a command takes besides its training, in alternating rounds; ``--own`` also measures a cluster that the
command starts for itself and ends. The target is 3 s.

``training``: two runs are at work at once and take turns of two seconds, one of them stopped while the other trains, so
that the machine's moods, which are larger than what is looked for, hit both alike. Local training has every other turn
to itself, with all of Ray stopped, and the others beside a node that is there and has nothing to do: what Ray costs
anybody on the machine, and what our own part of it adds. The target is 2 %.
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
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import numpy as np
import psutil
from safetensors.numpy import load_file

import ganbench
from ganbench.store.results import read_run

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
ROOT = Path(ganbench.__file__).parents[1]
ENVIRONMENT = {**os.environ, **TOKEN, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
ADDRESS = "127.0.0.2:6391"
START = 300  # steps of a run of which the start is measured
TURN = 2.0  # seconds
ENDLESS = 10**6  # steps
BLOCK = 64  # steps between two looks at the clock
SETTLED = 8.0  # seconds of a cohort's life after which it surely trains
FORKED = "multiprocessing.forkserver"  # in the command line of cohorts, and of the server that they come from


def sides_with(threads: int) -> dict[str, list[str]]:
    """Options of a run that uses all cores, by processes of so many threads."""
    cores = os.cpu_count() or 1
    own = ["--executor", "ray", "--cpus-per-cohort", str(threads)]
    return {"local": ["--jobs", str(cores // threads)], "ray": [*own, "--address", ADDRESS], "own": own}


def command(executor: list[str], steps: int, folder: Path) -> list[str]:
    """Train five seeds on all cores."""
    size = ["--steps", str(steps), "--evaluate-every", str(steps), "--n-samples", "100", "--seeds", "5", "--no-probe"]
    study = ["--datasets", "ring", "--objectives", "gan", "--device", "cpu", "--compile", "off", *size]
    return [sys.executable, "-m", "ganbench", "run", *study, "--out", str(folder), *executor]


def start_node(scratch: Path) -> psutil.Popen:
    """A cluster of one machine, as ``ray start`` makes it."""
    port, ray = ADDRESS.rpartition(":")[2], str(Path(sys.executable).with_name("ray"))
    place = [f"--port={port}", "--node-ip-address=127.0.0.2", f"--temp-dir={scratch}", f"--num-cpus={os.cpu_count()}"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=80000000"]
    node = psutil.Popen([ray, "start", "--block", "--head", *place, *quiet], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    time.sleep(20)
    return node


# -- start -------------------------------------------------------------------------------------------------------------


def start_of(executor: list[str], folder: Path) -> float:
    """Seconds of a command besides its training."""
    began = time.perf_counter()
    subprocess.run(command(executor, START, folder), env=ENVIRONMENT, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    return float(seconds - max((read_run(trial) or {})["wall_seconds"] for trial in folder.glob("trials/*")))


def measure_starts(sides: dict[str, list[str]], rounds: int, scratch: Path) -> None:
    """Alternate, and print a line a round and what is more in the middle of all."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, options in sides.items():
            found[name].append(start_of(options, scratch / f"{name}-{number}"))
        print("start", *(f"{name} {seconds[-1]:5.1f} s" for name, seconds in found.items()), flush=True)
    for name in list(sides)[1:]:
        more = [theirs - ours for ours, theirs in zip(found["local"], found[name], strict=True)]
        print(f"start: {name} {statistics.median(more):+.1f} s ({min(more):+.1f} to {max(more):+.1f})", flush=True)


# -- training ----------------------------------------------------------------------------------------------------------


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started."""
    return [process, *process.children(recursive=True)]


def said(process: psutil.Process) -> str:
    """Its command line; empty where it is gone."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def cohorts(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that train: forked from a server that was forked for that."""
    servers = {process.pid: process for process in processes if FORKED in said(process)}
    return [process for process in servers.values() if process.ppid() in servers]


def send(processes: Iterable[psutil.Process], number: int) -> None:
    """A signal to all of them that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def wait_until_it_trains(root: psutil.Process) -> None:
    """Until a cohort below a process has lived for long enough."""
    while not any(time.time() - cohort.create_time() > SETTLED for cohort in cohorts(family(root))):
        time.sleep(0.5)


def measure_training(sides: Mapping[str, list[str]], turns: int, node: psutil.Process, scratch: Path) -> None:
    """Let both take turns, and print how much slower steps are, with a standard error."""
    runs = {"local": begin(sides["local"], scratch / "turns-local")}
    wait_until_it_trains(runs["local"])
    send(family(runs["local"]), SIGSTOP)
    runs["ray"] = begin(sides["ray"], scratch / "turns-ray")
    wait_until_it_trains(node)
    local, below = family(runs["local"]), family(node)
    ours = [p for p in below if FORKED in said(p) or said(p).startswith(("ray::run_task", "ray::Board"))]
    engine = [p for p in below if p not in ours]
    at_work = {"alone": local, "beside": [*local, *engine], "ray": [*family(runs["ray"]), *ours, *engine]}
    take_turns(at_work, turns)
    for name in ("ray", "local"):  # each leaves a checkpoint, with the seconds of every step
        send(at_work["beside" if name == "local" else name], SIGCONT)
        runs[name].terminate()
        runs[name].wait()
    theirs, own = (per_turn(scratch / f"turns-{name}")[: 2 * turns - 1] for name in ("ray", "local"))
    print(f"training: {1000 * statistics.mean(own[::2]):.2f} ms a step locally, with all of Ray stopped")
    for what, first in {"all of Ray stopped": 0, "a node that is there": 1}.items():
        more = [100 * (b / a - 1) for a, b in list(zip(own, theirs, strict=True))[first::2]]
        error = statistics.stdev(more) / len(more) ** 0.5
        print(f"training: ray {statistics.mean(more):+.1f} % (standard error {error:.1f}) of local beside {what}")


def begin(executor: list[str], folder: Path) -> psutil.Popen:
    """Start a run that does not end by itself."""
    return psutil.Popen(
        command(executor, ENDLESS, folder), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def take_turns(sides: Mapping[str, Sequence[psutil.Process]], turns: int) -> None:
    """Let one side at a time run: local alone, ray, local beside a node, ray; at the end all are stopped."""
    everything = {process for processes in sides.values() for process in processes}
    for number in range(2 * turns):
        for name in (("alone", "beside")[number % 2], "ray"):
            send(everything - set(sides[name]), SIGSTOP)
            send(sides[name], SIGCONT)
            time.sleep(TURN)
    send(everything, SIGSTOP)


def per_turn(folder: Path) -> list[float]:
    """Seconds a step in every turn of a run, in the mean of its processes."""
    parts = map(_per_turn, folder.glob("checkpoints/*/*.safetensors"))
    return [statistics.mean(turn) for turn in zip(*parts, strict=False)]


def _per_turn(checkpoint: Path) -> list[float]:
    """Of one process, without the blocks in which it was stopped."""
    blocks = np.diff(load_file(checkpoint)["record.seconds"][BLOCK - 1 :: BLOCK])
    turns = np.split(blocks, np.flatnonzero(blocks > TURN))[1:-1]  # before the first a run begins, in the last it ends
    return [float(turn[1:].mean()) / BLOCK for turn in turns]


def main() -> None:
    """Measure one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="of starts")
    parser.add_argument("--turns", type=int, default=60, help="of each kind")
    parser.add_argument("--own", action="store_true", help="measure a cluster of the command's own, too")
    parser.add_argument("--threads", type=int, default=1, help="of a process; by default there is one for every core")
    asked = parser.parse_args()
    sides = {name: options for name, options in sides_with(asked.threads).items() if name != "own" or asked.own}
    scratch = Path(tempfile.mkdtemp(prefix="gb", dir="/tmp"))
    node = start_node(scratch)
    try:
        if asked.rounds:
            measure_starts(sides, asked.rounds, scratch)
        if asked.turns:
            measure_training(sides, asked.turns, node, scratch)
    finally:
        everything = [p for root in (node, *psutil.Process().children()) for p in family(root)]
        send(everything, SIGCONT)
        send(everything, SIGKILL)
        node.wait()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
