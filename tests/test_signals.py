"""Every long command ends soon after a signal, wherever it was started, and leaves no process and no corrupt file."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid

import forked
import psutil
import pytest
from once import once
from places import ROOTS
from reported import write_study

from ganbench.store.verify import inspect

RUN = (
    "run", "--objectives", "gan,wgan", "--datasets", "ring", "--steps", "100000", "--seeds", "2", "--no-probe",
    "--n-samples", "100", "--device", "cpu", "--out", "a",
)  # fmt: skip
COMMANDS = {
    "run": RUN,
    "reproduce": ("reproduce", "--claims", "clip-constant-trade-off", "--jobs", "2", "--out", "a"),
    "report": ("report", "a"),
}


@pytest.fixture
def study(tmp_path, tmp_path_factory):
    """A results folder that takes long to report and to evaluate."""

    def make(folder):
        write_study(folder / "a", {f"objective-{k:02}": 30.0 + k for k in range(12)}, seeds=3)

    shutil.copytree(once(tmp_path_factory, "signals", make) / "a", tmp_path / "a")


class Started:
    """A command and all processes that descend from it, which carry a mark of its own in their environment."""

    def __init__(self, words, folder, background):
        self.mark = uuid.uuid4().hex
        path = os.pathsep.join([*ROOTS, os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "MARK_OF_A_TEST": self.mark, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "ganbench", *words]
        if background:  # a script's shell ignores SIGINT for what it starts so
            command = ["sh", "-c", f"{shlex.join(command)} & echo $! > pid; wait $!; echo $? > code"]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=(folder / "messages").open("w"),
        )  # fmt: skip
        self.folder, self.background = folder, background

    def active_seeds(self):
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MARK_OF_A_TEST") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def until_at_work(self):
        """Wait until processes that do the work have been at it for a while. Gives the command's own process."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = self.active_seeds()
            busy = [p for p in found if p.parent() and "forkserver" in " ".join(p.parent().cmdline()) and at_work(p)]
            if busy or self.process.poll() is not None:
                time.sleep(1)
                pid = int((self.folder / "pid").read_text()) if self.background else self.process.pid
                return psutil.Process(pid)
            time.sleep(0.2)
        raise AssertionError((self.folder / "messages").read_text())

    def gone(self, seconds):
        deadline = time.monotonic() + seconds
        while self.active_seeds() and time.monotonic() < deadline:
            time.sleep(0.1)
        return not self.active_seeds()

    def code(self):
        self.process.wait(30)
        return int((self.folder / "code").read_text()) if self.background else self.process.returncode


def at_work(process):
    times = process.cpu_times()
    return times.user + times.system > 0.5


@pytest.fixture
def begin(tmp_path):
    running = []

    def start(words, background=False):
        running.append(Started(words, tmp_path, background))
        return running[-1]

    yield start
    for started in running:
        for process in started.active_seeds():
            process.kill()
        started.process.wait()


SLOW = [("reproduce", signal.SIGTERM, False), ("reproduce", signal.SIGINT, True), ("report", signal.SIGTERM, False)]
CASES = [
    pytest.param(*case, marks=pytest.mark.slow if case in SLOW else pytest.mark.soak)
    for name in ("run", "reproduce", "report")
    for number in (signal.SIGINT, signal.SIGTERM)
    for background in (False, True)
    for case in [(name, number, background)]
]


@pytest.mark.parametrize(("name", "number", "background"), CASES)
def test_a_signal_ends_it_within_ten_seconds(begin, study, tmp_path, name, number, background):
    started = begin(COMMANDS[name], background)
    process = started.until_at_work()
    os.kill(process.pid, number)
    assert started.gone(10), [p.cmdline() for p in started.active_seeds()]
    assert started.code() in (130, 143)
    assert "Traceback" not in (tmp_path / "messages").read_text()
    assert "damaged" not in {finding.kind for finding in inspect(tmp_path / "a")}


@pytest.mark.soak
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_evaluation(begin, tmp_path, number, background):
    """It has no processes of its own."""
    small = [word.replace("100000", "20") for word in RUN]
    assert forked.ganbench(*small, cwd=tmp_path).returncode == 0
    started = begin(("evaluate", "a", "--metrics", "kid,coverage,w1", "--n-samples", "40000"), background)
    time.sleep(8)
    pid = int((tmp_path / "pid").read_text()) if background else started.process.pid
    os.kill(pid, number)
    assert started.gone(10)
    assert "Traceback" not in (tmp_path / "messages").read_text()
    assert "damaged" not in {finding.kind for finding in inspect(tmp_path / "a")}


@pytest.mark.parametrize(
    ("name", "victim"),
    [
        pytest.param("reproduce", "command", marks=pytest.mark.slow),
        pytest.param("report", "command", marks=pytest.mark.slow),
        *(pytest.param(name, victim, marks=pytest.mark.soak) for name in ("run", "reproduce", "report")
          for victim in ("worker", "server", "tracker")),
        pytest.param("run", "command", marks=pytest.mark.soak),
    ],
)  # fmt: skip
def test_no_process_is_left_where_one_is_killed(begin, study, tmp_path, name, victim):
    """Whichever: then the rest goes on to its end, or ends too."""
    started = begin(COMMANDS[name])
    command = started.until_at_work()
    chosen = {"command": command, **victims(started.active_seeds())}[victim]
    chosen.kill()
    if victim != "command":  # it may go on without
        time.sleep(3)
        if command.is_running() and started.process.poll() is None:
            os.kill(command.pid, signal.SIGTERM)
    assert started.gone(15), [p.cmdline() for p in started.active_seeds()]
    assert "Traceback" not in (tmp_path / "messages").read_text()


def victims(processes):
    """One process of each kind."""
    found = {}
    for process in processes:
        words, parent = " ".join(process.cmdline()), process.parent()
        kind = "tracker" if "resource_tracker" in words else "server" if "forkserver" in words else ""
        if kind == "server" and parent is not None and "forkserver" in " ".join(parent.cmdline()):
            kind = "worker"
        found.setdefault(kind, process)
    return found
