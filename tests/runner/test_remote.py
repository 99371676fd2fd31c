"""Clusters without one: options, the hook, the loop on an engine that crashes on command, files sent and leased."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from agreement import same, tables
from places import ROOT
from refusals import refused
from small_studies import REGISTRY, study_of
from wording import ELSEWHERE, PLANNED

import ganbench
from ganbench.errors import DataError, StorageError, UnknownNameError, UsageError
from ganbench.interfaces import executor
from ganbench.interfaces.executor import Callbacks, Cancelled, Failure
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import prepare, run_cohort
from ganbench.runner.executors import remote
from ganbench.runner.executors import task as task_module
from ganbench.runner.executors.local import Local
from ganbench.runner.executors.ray import Ray
from ganbench.runner.executors.remote import divide, run_on
from ganbench.runner.executors.slurm import Slurm
from ganbench.runner.executors.task import Channel, ClusterBackend, Heartbeat, Sender, Task, accept, inside, work
from ganbench.spec import CohortSpec, Component, Protocol
from ganbench.store import locks
from ganbench.store.files import read_bytes
from ganbench.store.folder import StudyFolder
from ganbench.store.locks import acquire_trials
from ganbench.store.verify import inspect
from ganbench.study.config import StudyConfig, make_config
from ganbench.study.study import choose_executor


@pytest.fixture(autouse=True)
def _no_ray_yet(monkeypatch):
    """Commands that end in a sentence would begin to start Ray in this process, where it is installed."""
    monkeypatch.setattr("ganbench.runner.executors.early.find_spec", lambda wanted: None)


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_the_extra_one_sentence_says_what_to_install(call, monkeypatch, tmp_path, name, module):
    monkeypatch.setattr(executor, "find_spec", lambda wanted: None)
    code, out, err = call("run", "--executor", name, "--datasets", "ring", "--seeds", "1")
    assert (code, out) == (2, "")
    expected = f'--executor {name} needs {module}, which is not installed here: pip install "ganbench[cluster]"'
    assert err == f"ganbench: {expected}\n"
    assert not list(tmp_path.iterdir())


def test_a_study_for_a_cluster_can_be_planned_where_there_is_none(call, monkeypatch):
    monkeypatch.setattr(executor, "find_spec", lambda wanted: None)
    code, out, _ = call("run", "--executor", "ray", "--datasets", "ring", "--gpus-per-cohort", "0.5", "--plan")
    assert code == 0
    assert {"20", "cuda,"} <= set(out.splitlines()[-1].split())


WRONG = {
    "--executor rai": "unknown executor 'rai'; did you mean 'ray'?",
    "--address auto": "--address means nothing to the executor 'local'; leave it out, or choose --executor ray",
    "--gpus-per-cohort 0.5": "the executor 'local'; leave it out, or choose --executor ray or slurm",
    "--executor ray --gpus-per-cohort 0": "--gpus-per-cohort is 0.0; wanted a part of a GPU, such as 0.5",
    "--executor ray --gpus-per-cohort 1.5": "--gpus-per-cohort is 1.5; wanted a part of a GPU",
    "--executor ray --cpus-per-cohort 0": "--cpus-per-cohort is 0; wanted a whole number of at least 1",
    "--executor ray --device cuda:1": "--device cuda:1 is of one machine; on a cluster say cpu, cuda or auto",
    "--executor ray --device cuda": "--device cuda needs GPUs: say --gpus-per-cohort 1",
    "--executor slurm --gpus-per-cohort 0.5": "Slurm gives whole GPUs only",
    "--executor slurm --set slurm.partitio=x": "unknown setting of slurm 'partitio'; did you mean 'partition'?",
    "--executor slurm --set slurm.minutes=1,2": "--set slurm.minutes gives 2 values; an executor takes one",
    "--executor slurm --set slurm.minutes=soon": "slurm.minutes='soon'",
    "--executor slurm --set slurm.jobs=3": "--set slurm.jobs: say --jobs instead",
    "--set slurm.partition=x": "unknown objective, dataset or architecture of this run 'slurm'",
}


@pytest.mark.parametrize("options", WRONG)
def test_a_wrong_option_is_one_sentence(call, tmp_path, options):
    code, _, err = call("run", "--datasets", "ring", *options.split())
    assert (code, err.count("\n")) == (2, 1), err
    assert WRONG[options] in err
    assert not list(tmp_path.iterdir())


def test_the_same_words_are_keys_of_a_study_file(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(
        'executor = "slurm"\ngpus-per-cohort = 1\ncpus-per-cohort = 2\n[set.slurm]\npartition = "gpu"\nminutes = 90\n'
    )
    request = make_config(file, {"cpus_per_cohort": 4}, quick=False)
    found = choose_executor(request, REGISTRY)
    assert found == Slurm(gpus_per_cohort=1.0, cpus_per_cohort=4, partition="gpu", minutes=90)
    assert found.device("auto") == "cuda"
    assert Ray().device("auto") == "cpu"
    assert choose_executor(StudyConfig(), REGISTRY).device("auto") is None


def test_settings_of_the_executor_change_no_trial(tmp_path):
    plain, _ = study_of(tmp_path / "a")
    other, _ = study_of(tmp_path / "b", executor="slurm", settings={"slurm.partition": ("gpu",)})
    assert plain.trials() == other.trials()


# -- the hook ----------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
(INLINE,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r'ganbench run[^"#\n]*', "".join(BLOCKS).replace("\\\n", " "))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_pages_commands_can_be_planned(call, tmp_path, command):
    words = shlex.split(command)[1:]
    words = [str(tmp_path / word[1:]) if word.startswith("/") else word for word in words]
    code, out, err = call(*words, "--plan")
    assert code == 0, err
    assert PLANNED in out


@pytest.mark.slow
def test_an_executor_of_a_plugin_is_found_by_its_name(entry, tmp_path):
    known = [e for e in ganbench_entries() if e.dist.name == "ganbench"]
    registry = load_plugins([*known, entry("outside", INLINE)])
    assert [p.error for p in registry.plugins if p.state != "loaded"] == []
    settings = {"inline.threads": ("2",)}
    study, context = study_of(
        tmp_path / "a", registry, executor="inline", settings=settings, steps=10, evaluate_every=10, probe=False
    )
    assert study.executor.threads == 2
    (event,) = study.executor.run(study.cohorts, context)
    assert [outcome.status for outcome in event.outcomes] == ["completed"] * 2
    with refused(UnknownNameError, kind="executor", name="inlin", suggestion="inline"):
        choose_executor(StudyConfig(executor="inlin"), registry)


def ganbench_entries():
    from importlib.metadata import entry_points

    return entry_points(group="ganbench")


def test_executors_are_listed_with_their_settings(call):
    code, out, _ = call("list", "executors")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert "gpus_per_cohort=0.0" in rows["ray"]
    assert "submitit" in rows["slurm"]
    assert str(Local.__doc__).partition(",")[0].partition(".")[0] in rows["local"]


def test_executors_are_there_without_the_engines_that_they_need():
    code = (
        "import sys; sys.modules['ray'] = sys.modules['submitit'] = None\n"
        "from ganbench.builtin import ganbench_executors; print(*[e.name for e in ganbench_executors()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["local", "ray", "slurm"]


def test_processes_that_only_watch_import_no_torch():
    code = (
        "import sys, ganbench.runner.executors.ray_worker, ganbench.runner.executors.slurm_job\n"
        "sys.exit(str({'torch', 'pandas', 'sklearn'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "", done.stderr


# -- the loop ----------------------------------------------------------------------------------------------------------


class Fragile(ClusterBackend):
    """Runs a shard when it is looked at; the first so many tries of an objective end as they are told to."""

    def __init__(self, deaths=(), at_once=4):
        self.deaths, self.at_once = dict(deaths), at_once
        self.tasks, self.most, self.stopped, self.heard = [], 0, None, []

    def slots(self):
        return self.at_once

    def submit(self, task):
        self.tasks.append(task)
        self.heard.append(Heartbeat(task.number, 64))
        return task.number

    def ended(self, jobs, seconds):
        self.most = max(self.most, len(jobs))
        return jobs[:1]

    def result(self, job):
        task = self.tasks[job]
        name, store = task.shard.objective.label, StudyFolder(Path(task.context.results))
        if failure := (self.deaths.get(name) or [None]).pop(0):
            locks.note_attempt(store, task.shard.trials())
            return failure
        return tuple(run_cohort(task.shard, task.context, lambda step: None))

    def news(self):
        found, self.heard = self.heard, []
        return found

    def stop(self, jobs):
        self.stopped = list(jobs)


DIED = Failure("WorkerDied", "its worker is gone", "log")


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0.0,))
    monkeypatch.setattr(remote, "LOOK", 0.0)


@pytest.mark.slow
def test_a_crash_is_counted_and_changes_no_number_of_the_cohort_that_resumes(at_once, tmp_path):
    study, context = study_of(tmp_path / "a", objectives=("gan", "wgan"))
    events = list(run_on(Fragile({"wgan": [DIED, DIED]}), study.cohorts, context))
    assert [o.status for event in events for o in event.outcomes] == ["completed"] * 4
    remarks = [event.remark for event in events if event.remark]
    assert all(part in remarks[0] for part in ("wgan", DIED.message, ELSEWHERE, "1 of 3"))
    trials = ganbench.load(tmp_path / "a").trials.set_index("objective")["attempts"]
    assert (set(trials["gan"]), set(trials["wgan"])) == ({1}, {3})
    alone, elsewhere = study_of(tmp_path / "b", objectives=("gan", "wgan"))
    for cohort in alone.cohorts:
        run_cohort(cohort, elsewhere, lambda step: None)
    same(tables(tmp_path / "a"), tables(tmp_path / "b"))
    assert inspect(tmp_path / "a") == []
    assert not [f.name for f in (tmp_path / "a" / ".locks").iterdir() if f.suffix in (".begun", ".here", ".lease")]


@pytest.mark.slow
def test_repeated_crashes_become_failed_rows_and_other_cohorts_go_on(at_once, tmp_path):
    study, context = study_of(tmp_path / "a", objectives=("gan", "wgan"))
    engine = Fragile({"wgan": [DIED] * 9})
    outcomes = [o for event in run_on(engine, study.cohorts, context) for o in event.outcomes]
    assert {o.trial.objective: o.status for o in outcomes} == {"gan": "completed", "wgan": "failed"}
    trials = ganbench.load(tmp_path / "a").trials.set_index("objective")
    assert set(trials.loc["wgan", "attempts"]) == {remote.TRIES}
    assert all(str(DIED) in error for error in trials.loc["wgan", "error"])
    assert [task.shard.objective.label for task in engine.tasks].count("wgan") == remote.TRIES


def test_an_error_of_the_cohorts_own_is_not_repeated(at_once, tmp_path):
    study, context = study_of(tmp_path / "a")
    failure = Failure("TimeLimit", "the trial ran too long", "log")
    engine = Fragile({"gan": [failure]})
    (event,) = [event for event in run_on(engine, study.cohorts, context) if event.outcomes]
    assert {outcome.error for outcome in event.outcomes} == {str(failure)}
    assert len(engine.tasks) == 1


def test_deaths_are_counted_from_the_last_that_got_further():
    progress = remote._ShardState(shard=None)
    survived = []
    for reached in (100, 100, 200, 200, 200):
        progress.reached = reached
        survived.append(progress.die())
    assert survived == [True, True, True, True, False]


@pytest.mark.slow
def test_no_more_than_asked_for_are_on_their_way_and_closing_stops_them(at_once, tmp_path):
    study, context = study_of(tmp_path / "a", objectives=("gan", "wgan", "nsgan"))
    engine = Fragile(at_once=9)
    events = run_on(engine, study.cohorts, context, jobs=2)
    while not next(events).outcomes:
        pass
    events.close()
    assert engine.most == 2
    assert len(engine.stopped) == 1
    assert not list((tmp_path / "a").glob(".locks/*.here"))


def cohort(name, seeds):
    part = Component("objective", name, name, {}, "x")
    return CohortSpec(replace(part, kind="dataset"), replace(part, kind="architecture"), part, Protocol(9, 8, 3), seeds)


@pytest.mark.parametrize(
    ("cohorts", "device", "slots", "shards"),
    [
        (12, "cpu", 4, 12),
        (12, "cpu", 24, 24),
        (1, "cpu", 4, 4),
        (1, "cpu", 99, 10),  # no seed alone, as one costs as much as two
        (3, "cuda", 99, 3),
    ],
)
def test_cohorts_are_cut_only_where_slots_would_stand_idle(cohorts, device, slots, shards):
    asked = [cohort(f"x{i}", tuple(range(20))) for i in range(cohorts)]
    found = divide(asked, device, slots, lambda spec: [])
    assert len(found) == shards
    trials = [[(spec.name, seed) for spec in specs for seed in spec.seeds] for specs in (found, asked)]
    assert sorted(trials[0]) == sorted(trials[1])


# -- attempts, leases, sources -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_pause_is_no_attempt_and_a_death_is_one(tmp_path):
    study, context = study_of(tmp_path / "a")
    (spec,) = study.cohorts
    with pytest.raises(Cancelled):
        run_cohort(spec, context, Callbacks(lambda step: None, stopped=lambda: True))
    assert {locks.count_attempts(study.store(), trial) for trial in spec.trials()} == {1}
    locks.note_attempt(study.store(), spec.trials())  # by a process that is never heard of again
    run_cohort(spec, context, lambda step: None)
    assert ganbench.load(tmp_path / "a").trials["attempts"].tolist() == [2, 2]


HOLDER = """
import sys, time
from filelock import SoftFileLease
lease = SoftFileLease(sys.argv[1], lease_duration=float(sys.argv[2]))
lease.acquire()
print("held", flush=True)
time.sleep(100)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "least"), [(signal.SIGKILL, 0.0), (signal.SIGSTOP, 0.5)])
def test_a_lease_is_taken_over_when_its_holder_is_gone_or_silent(tmp_path, monkeypatch, number, least):
    """A stopped process is what a machine that has left the network looks like from here."""
    monkeypatch.setattr(locks, "LEASE", 1.5)
    study, _ = study_of(tmp_path / "a")
    store, trial = study.store(), study.trials()[0]
    store.make(store.path / ".locks")
    command = [sys.executable, "-c", HOLDER, str(store.path / ".locks" / f"{trial.id}.lease"), "1.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with acquire_trials(store, [trial], None) as held:
                assert held == []
            os.kill(holder.pid, number)
            began = time.monotonic()
            with acquire_trials(store, [trial], lambda: None) as held:
                assert held == [trial]
                assert least <= time.monotonic() - began < 20
        finally:
            holder.kill()


def test_a_machine_with_other_code_makes_failed_rows_and_no_wrong_numbers(tmp_path):
    study, context = study_of(tmp_path / "a")
    (spec,) = study.cohorts
    for other, kind, subject, code in (
        (replace(spec, objective=replace(spec.objective, code="edited")), UsageError, "gan", "source"),
        (replace(spec, dataset=replace(spec.dataset, code="other")), DataError, context.data_root, "data"),
    ):
        with refused(kind, subject=subject, code=code) as caught:
            prepare(other, context)
        assert [str(caught.value) in o.error for o in run_cohort(other, context, lambda step: None)] == [True, True]


# -- machines that do not see the results folder -----------------------------------------------------------------------


@dataclass(frozen=True)
class Direct(Channel):
    """A line to a folder of this machine."""

    results: Path
    told: ClassVar[list] = []

    def tell(self, news):
        self.told.append(news)
        return False

    def deliver(self, parcel):
        accept(self.results, parcel)


@pytest.mark.slow
def test_results_of_a_machine_that_does_not_see_the_folder_are_sent_whole(tmp_path):
    study, context = study_of(tmp_path / "a", probe=True)
    (spec,) = study.cohorts
    outcomes = work(Task(0, "a-run-without-a-mark", spec, context), Direct(tmp_path / "a"), [])
    assert [outcome.status for outcome in outcomes] == ["completed"] * 2
    alone, elsewhere = study_of(tmp_path / "b", probe=True)
    run_cohort(alone.cohorts[0], elsewhere, lambda step: None)
    same(tables(tmp_path / "a"), tables(tmp_path / "b"))
    assert len(ganbench.load(tmp_path / "a").probes) == len(ganbench.load(tmp_path / "b").probes) > 0
    assert [f for f in inspect(tmp_path / "a") if f.kind != "unfinished"] == []
    assert sorted(f.name for f in (tmp_path / "a" / "references").glob("*s0*")) == sorted(
        f.name for f in (tmp_path / "b" / "references").glob("[!.]*s0*")
    )


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "trials/../../x", "study.json", "x/y", "trials"])
def test_a_parcel_never_leads_out_of_the_folder(tmp_path, name):
    with refused(StorageError, subject=name, code="place"):
        inside(name)
    with pytest.raises(StorageError):
        accept(tmp_path, {name: b"x"})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_checkpoint_in_the_middle_of_a_change_is_not_sent(tmp_path):
    study, context = study_of(tmp_path / "a")
    with pytest.raises(Cancelled):
        run_cohort(study.cohorts[0], context, Callbacks(lambda step: None, stopped=lambda: True))
    ((record, tensors),) = [
        (f, next(f.parent.glob("*.safetensors"))) for f in (tmp_path / "a").glob("checkpoints/*/checkpoint.json")
    ]
    sent, content = [], tensors.read_bytes()
    sender = Sender(tmp_path / "a", sent.append)
    tensors.write_bytes(content[:-1])
    sender.send()
    assert not [name for parcel in sent for name in parcel if name.startswith("checkpoints")]
    tensors.write_bytes(content)
    sender.send()
    names = list(sent[-1])
    assert [Path(name).name for name in names if name.startswith("checkpoints")] == [tensors.name, record.name]
    sent.clear()
    sender.send()
    assert sent == []


@pytest.mark.slow
def test_a_checkpoint_that_is_replaced_while_it_is_read_is_sent_the_next_time(tmp_path, monkeypatch):
    """The trainer writes the next one and removes this one between two looks of whoever sends it."""
    study, context = study_of(tmp_path / "a")
    with pytest.raises(Cancelled):
        run_cohort(study.cohorts[0], context, Callbacks(lambda step: None, stopped=lambda: True))
    (tensors,) = (tmp_path / "a").glob("checkpoints/*/*.safetensors")
    sent, content = [], tensors.read_bytes()
    sender = Sender(tmp_path / "a", sent.append)

    def replaced(file):
        tensors.unlink(missing_ok=True)
        return read_bytes(file)

    with monkeypatch.context() as patch:
        patch.setattr(task_module, "read_bytes", replaced)
        sender.send()
    assert not [name for parcel in sent for name in parcel if name.startswith("checkpoints")]
    tensors.write_bytes(content)
    sender.send()
    assert [name for name in sent[-1] if name.endswith(".safetensors")] == [
        tensors.relative_to(tmp_path / "a").as_posix()
    ]
