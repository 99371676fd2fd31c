"""Runs as processes: signals, two at once, misbehaving plugins, full disks, no network, nothing written elsewhere."""

import errno
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import forked
import pytest
from agreement import same, tables
from once import once
from places import ROOTS
from wording import INTERRUPTED, RESUMED

import ganbench
from ganbench.cli import app
from ganbench.store.verify import inspect

SMALL = ["--datasets", "ring", "--steps", "150", "--evaluate-every", "75", "--n-samples", "60", "--batch-size", "8"]


@pytest.fixture
def cached(tmp_path_factory, monkeypatch):
    """One cache for all of these runs: what a perfect sampler scores is measured by the first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(once(tmp_path_factory, "cache", lambda folder: None)))


@pytest.fixture
def begin(tmp_path, cached):
    """Starts ``ganbench run`` in a group of its own, as a shell does."""
    running = []

    def start(*args, command=("run", *SMALL, "--device", "cpu"), out="a", site=(), **environment):
        path = os.pathsep.join([str(tmp_path / s) for s in site] + ROOTS + [os.environ.get("PYTHONPATH", "")])
        inherited = {k: v for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"}  # another test's, in /tmp
        environment = {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
        where = ("--out", out) if command[0] == "run" else ()
        words = [sys.executable, "-m", "ganbench", *command, *where, *args]
        files = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, start_new_session=True, **files)
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def done(process):
    """Exit code and all that was printed."""
    out, _ = process.communicate(timeout=500)
    return process.returncode, out


def until(process, pattern):
    """Read what a process prints until a line matches; gives all of it."""
    seen = ""
    for line in process.stdout:
        seen += line
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"{pattern} never came: {seen}")


CALM = ("--objectives", "gan", "--seeds", "2", "--no-probe")


@pytest.fixture
def undisturbed(tmp_path, cached):
    """Runs to compare with: nothing happens to them, so they need no interpreter of their own."""

    def run(*args, out="b"):
        done = forked.ganbench("run", *SMALL, "--device", "cpu", "--out", out, *args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return Path(tmp_path / out)

    return run


@pytest.fixture
def calm(undisturbed, tmp_path_factory):
    """A study of gan, two seeds, that nothing disturbs."""
    return once(tmp_path_factory, "calm", lambda at: undisturbed(*CALM, out=at / "study")) / "study"


# -- signals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow(seconds=60)),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.soak),
    ],
)
def test_a_signal_leaves_a_checkpoint_and_the_same_command_ends_with_the_same_tables(
    begin, undisturbed, tmp_path, number, whole_group
):
    """An interrupt from a terminal goes to the whole group; ``kill`` and schedulers tell the main process alone."""
    long = ["--objectives", "gan,wgan", "--seeds", "2", "--steps", "400", "--no-probe", "--evaluate-every", "200"]
    process = begin(*long)
    until(process, "10 %")
    began = time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, number)
    code, out = done(process)
    assert code == 130, out
    assert time.monotonic() - began < 10
    assert "Traceback" not in out
    assert INTERRUPTED in out
    assert list(tmp_path.glob("a/checkpoints/*/checkpoint.json"))
    assert not list(tmp_path.rglob("*.part"))
    code, out = done(begin(*long))
    assert code == 0, out
    assert RESUMED in out
    assert not (tmp_path / "a" / "checkpoints").exists()
    same(tables(tmp_path / "a"), tables(undisturbed(*long)))


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.05, 0.3, 1.0, 2.5])
def test_an_interrupt_while_everything_is_imported_is_one_sentence(begin, tmp_path, delay):
    process = begin("--objectives", "gan", "--seeds", "2")
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    code, out = done(process)
    unborn = "Failed to import the site module" in out  # then Python itself says so, before a line of ganbench has run
    assert code in (130, -signal.SIGINT) or unborn, out  # and earlier still the system ends it
    assert "forkserver" not in out
    assert "Traceback" not in out or delay < 0.3


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_and_without_damage(begin, tmp_path):
    process = begin("--objectives", "sleeper", "--seeds", "2", "--no-probe", site=[plugin(tmp_path, SLEEPER)])
    until(process, "10 %|20 %|30 %|40 %")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None  # a loss that sleeps is given some seconds
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    code, out = done(process)
    assert (code, "Traceback" in out) == (130, False), out
    assert time.monotonic() - began < 3
    assert [f.kind for f in inspect(tmp_path / "a") if f.kind not in ("unfinished", "foreign")] == []


# -- plugins that misbehave --------------------------------------------------------------------------------------------

PLUGIN = """
import time
from dataclasses import dataclass
import torch
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
    {more}

