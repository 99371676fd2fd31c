"""Failures are rows that disturb nobody, trials are held by one run at a time, names never lead out of the folder."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from agreement import same, tables
from ganbench_objectives.gan import Minimax
from refusals import remarked
from small_studies import REGISTRY, study_of

import ganbench
from ganbench.interfaces.executor import Callbacks, Cancelled, Failure
from ganbench.runner.cohort_run import fail, run_cohort
from ganbench.runner.executors.local import split
from ganbench.runner.executors.worker import available
from ganbench.spec import slug
from ganbench.store.locks import acquire_trials
from ganbench.store.verify import inspect
from ganbench.study.provenance import loaded, source

# -- objectives that misbehave, in this process ------------------------------------------------------------------------


@dataclass(frozen=True)
class RaisesAtStep100(Minimax):
    name: ClassVar[str] = "raises"

    def critic_loss(self, critic, real, fake, draw):
        if int(draw.step) == 100:
            raise ArithmeticError("by design")
        return super().critic_loss(critic, real, fake, draw)


@dataclass(frozen=True)
class NotANumberAtStep100(Minimax):
    name: ClassVar[str] = "nan"

    def generator_loss(self, critic, real, fake, draw):
        value = super().generator_loss(critic, real, fake, draw)
        return torch.where(draw.step == 100, torch.nan, value)


@dataclass(frozen=True)
class VectorAtStep100(Minimax):
    name: ClassVar[str] = "vector"

    def generator_loss(self, critic, real, fake, draw):
        value = super().generator_loss(critic, real, fake, draw)
        return value.expand(3) if int(draw.step) == 100 else value


@dataclass(frozen=True)
class MutatesItsInputs(Minimax):
    name: ClassVar[str] = "mutates"

    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real.add_(1), fake, draw)


@dataclass(frozen=True)
class OneSeedsDataRaises(Minimax):
    """Looks at a number in Python, so it runs seed by seed; raises for seed 1's data alone."""

    name: ClassVar[str] = "picky"
    victim: ClassVar[float] = float("nan")

    def critic_loss(self, critic, real, fake, draw):
        value = super().critic_loss(critic, real, fake, draw)
        total = real.sum().item()
        if int(draw.step) == 70 and abs(total - self.victim) < 1e-6:
            raise ValueError("not this one")
        return value


@dataclass(frozen=True)
class RunsOutOfMemory(Minimax):
    name: ClassVar[str] = "greedy"

    def critic_loss(self, critic, real, fake, draw):
        if int(draw.step) == 100:
            torch.empty(2**48)
        return super().critic_loss(critic, real, fake, draw)


def offering(*classes):
    offers = replace(REGISTRY.objectives, offered=REGISTRY.objectives.offered + tuple(("toys", c) for c in classes))
    return replace(REGISTRY, objectives=offers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "status", "last_step", "error"),
    [
        (RaisesAtStep100, "failed", 99, "ArithmeticError: by design"),
        (NotANumberAtStep100, "diverged", 100, "NotFinite: at step 100 generator_loss was nan"),
        (VectorAtStep100, "failed", 99, "Error"),
        (MutatesItsInputs, "failed", 0, "ObjectiveError: mutates.critic_loss changes its inputs in place"),
        (RunsOutOfMemory, "failed", 99, "OutOfMemory: "),
    ],
)
def test_what_an_objective_does_becomes_a_row_with_all_that_was_measured(
    tmp_path, monkeypatch, cls, status, last_step, error
):
    registry = offering(cls)
    monkeypatch.setattr("ganbench.runner.cohort_run.load_plugins", lambda files=(): registry)
    study, context = study_of(tmp_path / "s", registry, objectives=(cls.name, "gan"))
    for cohort in study.missing():
        run_cohort(cohort, context, lambda step: None)
    results = ganbench.load(tmp_path / "s")
    rows = results.trials[results.trials["objective"] == cls.name]
    assert set(rows["status"]) == {status}
    assert set(rows["last_step"]) == {last_step}
    assert all(
        error in text and f"(log: trials/{t}/error.log)" in text for t, text in zip(rows.trial, rows.error, strict=True)
    )
    assert all((tmp_path / "s" / "trials" / t / "error.log").read_text() for t in rows["trial"])
    counts = results.steps[results.steps["objective"] == cls.name].groupby("trial").size()
    assert counts.tolist() == [last_step] * 2 * (last_step > 0)
    assert inspect(tmp_path / "s") == []
    alone, context = study_of(tmp_path / "alone")
    run_cohort(alone.cohorts[0], context, lambda step: None)
    same(tables(tmp_path / "s", ["gan"]), tables(tmp_path / "alone"))


@pytest.mark.slow
def test_a_seed_whose_data_make_the_loss_raise_does_not_take_the_others_along(tmp_path, monkeypatch):
    from ganbench.rng import generator

    registry = offering(OneSeedsDataRaises)
    monkeypatch.setattr("ganbench.runner.cohort_run.load_plugins", lambda files=(): registry)
    study, context = study_of(tmp_path / "s", registry, objectives=("picky",), seeds=(0, 1, 2))
    population = REGISTRY.datasets.find("ring")().load(Path())
    tickets = population.draw((64, 8), generator(1, "real", 1, 0))[70 - 65]
    monkeypatch.setattr(OneSeedsDataRaises, "victim", population.take(tickets).sum().item())
    with remarked(subject="picky", code="no-vmap"):
        run_cohort(study.cohorts[0], context, lambda step: None)
    rows = ganbench.load(tmp_path / "s").trials.set_index("seed")["status"]
    assert rows.to_dict() == {0: "completed", 1: "failed", 2: "completed"}


