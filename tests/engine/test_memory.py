"""Cohorts that memory has no room for: the largest that fits is found, the rest takes turns, the numbers stay."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from agreement import same, tables
from places import ROOT

import ganbench
from ganbench.engine import memory
from ganbench.engine.cohort import Cohort
from ganbench.engine.memory import evenly, largest
from ganbench.interfaces.executor import Callbacks, Cancelled, RunContext
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import run_cohort
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

LONG = {"steps": 3, "batch_size": 1024, "evaluate_every": 3, "n_samples": 60, "device": "cpu", "probe": False}
SHORT = {**LONG, "batch_size": 8}


def study_of(out, seeds, **changes):
    request = StudyConfig(objectives=("gan",), datasets=("ring",), seeds=tuple(range(seeds)), out=str(out), **changes)
    study = make_study(request, load_plugins(), Path("nowhere"))
    study.store().begin({"command": "test"})
    return study, RunContext(str(out), "nowhere", "cpu", threads=1)


@pytest.mark.parametrize("limit", range(1, 12))
def test_the_largest_is_found_in_a_few_tries(limit):
    tried = []

    def has_room(n):
        tried.append(n)
        return n <= limit

    assert largest(has_room, 1, 12) == limit
    assert len(tried) <= 4
    assert set(tried) <= set(range(2, 12))


@pytest.mark.parametrize(
    ("seeds", "most", "sizes"), [(8, 8, [8]), (8, 7, [4, 4]), (8, 3, [3, 3, 2]), (5, 2, [2, 2, 1]), (3, 1, [1, 1, 1])]
)
def test_parts_are_few_and_even(seeds, most, sizes):
    found = evenly(tuple(range(seeds)), most)
    assert [len(part) for part in found] == sizes
    assert sorted(seed for part in found for seed in part) == list(range(seeds))


class Small(Cohort):
    """A device with room for three seeds."""

    room = 3
    made: list[int] = []  # noqa: RUF012, one for the test

    def __init__(self, config, seeds, capture="auto"):
        Small.made.append(len(seeds))
        if len(seeds) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        super().__init__(config, seeds, capture)


@pytest.fixture
def small_device(monkeypatch):
    monkeypatch.setattr("ganbench.runner.trainer.Cohort", Small)
    monkeypatch.setattr(memory, "Cohort", Small)
    monkeypatch.setattr(Small, "made", [])
    return monkeypatch


@pytest.mark.slow
def test_what_does_not_fit_takes_turns(small_device, tmp_path):
    said = []
    study, context = study_of(tmp_path / "a", 8, **SHORT)
    outcomes = run_cohort(study.cohorts[0], context, Callbacks(lambda step: None, said.append))
    assert [o.status for o in outcomes] == ["completed"] * 8
    assert sorted(Small.made[-3:]) == [2, 3, 3]
    (sentence,) = said
    assert sentence.endswith("8 seeds do not fit into memory at once; 3 are run at a time")
    small_device.undo()
    study, context = study_of(tmp_path / "b", 8, **SHORT)
    run_cohort(study.cohorts[0], context, lambda step: None)
    same(tables(tmp_path / "a"), tables(tmp_path / "b"))


class FullLater(Cohort):
    """A device whose room for three seeds is full in the first step."""

    def _step(self, critic, generator, clock):
        if len(self.seeds) > Small.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return super()._step(critic, generator, clock)


@pytest.mark.slow
def test_seeds_in_turn_are_shared_out_like_others(monkeypatch, tmp_path):
    """Their passes are large, which says nothing about the memory that all of them have together."""
    monkeypatch.setattr("ganbench.engine.cohort.SEQUENTIAL_FLOPS", 1.0)
    monkeypatch.setattr("ganbench.runner.trainer.Cohort", FullLater)
    monkeypatch.setattr(memory, "Cohort", FullLater)
    said = []
    study, context = study_of(tmp_path / "a", 8, **SHORT)
    outcomes = run_cohort(study.cohorts[0], context, Callbacks(lambda step: None, said.append))
    assert [o.status for o in outcomes] == ["completed"] * 8
    assert [sentence.rpartition("; ")[2] for sentence in said] == ["3 are run at a time"]


@pytest.mark.slow
def test_what_does_not_fit_at_all_fails_with_the_reason(small_device, tmp_path):
    small_device.setattr(Small, "room", 1)
    study, context = study_of(tmp_path, 5, **SHORT)
    outcomes = run_cohort(study.cohorts[0], context, lambda step: None)
    assert [o.status for o in sorted(outcomes, key=lambda o: o.trial.seed)] == [
        "failed",
        "failed",
        "completed",
        "failed",
        "failed",
    ]  # seed 2 is alone
    assert all(o.error.startswith("OutOfMemory:") and "CUDA" in o.error for o in outcomes if o.error)


def test_the_search_ends_when_it_is_asked_to(small_device, tmp_path):
    study, context = study_of(tmp_path, 8, **SHORT)
    with pytest.raises(Cancelled):
        run_cohort(study.cohorts[0], context, Callbacks(lambda step: None, stopped=lambda: len(Small.made) > 1))


LIMITED = """
import resource, sys, json
from dataclasses import replace
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_memory import LONG, study_of
from ganbench.runner.cohort_run import run_cohort
from ganbench.runner.executors.worker import _data
from ganbench.interfaces.executor import Callbacks

warm, where = study_of(Path(sys.argv[1]) / "warm", 2, **{**LONG, "batch_size": 64})
run_cohort(warm.cohorts[0], where, lambda step: None)  # what libraries keep is there before the limit is set
study, where = study_of(Path(sys.argv[1]) / "limited", 8, **LONG)
limit = _data() + 280 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
run_cohort(study.cohorts[0], where, Callbacks(lambda step: None, print))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_process_with_little_memory_trains_all_seeds_in_turns(tmp_path):
    """The real allocator, under a limit that two seeds fit below and eight do not."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(Path(__file__).parent), str(ROOT / "tests")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 seeds" in done.stdout
    found = ganbench.load(tmp_path / "limited")
    assert list(found.trials["status"]) == ["completed"] * 8
    companies = [json.loads(run.read_text())["cohort"] for run in (tmp_path / "limited").glob("trials/*/run.json")]
    assert max(map(len, companies)) < 8
    study, context = study_of(tmp_path / "free", 8, **LONG)
    run_cohort(study.cohorts[0], context, lambda step: None)
    same(tables(tmp_path / "limited"), tables(tmp_path / "free"))