@hookimpl
def ganbench_objectives():
    return [Odd]
"""
SLEEPER = ("sleeper", "if int(draw.step) == 100: time.sleep(10000)", "")
GREEDY = ("greedy", "if int(draw.step) == 100: x = [bytearray(10**8) for _ in iter(int, 1)]", "")
CRASHES = ("crashes", "if int(draw.step) == 100: __import__('ctypes').string_at(0)", "")
LEAVES = ("leaves", "if int(draw.step) == 100: raise SystemExit(3)", "")
REFUSES = ("refuses", "pass", "def __post_init__(self): raise RuntimeError('NOT_TODAY')")


def plugin(root, parts):
    """A third party's distribution in a folder on the path, as an installed one is found."""
    name, critic, more = parts
    folder = root / f"site-{name}" / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[ganbench]\n{name} = odd_{name}\n")
    text = PLUGIN.format(name=name, critic=critic, more=more) if critic else more
    (root / f"site-{name}" / f"odd_{name}.py").write_text(text)
    return f"site-{name}"


@pytest.mark.slow(seconds=80)
def test_a_plugin_that_kills_its_process_or_never_ends_is_a_row_and_the_others_numbers_are_the_same(
    begin, tmp_path, calm
):
    sites = [plugin(tmp_path, parts) for parts in (SLEEPER, GREEDY, CRASHES, LEAVES)]
    names = "sleeper,greedy,crashes,leaves,gan"
    gigabyte = 2**30
    limit = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (4 * gigabyte, limit[1]))  # inherited: what is there to be taken
    try:
        process = begin("--objectives", names, "--seeds", "2", "--no-probe", "--trial-timeout", "30", site=sites)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limit)
    code, out = done(process)
    assert code == 1, out
    assert "Traceback" not in out.replace("Traceback (most recent call first)", "")
    rows = ganbench.load(tmp_path / "a").trials.set_index("objective")
    assert rows.loc["gan", "status"].tolist() == ["completed"] * 2
    expected = {
        "sleeper": ("TimeLimit", "30"),
        "greedy": ("OutOfMemory", ""),
        "crashes": ("WorkerDied", "SIGSEGV"),
        "leaves": ("WorkerDied", "3"),
    }
    for name, (kind, part) in expected.items():
        assert rows.loc[name, "status"].tolist() == ["failed"] * 2, name
        for error in rows.loc[name, "error"]:
            assert error.startswith(f"{kind}: "), error
            assert part in error.partition("(log")[0], error
        assert out.count(f": {name} seed") == 2
    for name, words in {"sleeper": "odd_sleeper.py", "crashes": "odd_crashes.py"}.items():
        log = re.search(r"log: (.*)\)", rows.loc[name, "error"].iloc[0])[1]
        assert words in (tmp_path / "a" / log).read_text()
    same(tables(tmp_path / "a", ["gan"]), tables(calm))


@pytest.mark.slow(seconds=50)
def test_a_plugin_that_raises_at_import_or_construction_blocks_nothing_but_itself(begin, tmp_path, calm):
    """All that a result was made with stands in its record besides, plugins that took no part included."""
    broken = plugin(tmp_path, ("broken", "", "raise RuntimeError('BY_DESIGN')"))
    refuses, bystander = plugin(tmp_path, REFUSES), plugin(tmp_path, ("bystander", "pass", ""))
    code, out = done(begin("--objectives", "gan", "--seeds", "2", "--no-probe", site=[broken, refuses, bystander]))
    assert code == 0, out
    same(tables(tmp_path / "a"), tables(calm))
    check_records(tmp_path / "a")
    assert "RuntimeError: BY_DESIGN" in out
    code, out = done(begin("--objectives", "refuses", "--seeds", "1", out="b", site=[refuses]))
    assert (code, "Traceback" in out) == (2, False), out
    assert "NOT_TODAY" in out
    assert not (tmp_path / "b").exists()