@pytest.mark.slow
def test_a_process_that_died_leaves_rows_with_what_its_checkpoint_holds(tmp_path):
    study, context = study_of(tmp_path / "s")
    context = replace(context, checkpoint_seconds=0.0)
    (cohort,) = study.cohorts
    looks = iter(range(1))
    with pytest.raises(Cancelled):
        run_cohort(cohort, context, Callbacks(lambda step: None, stopped=lambda: next(looks, None) is None))
    outcomes = fail(cohort, context, Failure("WorkerDied", "the process was ended by SIGKILL", "all that is known"))
    assert [o.status for o in outcomes] == ["failed", "failed"]
    trials = ganbench.load(tmp_path / "s").trials
    assert trials["last_step"].tolist() == [128, 128]
    assert (tmp_path / "s" / outcomes[0].log).read_text() == "all that is known"
    run_cohort(study.missing()[0], context, lambda step: None)  # and the next run goes on from there
    calm, context = study_of(tmp_path / "calm")
    run_cohort(calm.cohorts[0], context, lambda step: None)
    same(tables(tmp_path / "s"), tables(tmp_path / "calm"))


def test_an_exception_whose_message_raises_is_still_a_failure():
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError

    failure = Failure.of(HostileError())
    assert failure.kind == "HostileError"
    assert failure.message


# -- locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_trial_that_is_held_is_waited_for_and_its_result_taken(tmp_path):
    study, context = study_of(tmp_path / "s")
    (cohort,) = study.cohorts
    first, second = cohort.trials()
    waited = []

    def other_run_ends():
        waited.append(1)
        if len(waited) == 2:
            held.__exit__(None, None, None)

    held = acquire_trials(study.store(), [first, second], None)
    assert held.__enter__() == [first, second]
    with acquire_trials(study.store(), [first], None) as none:
        assert none == []
    with acquire_trials(study.store(), [first, second], other_run_ends) as both:
        assert both == [first, second]
    run_cohort(cohort, context, lambda step: None)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "s").glob("trials/*/*")}
    assert [o.status for o in run_cohort(cohort, context, lambda step: None)] == ["completed"] * 2
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_failure_of_another_run_since_this_one_began_is_taken_and_an_older_one_is_not(tmp_path, monkeypatch):
    registry = offering(MutatesItsInputs)
    monkeypatch.setattr("ganbench.runner.cohort_run.load_plugins", lambda files=(): registry)
    study, context = study_of(tmp_path / "s", registry, objectives=("mutates",), seeds=(0,))
    (cohort,), (trial,) = study.cohorts, study.trials()
    run_cohort(cohort, context, lambda step: None)
    run_cohort(cohort, replace(context, since="2000"), lambda step: None)
    assert study.store().attempts(trial) == 1
    run_cohort(cohort, context, lambda step: None)
    assert study.store().attempts(trial) == 2


def test_seeds_of_one_checkpoint_stay_together_and_the_rest_is_cut(tmp_path):
    study, _ = study_of(tmp_path / "s", seeds=(0, 1, 2, 3, 4, 5, 6))
    shards = split(study.cohorts, 2, lambda cohort: [(1, 2, 5)])
    assert sorted(s.seeds for s in shards) == [(0, 4), (1, 2, 5), (3, 6)]


# -- names and paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "\0", "x" * 999, "CON", "~root"])
def test_no_label_leads_out_of_the_results_folder(tmp_path, name):
    study, _ = study_of(tmp_path / "s")
    (cohort,) = study.cohorts
    odd = replace(cohort, objective=replace(cohort.objective, label=name))
    for path in (study.store().folder(odd.trials()[0]), tmp_path / "s" / "checkpoints" / slug(name)):
        assert path.resolve().is_relative_to((tmp_path / "s").resolve())
        assert len(path.name) < 100


@pytest.mark.slow
def test_a_trials_folder_that_is_a_link_is_not_written_through(tmp_path):
    study, context = study_of(tmp_path / "s")
    (tmp_path / "elsewhere").mkdir()
    for trial in study.trials():
        study.store().folder(trial).symlink_to(tmp_path / "elsewhere")
    outcomes = run_cohort(study.cohorts[0], context, lambda step: None)
    assert [outcome.error.partition(":")[0] for outcome in outcomes] == ["ObstructedError"] * len(study.trials())
    assert not list((tmp_path / "elsewhere").iterdir())


MAGIC = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


@pytest.mark.slow
def test_no_stored_file_is_a_pickle_or_an_archive(tmp_path):
    study, context = study_of(tmp_path / "s", probe=True, steps=8)
    context = replace(context, checkpoint_seconds=0.0)
    run_cohort(study.cohorts[0], context, lambda step: None)
    files = [p for p in (tmp_path / "s").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".parquet", ".safetensors", ".lock"}
    assert not [p for p in files if p.read_bytes().startswith(MAGIC)]


# -- provenance --------------------------------------------------------------------------------------------------------


def test_the_commit_and_whether_files_were_changed_are_recorded(tmp_path, monkeypatch):
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]

    def git(*args):
        done = subprocess.run(["git", *identity, *args], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    if shutil.which("git") is None:
        pytest.skip("needs git")
    monkeypatch.chdir(tmp_path)
    assert source()["directory"] is None
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    assert source()["directory"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "file").write_text("2")
    assert source()["directory"]["dirty"] is True


def test_plugins_are_recorded_with_their_distributions():
    rows = {row["name"]: row for row in loaded(REGISTRY.plugins)}
    assert rows["objectives"] == {
        "name": "objectives", "distribution": "ganbench", "version": ganbench.__version__, "state": "loaded",
    }  # fmt: skip


def test_memory_is_counted():
    assert 0 < available() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
