"""Real clusters on the loopback address, and runs on them; whatever is started here is ended here, by its id."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from places import ROOTS

import ganbench

SMALL = ["--datasets", "ring", "--batch-size", "8", "--n-samples", "60", "--seeds", "2", "--device", "cpu"]


def environment(site="", **more):
    """What processes of a test inherit: this tree, a folder of plugins, one thread, none of the user's settings."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("TORCHINDUCTOR_CACHE_DIR", "CUDA_VISIBLE_DEVICES")}
    inherited = {k: v for k, v in inherited.items() if not k.startswith("RAY_")}
    path = os.pathsep.join(filter(None, [str(site), *ROOTS, os.environ.get("PYTHONPATH")]))
    return {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GANBENCH_CHECKPOINT_SECONDS": "0.2", **more}


class Processes:
    """Started processes, each in a group of its own; ended with all their descendants."""

    def __init__(self):
        self.all = []

    def start(self, command, **options):
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.all.append(process)
        return process

    def end(self):
        for process in self.all:
            kill_tree(process)


def descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def ancestors(process):
    """The ids of all processes above one; none where it has just ended."""
    try:
        return [parent.pid for parent in process.parents()]
    except psutil.NoSuchProcess:
        return []


class Conversations(threading.Thread):
    """Looks, while it is entered, whom some processes and their descendants are connected with over the network.

    ``addresses`` are those of the other ends, ``listening`` those at which servers take connections.
    """

    def __init__(self, processes):
        super().__init__(daemon=True)
        self.addresses, self.listening, self._processes, self._over = set(), set(), processes, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()

    def run(self):
        while not self._over.wait(0.05):
            for process in self._processes:
                for member in [process, *descendants(process.pid)]:
                    with contextlib.suppress(psutil.Error):
                        found = psutil.Process(member.pid).net_connections(kind="inet")
                        self.addresses |= {connection.raddr.ip for connection in found if connection.raddr}
                        self.listening |= {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN}


def kill_tree(process):
    """As when a machine is switched off: everything at once."""
    family = descendants(process.pid)
    for member in [process, *family]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family, timeout=20)


class RayNodes:
    """A head and further nodes, as ``ray start`` makes them on machines."""

    def __init__(self):
        self.processes, self.temporary = Processes(), tempfile.mkdtemp(prefix="gb", dir="/tmp")
        with socket.socket() as probe:
            probe.bind(("127.0.0.2", 0))
            self.address = f"127.0.0.2:{probe.getsockname()[1]}"
        self.settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}

    def start(self, *options, head=False, cwd=None, **variables):
        port = self.address.rpartition(":")[2]
        place = ["--head", f"--port={port}", "--include-dashboard=false"] if head else [f"--address={self.address}"]
        command = [
            str(Path(sys.executable).with_name("ray")), "start", "--block", *place, "--node-ip-address=127.0.0.2",
            "--disable-usage-stats", "--object-store-memory=80000000", "--num-gpus=0", f"--temp-dir={self.temporary}",
        ]  # fmt: skip
        if not head:
            command.pop()  # the head's own
        names = [option.partition("=")[0] for option in options]
        command = [part for part in command if part.partition("=")[0] not in names] + list(options)
        log = Path(self.temporary) / f"start-{len(self.processes.all)}.txt"
        env = environment(**{**self.settings, **variables})
        with log.open("w") as output:
            process = self.processes.start(command, env=env, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        return process

    def end(self):
        self.processes.end()
        shutil.rmtree(self.temporary, ignore_errors=True)


def begin(processes, folder, *args, out="a", **variables):
    """Starts ``ganbench run`` with small settings."""
    command = [sys.executable, "-m", "ganbench", "run", *SMALL, "--out", out, *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return processes.start(command, cwd=folder, env=environment(**variables), **pipes)


def done(process, seconds=550):
    """Exit code and all that was printed."""
    out, _ = process.communicate(timeout=seconds)
    return process.returncode, out


def until(condition, seconds=240):
    """Wait for something to become true; gives it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return found


def at_work(out, objective):
    """The process that trains an objective and has left a checkpoint; None while there is none."""
    if not list(Path(out).glob(f"checkpoints/{objective}-*/checkpoint.json")):
        return None
    for file in Path(out).glob(f".locks/{objective}-s0-*.begun"):
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            if pids := re.findall(r"^\d+$", file.read_text(), re.MULTILINE):
                return psutil.Process(int(pids[-1]))
    return None


def attempts(out):
    """By objective, one number where all its trials agree."""
    found = ganbench.load(out).trials.groupby("objective")["attempts"].agg(lambda n: sorted(set(n)))
    return {name: n[0] if len(n) == 1 else n for name, n in found.items()}


PLUGIN = """
import os
from dataclasses import dataclass
from ganbench import Objective, hookimpl, softplus

@dataclass(frozen=True)
class Odd(Objective):
    "Misbehaves."
    name = "{name}"
    def critic_loss(self, critic, real, fake, draw):
        {critic}
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()
    def generator_loss(self, critic, real, fake, draw):
        return -softplus(critic(fake)).mean()

@hookimpl
def ganbench_objectives():
    return [Odd]
"""


def plugin(folder, name, critic):
    """A third party's distribution in a folder that is to be on the path."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[ganbench]\n{name} = odd_{name}\n")
    (folder / f"odd_{name}.py").write_text(PLUGIN.format(name=name, critic=critic))