def check_records(study):
    """What the records of two trials say about how they were made."""
    runs = [json.loads(path.read_text()) for path in study.glob("trials/*/run.json")]
    assert len(runs) == 2
    for run in runs:
        assert set(run["git"]) == {"ganbench", "directory"}
        assert run["git"]["ganbench"] is None or set(run["git"]["ganbench"]) == {"commit", "dirty"}
        assert {"ganbench", "torch", "bystander"} <= set(run["versions"])
        assert {"name": "bystander", "distribution": "bystander", "version": "1.0", "state": "loaded"} in run["plugins"]
        assert run["command"].startswith("ganbench run --datasets ring")
        assert {"cuda", "deterministic_algorithms", "cudnn_deterministic", "cudnn_benchmark"} <= set(run["machine"])
        assert run["device"] == "cpu"
        assert run["threads"] >= 1


STATE = """
import os, signal, warnings
from dataclasses import dataclass
import numpy as np
import torch
from ganbench import Objective, hookimpl, softplus

def change():
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("high")
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "2"
    os.chdir("/")
    print("noise")

change()

@dataclass(frozen=True)
class Odd(Objective):
    "Changes what it can."
    name = "hostile"
    def __post_init__(self):
        change()
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()
    def generator_loss(self, critic, real, fake, draw):
        return -softplus(critic(fake)).mean()

@hookimpl
def ganbench_objectives():
    change()
    return [Odd]
"""


@pytest.mark.slow(seconds=50)
def test_a_plugin_that_changes_global_state_is_named_and_changes_no_number(begin, undisturbed, tmp_path):
    """Whether it is only installed, or trained beside an objective."""
    site = plugin(tmp_path, ("hostile", "", STATE))
    args = ("--seeds", "2", "--no-probe", "--steps", "20")
    code, out = done(begin("--objectives", "gan,hostile", *args, site=[site]))
    assert code == 0, out
    assert any("hostile" in line and "dtype" in line for line in out.splitlines())
    assert done(begin("--objectives", "gan", *args, site=[site], out="installed"))[0] == 0
    without = tables(undisturbed("--objectives", "gan", *args))
    same(tables(tmp_path / "a", ["gan"]), without)
    same(tables(tmp_path / "installed"), without)


@pytest.mark.slow
def test_a_death_is_noticed_while_a_child_of_the_worker_lives(begin, tmp_path):
    """The child holds the connection to the run, and both standard streams, open."""
    leaves = "if int(draw.step) == 20: __import__('os').fork() and __import__('os')._exit(1); time.sleep(60)"
    process = begin(
        "--objectives", "orphans", "--seeds", "2", "--no-probe", site=[plugin(tmp_path, ("orphans", leaves, ""))]
    )
    assert process.wait(timeout=500) == 1
    rows = ganbench.load(tmp_path / "a").trials
    assert rows["status"].tolist() == ["failed"] * 2
    assert all(re.match(r"WorkerDied: .* 1\b", error) for error in rows["error"])


# -- two at once, full disks, closed sockets ---------------------------------------------------------------------------


