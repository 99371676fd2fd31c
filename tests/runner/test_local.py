"""Processes of a run: they import what their parent does, say what went wrong, and their end is always noticed."""

import itertools
import json
import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import pytest
from places import ROOTS

import ganbench
from ganbench.errors import UsageError
from ganbench.interfaces.executor import Event, Failure, RunContext
from ganbench.plugins.loading import Plugin
from ganbench.runner.executors import forkserver, worker
from ganbench.runner.executors.worker import Worker
from ganbench.study import provenance

SHARD = SimpleNamespace(work=lambda: 7, name="a shard")


# -- what they import --------------------------------------------------------------------------------------------------

SHADOWED = ("random", "copy", "types", "signal", "tempfile", "struct", "selectors")
# Starts a process and prints what it has in front of Python's own folders, and which ganbench it finds.
START = """
import sys
from importlib.util import find_spec
from ganbench.runner.executors import forkserver as server

def report():
    print(find_spec("ganbench").origin, [f for f in server.search_path()], flush=True)

if __name__ == "__main__":
    server.LONGEST_SOCKET = {longest}
    context = server.context_for("cpu", preload=("folder_of_the_study",))
    print(context.get_start_method(), flush=True)
    process = context.Process(target=report)
    process.start()
    process.join(100)
    sys.exit(process.exitcode)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "longest"), [("forkserver", 108), ("spawn", 1)])
def test_processes_import_nothing_from_the_current_folder(tmp_path, method, longest):
    """Neither modules of ganbench nor of Python, which multiprocessing's own helpers import when they start."""
    folder, script = tmp_path / "folder", tmp_path / "bin" / "script.py"
    (folder / "ganbench").mkdir(parents=True)
    script.parent.mkdir()
    script.write_text(START.format(longest=longest))
    (folder / "ganbench" / "__init__.py").write_text("raise SystemExit('another ganbench')")
    for name in (*SHADOWED, "folder_of_the_study"):
        (folder / f"{name}.py").write_text(f"import os\nos.write(1, b'{name} was imported')\nos._exit(9)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    words = [sys.executable, str(script)]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    # None of the two where it is installed: what comes before Python's own folders ends at the first of these.
    front = [str(script.parent), *itertools.takewhile(forkserver._is_no_part_of_python, ROOTS)]
    assert done.stdout.splitlines() == [method, f"{ganbench.__file__} {front}"]


ARGS = [
    "--objectives", "gan", "--datasets", "ring", "--steps", "10", "--seeds", "2", "--no-probe", "--n-samples", "20",
    "--device", "cpu", "--out", "a",
]  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "where"),
    [
        pytest.param("ganbench", ["--jobs", "1"], marks=pytest.mark.slow),
        pytest.param("submitit", ["--executor", "slurm", "--set", "slurm.cluster=local"], marks=pytest.mark.slow),
        pytest.param("ray", ["--executor", "ray", "--cpus-per-cohort", "1"], marks=pytest.mark.soak),
    ],
    ids=["local", "slurm", "ray"],
)
def test_a_run_in_a_folder_with_modules_of_all_names_is_a_run_like_any_other(tmp_path, needs, where):
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    folder, script = tmp_path / "folder", tmp_path / "bin" / "ganbench-like"
    (folder / "ganbench").mkdir(parents=True)
    script.parent.mkdir()
    script.write_text("from ganbench.cli.app import main\nmain()\n")
    (folder / "ganbench" / "__init__.py").write_text("raise SystemExit('another ganbench')")
    for name in SHADOWED:
        (folder / f"{name}.py").write_text("raise SystemExit('SHADOW')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), "run", *ARGS, *where]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SHADOW" not in done.stderr
    assert ganbench.load(folder / "a").trials["status"].tolist() == ["completed"] * 2


def test_interpreters_that_are_started_look_where_this_one_does(monkeypatch, tmp_path):
    """A folder that this process was started in counts as well, where it imports from there."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path[-3:]])
    monkeypatch.setattr(forkserver, "ORIGINAL_DIR", "/where/it/began")
    monkeypatch.setattr(forkserver, "_is_no_part_of_python", lambda folder: folder in ("", str(tmp_path)))
    with forkserver.same_imports():
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ["PYTHONPATH"].split(os.pathsep) == ["/where/it/began", str(tmp_path)]
    assert "PYTHONSAFEPATH" not in os.environ
    assert os.environ["PYTHONPATH"] == "before"


def test_pythons_own_folders_are_told_from_others(tmp_path):
    own = [folder for folder in sys.path if folder.endswith((".zip", f"python3.{sys.version_info.minor}"))]
    assert own
    assert not [folder for folder in own if forkserver._is_no_part_of_python(folder)]
    assert forkserver._is_no_part_of_python(str(tmp_path))


def test_workers_of_ray_look_where_this_process_does():
    pytest.importorskip("ray", reason="Ray is not installed")
    from ganbench.runner.executors.ray_cluster import _Job

    job = _Job.here()
    assert job._runtime_env_has_working_dir()  # else Ray adds the current folder
    assert job._py_driver_sys_path == forkserver.search_path()[::-1]
    assert os.getcwd() not in job._py_driver_sys_path


# -- a mismatch is refused ---------------------------------------------------------------------------------------------


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs a distribution with a plugin, and gives the folder that it is in."""

    def install(folder, source="x = 1\n", extra=True):
        site = tmp_path / folder
        information = site / "mine-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[ganbench]\nmine = mine_plugin.objectives\n")
        (site / "mine_plugin").mkdir()
        (site / "mine_plugin" / "__init__.py").write_text("")
        (site / "mine_plugin" / "objectives.py").write_text(source)
        files = ["mine_plugin/__init__.py", "mine_plugin/objectives.py"]
        if extra:
            (site / "mine_helpers.py").write_text("y = 1\n")
            files.append("mine_helpers.py")
        (information / "RECORD").write_text("".join(f"{name},,\n" for name in files))
        monkeypatch.syspath_prepend(str(site))
        provenance.source_hash.cache_clear()
        return site

    yield install
    provenance.source_hash.cache_clear()


def test_a_distributions_hash_is_of_its_files_wherever_they_lie(distribution):
    distribution("here")
    first = provenance.source_hash("mine")
    there = distribution("there")
    assert provenance.source_hash("mine") == first
    for file in ("mine_plugin/objectives.py", "mine_helpers.py"):
        (there / file).write_text(f"z = 2  # {file}\n")
        provenance.source_hash.cache_clear()
        assert provenance.source_hash("mine") != first
        first = provenance.source_hash("mine")
    assert provenance.source_hash("nothing-of-this-name") != first


def test_ganbenchs_hash_is_of_the_files_that_are_imported(distribution):
    files = dict(provenance._source_files("ganbench"))
    assert {Path(ganbench.__file__).parent / "spec.py", Path(ganbench.__file__)} <= set(files.values())
    assert {"ganbench", "ganbench_objectives"} == {name.partition("/")[0] for name in files}


def test_workers_are_compared_in_what_they_load():
    plugins = [
        Plugin("a", "loaded-one", "1", hooks=("ganbench_objectives",)),
        Plugin("b", "tracker", "1", hooks=("ganbench_trial_finished",)),  # is called where the run began
        Plugin("c", "broken-one", "1", state="broken"),
        Plugin("d", "file.py", "1", hooks=("ganbench_objectives",), file="/a/file.py"),  # its text is sent along
    ]
    assert set(provenance.source_hashes(plugins)) == {"ganbench", "loaded-one"}


def test_other_code_is_refused_by_name(distribution):
    expected = {"ganbench": provenance.source_hash("ganbench"), "mine": provenance.source_hash("mine")}
    provenance.check_source_hashes(expected)
    distribution("later")
    with pytest.raises(UsageError) as caught:
        provenance.check_source_hashes(expected)
    assert str(caught.value).split()[0] == "mine"


# -- what they say of their end ----------------------------------------------------------------------------------------


@pytest.fixture
def at_work(monkeypatch, tmp_path):
    """Does a worker's work in this process; gives all that it sends."""

    def work(execute, **where):
        monkeypatch.setattr("ganbench.runner.cohort_run.run_cohort", execute)
        monkeypatch.setattr(worker, "_listen", lambda notes: (threading.Event(), threading.Event()))
        ours, theirs = Pipe(duplex=False)
        place = RunContext(str(tmp_path), str(tmp_path), "elsewhere", threads=1, **where)
        worker._work(SHARD, place, theirs, str(tmp_path / "notes"))
        sent = []
        while ours.poll():
            try:
                sent.append(ours.recv())
            except EOFError:
                break
        return sent

    return work


def test_an_error_outside_of_training_reaches_the_log(at_work, monkeypatch):
    def execute(*_):
        raise RuntimeError("precisions")

    monkeypatch.setattr(worker, "Event", lambda *args: args)
    (failure,) = at_work(execute)
    assert (failure.kind, failure.message) == ("RuntimeError", "precisions")
    assert "in execute" in failure.log


def test_a_worker_with_other_code_does_nothing(at_work):
    (failure,) = at_work(lambda *_: pytest.fail("it has worked"), source_hashes={"ganbench": "another"})
    assert failure.kind == "UsageError"
    assert failure.message.split()[0] == "ganbench"


def process(alive=True, code=None):
    ends = {"is_alive": lambda: alive, "join": lambda: None, "exitcode": code, "sentinel": 0, "pid": None}
    return SimpleNamespace(**ends, kill=lambda: None)


@pytest.fixture
def pair():
    ours, theirs = Pipe(duplex=False)
    yield ours, theirs  # theirs stays open: a process that the worker forked may live on
    ours.close()
    theirs.close()


def test_a_death_is_noticed_though_a_child_of_the_worker_holds_the_connection(pair, tmp_path):
    ours, theirs = pair
    dead = Worker(process(alive=False, code=1), SHARD, ours, tmp_path / "notes")
    theirs.send(Event(SHARD_SENT, 3))
    assert dead.look(0.0).step == 3  # what it had sent comes first
    failure = dead.look(0.0)
    assert isinstance(failure, Failure)
    assert (failure.kind, "code 1" in failure.message, "step 3" in failure.message) == ("WorkerDied", True, True)


SHARD_SENT = "a shard"


def test_one_that_is_at_work_and_silent_is_left_alone(pair, tmp_path):
    assert Worker(process(), SHARD, pair[0], tmp_path / "notes").look(0.0) is None


def test_what_a_worker_fails_with_is_passed_on(pair, tmp_path):
    failure = Failure("RuntimeError", "no", "the whole of it")
    pair[1].send(failure)
    assert Worker(process(), SHARD, pair[0], tmp_path / "notes").look(0.0) == failure


def test_hashes_are_plain_data():
    assert json.loads(json.dumps(provenance.source_hashes([])))["ganbench"]