PROBED = [
    pytest.param(["--no-probe"], id="trained", marks=pytest.mark.slow(seconds=60)),
    pytest.param([], id="probed", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("more", PROBED)
def test_two_runs_on_one_folder_both_finish_and_train_every_trial_once(begin, undisturbed, tmp_path, more):
    args = ["--objectives", "gan,wgan,nsgan", "--seeds", "2", *more]
    both = [begin(*args), begin(*args)]
    for code, out in map(done, both):
        assert code == 0, out
    assert ganbench.load(tmp_path / "a").trials["attempts"].tolist() == [1] * 6
    assert inspect(tmp_path / "a") == []
    same(tables(tmp_path / "a"), tables(undisturbed(*args)))


FULL = [
    pytest.param(3_000, ["--no-probe"], id="3000-trained", marks=pytest.mark.slow),
    *(pytest.param(size, [], id=f"{size}-probed", marks=pytest.mark.soak) for size in (1, 3_000, 20_000)),
]


@pytest.mark.parametrize(("size", "more"), FULL)
def test_a_full_disk_is_a_sentence_with_exit_code_1_and_a_rerun_with_room_completes(
    begin, undisturbed, tmp_path, size, more
):
    args = ["--objectives", "gan", "--seeds", "2", *more]
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        process = begin(*args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    code, out = done(process)
    assert code == 1, out
    assert os.strerror(errno.EFBIG) in out
    assert "Traceback" not in out
    assert not [f for f in (inspect(tmp_path / "a") if (tmp_path / "a").exists() else []) if f.kind == "damaged"]
    undisturbed(*args, out="a")
    assert ganbench.load(tmp_path / "a").trials["status"].tolist() == ["completed"] * 2
    assert inspect(tmp_path / "a") == []


@pytest.mark.slow
def test_what_was_finished_before_the_disk_was_full_stays_readable(begin, calm, tmp_path):
    args, before = ["--seeds", "2", "--no-probe"], tables(shutil.copytree(calm, tmp_path / "a"))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        process = begin("--objectives", "gan,wgan", *args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    code, out = done(process)
    assert (code, os.strerror(errno.EFBIG) in out, "Traceback" in out) == (1, True, False), out
    same(before, tables(tmp_path / "a", ["gan"]))
    assert {f.kind for f in inspect(tmp_path / "a")} <= {"unfinished"}


WATCH = """
import os, sys
ALLOWED = tuple(os.environ["WATCH_ALLOWED"].split(os.pathsep))
def watch(event, args):
    place = None
    if event == "socket.connect" and not isinstance(args[1], (str, bytes)):
        place = f"network {args[1]}"
    elif event == "open" and isinstance(args[0], (str, bytes)) and isinstance(args[2], int):
        name = os.fsdecode(args[0])  # without the folder where it is opened through a descriptor; its rename has both
        through_descriptor = "/" not in name and name.startswith(".") and name.endswith(".part")
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not through_descriptor:
            place = os.path.abspath(name)
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink"):
        place = os.fsdecode(args[1 if event in ("os.rename", "os.symlink") else 0])
        folder = args[-1] if isinstance(args[-1], int) and args[-1] >= 0 else None  # of a relative path: dir_fd
        beside = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.getcwd()
        place = os.path.normpath(os.path.join(beside, place))
    if place and not place.startswith(ALLOWED):
        descriptor = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{event} {place}\\n".encode())
        os.close(descriptor)
sys.addaudithook(watch)
"""


def watched_main(command):
    """A command with the watch on what it does itself."""
    exec(compile(WATCH, "watch", "exec"), {})
    sys.dont_write_bytecode = True
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # another test's
    tempfile.tempdir = None  # it is looked up again
    sys.argv = ["ganbench", *command]
    app.main()


@pytest.mark.parametrize("more", PROBED)
def test_nothing_is_written_outside_the_results_the_cache_and_the_temporary_folder_and_no_network_is_used(
    begin, tmp_path, more
):
    site, temporary = tmp_path / "site-watch", tmp_path / "temporary"
    site.mkdir()
    temporary.mkdir()
    (site / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "watched.txt"
    allowed = [str(tmp_path / name) for name in ("a", "cache", "temporary", "watched.txt")] + ["/dev/", "/proc/self/"]
    variables = {
        "WATCH_ALLOWED": os.pathsep.join(allowed), "WATCH_LOG": str(log), "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    watched = {**variables, "site": ["site-watch"]}
    code, out = done(begin("--objectives", "gan", "--seeds", "2", *more, **watched))
    assert code == 0, out
    assert not log.exists(), log.read_text()
    trial = str(next((tmp_path / "a" / "trials").iterdir()))
    for command in (
        ("evaluate", "a", "--metrics", "w1"), ("verify", "a"), ("rerun", trial, "--no-probe"), ("report", "a"),
        ("compare", "a", "a"), ("export", "a", "--format", "csv"), ("plugins",), ("list", "objectives"),
    ):  # fmt: skip
        if more:  # a fork that is watched; soak has interpreters that are, with all that they start
            found = forked.call(watched_main, command, cwd=tmp_path, **variables)
            code, out = found.returncode, found.stderr
        else:
            code, out = done(begin(command=command, **watched))
        assert code == 0, out
        assert not log.exists(), (command, log.read_text())
    left = [path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor_")]
    assert left == []  # but for the folder that PyTorch's compiler makes when torchvision is imported


@pytest.mark.slow
def test_a_script_without_a_guard_is_run_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("open('runs', 'a').write('x')\nfrom ganbench.cli.app import main\nmain()\n")
    words = [sys.executable, str(script), "run", *SMALL, "--objectives", "gan", "--seeds", "1", "--no-probe"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    subprocess.run([*words, "--device", "cpu"], cwd=tmp_path, env=environment, check=True, timeout=500)
    assert (tmp_path / "runs").read_text() == "x"
