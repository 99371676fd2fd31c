"""A trial that is repeated agrees to the bit; a number that was changed, a loss or data that were, are told."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from safetensors.torch import load_file

from ganbench.cli import app
from ganbench.errors import DataError, UsageError
from ganbench.interfaces.executor import RunContext
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import run_cohort
from ganbench.runner.rerun import check_same_sources, compare, describe, differences, is_outdated
from ganbench.spec import ProbeProtocol
from ganbench.store.files import json_bytes, read_record, replace_files, write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.verify import trial_state
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

REGISTRY = load_plugins()
SMALL = {"steps": 8, "batch_size": 8, "evaluate_every": 4, "n_samples": 60, "device": "cpu"}


def trained(out, **changes):
    request = StudyConfig(**{**SMALL, "objectives": ("wgan",), "datasets": ("ring",), "seeds": (0, 3), **changes})
    study = make_study(replace(request, out=str(out)), REGISTRY, Path("nowhere"))
    study.store().begin({"command": "test"})
    (cohort,) = study.cohorts
    run_cohort(cohort, RunContext(str(out), "nowhere", "cpu", threads=1), lambda step: None)
    return study.store(), cohort.trials()[-1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The same study twice."""
    root = tmp_path_factory.mktemp("rerun")
    return *trained(root / "a"), trained(root / "b", seeds=(3,))[0]


@pytest.mark.slow
def test_a_trial_is_described_by_its_own_folder(two):
    store, trial, _ = two
    found = describe(store.folder(trial))
    assert found.spec.trials() == [trial]
    assert found.spec.probe.generator_steps == (1, 4)
    check_same_sources(found.spec, REGISTRY, Path("nowhere"))


def test_a_probe_that_was_read_on_training_samples_is_outdated_and_made_again(two):
    digits, ring = (REGISTRY.datasets.find(name)().load(Path("nowhere")) for name in ("digits", "ring"))
    old = ProbeProtocol.of({"generator_steps": [1, 4], "critic_steps": 2})
    assert (is_outdated(old, digits), is_outdated(old, ring), is_outdated(None, digits)) == (True, False, False)
    request = StudyConfig(datasets=("digits", "ring"), seeds=(0,), objectives=("gan",), **SMALL)
    cohorts = make_study(request, REGISTRY, Path("nowhere")).cohorts
    assert [is_outdated(c.probe, d) for c, d in zip(cohorts, (digits, ring), strict=True)] == [False, False]
    assert [ProbeProtocol.of(c.probe.settings()) == c.probe for c in cohorts] == [True, True]
    store, trial, _ = two
    assert store.run(trial)["probe"] == {"generator_steps": [1, 4], "critic_steps": 2}
    assert trial_state(store, trial, replace(old, generator_steps=(1, 4))) == "completed"
    assert trial_state(store, trial, replace(old, cut=True)) == "unprobed"


def test_a_repetition_agrees_to_the_bit_in_all_that_is_a_number(two):
    store, trial, repeated = two
    found = compare(describe(store.folder(trial)), repeated)
    assert {a.table for a in found} == {"steps", "evaluations", "modes", "probes", "generator"}
    assert [a for a in found if a.differing] == []
    assert {a.column for a in found if a.table == "steps"} >= {"generator_loss", "estimate"}
    assert "seconds" not in {a.column for a in found}
    assert {a.values for a in found if a.table == "steps"} == {8}


def changed(two, name, change):
    """What is compared when a table of the repetition was changed."""
    store, trial, repeated = two
    folder = repeated.folder(trial)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    table = change(pd.read_parquet(folder / f"{name}.parquet"))
    repeated.add(trial, repeated.run(trial), {name: table})
    try:
        return [a for a in compare(describe(store.folder(trial)), repeated) if a.differing]
    finally:
        for file, content in before.items():
            (folder / file).write_bytes(content)


def test_the_last_bit_of_one_value_is_told_with_its_place(two):
    def nudge(table):
        table.loc[5, "critic_loss"] = np.nextafter(table["critic_loss"][5], 1e9)
        return table

    (found,) = changed(two, "steps", nudge)
    assert (found.table, found.column, found.differing, found.first) == ("steps", "critic_loss", 1, "step 6")
    assert 0 < found.largest < 1e-15


def test_a_value_that_is_gone_or_not_finite_differs_without_bound(two):
    (found,) = changed(two, "probes", lambda t: t.assign(generator_grad_noise=np.nan))
    assert found.largest == np.inf
    assert found.differing == found.values
    found = changed(two, "steps", lambda t: t[:-1])
    assert {(a.differing, a.values, a.first) for a in found} == {(1, 8, "step 8")}


def test_metrics_that_were_added_later_are_no_difference(two):
    store, trial, repeated = two
    (table,) = [store.read(trial)[1]["evaluations"]]
    later = table[-1:].assign(metric="late", protocol="late@x/9")
    run = store.run(trial)
    store.add(trial, run, {"evaluations": pd.concat([table, later])})
    try:
        assert not [a for a in compare(describe(store.folder(trial)), repeated) if a.differing]
    finally:
        store.add(trial, run, {"evaluations": table})


def test_a_generator_with_one_other_weight_is_told(two):
    store, trial, repeated = two
    folder = repeated.folder(trial)
    run, content = repeated.run(trial), (folder / "generator.safetensors").read_bytes()
    from ganbench.store.files import tensor_bytes

    weights = load_file(folder / "generator.safetensors")
    name = sorted(weights)[0]
    weights[name].view(-1)[2] += 1.0
    replace_files(folder / "run.json", run, {"generator.safetensors": tensor_bytes(weights)})
    found = [a for a in compare(describe(store.folder(trial)), repeated) if a.differing]
    replace_files(folder / "run.json", run, {"generator.safetensors": content})
    assert [(a.table, a.differing, a.first) for a in found] == [("generator", 1, "weight 2")]


def test_an_edited_loss_and_other_data_are_refused(two):
    store, trial, _ = two
    spec = describe(store.folder(trial)).spec
    with refused(UsageError, subject="wgan", code="source"):
        check_same_sources(replace(spec, objective=replace(spec.objective, code="x")), REGISTRY, Path("nowhere"))
    with refused(DataError, subject="nowhere", code="data", remedy="--data-root"):
        check_same_sources(replace(spec, dataset=replace(spec.dataset, code="x")), REGISTRY, Path("nowhere"))


def test_another_engine_is_refused(two, tmp_path):
    import shutil

    store, trial, _ = two
    shutil.copytree(store.path, tmp_path / "s")
    store = StudyFolder(tmp_path / "s")
    text = read_text = (store.folder(trial) / "trial.json").read_text()
    old = read_text.replace('"engine": ', '"engine": 1000')
    assert old != text
    from ganbench.spec import Trial

    settings = trial.settings.replace('"engine":', '"engine":1000')
    other = Trial(trial.dataset, trial.architecture, trial.objective, trial.seed, settings)
    store.folder(trial).rename(store.folder(other))
    run = read_record(store.folder(other) / "run.json")
    write_record(store.folder(other) / "run.json", {**run, "trial": other.id})
    described = {**__import__("json").loads(old), "trial": other.id}
    record = {**run, "trial": other.id}
    replace_files(store.folder(other) / "run.json", record, {"trial.json": json_bytes(described)})
    with refused(UsageError, subject=other.id, code="engine"):
        describe(store.folder(other))


@pytest.mark.parametrize("prepare", [lambda f: f, lambda f: f / "run.json", lambda f: f.parent])
def test_what_is_no_trial_is_refused_in_one_sentence(tmp_path, prepare):
    folder = prepare(tmp_path / "s" / "trials" / "x")
    with refused(UsageError, subject=folder, code="no-trial"):
        describe(folder)


def test_a_corrupt_trial_is_not_compared_with(two, tmp_path):
    import shutil

    store, trial, _ = two
    shutil.copytree(store.path, tmp_path / "s")
    table = tmp_path / "s" / "trials" / trial.id / "steps.parquet"
    table.write_bytes(b"")
    with refused(UsageError, subject=table, code="damaged"):
        describe(tmp_path / "s" / "trials" / trial.id)


def test_what_has_changed_in_the_provenance_is_said():
    before = {"versions": {"torch": "1"}, "machine": {"cpu_capability": "AVX2"}, "device": "cpu"}
    after = {"versions": {"torch": "2"}, "machine": {"cpu_capability": "AVX2"}, "device": "cpu"}
    assert differences(before, after) == ['torch: "1" then, "2" now']
    assert differences(before, before) == []


@pytest.mark.slow
def test_the_command_says_whether_the_numbers_agree_and_changes_nothing(two, monkeypatch, capsys, tmp_path):
    store, trial, _ = two
    before = {p: p.read_bytes() for p in store.path.rglob("*") if p.is_file()}
    monkeypatch.setattr(sys, "argv", ["ganbench", "rerun", str(store.folder(trial))])
    with pytest.raises(SystemExit) as stop:
        app.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 0, err
    assert "the numbers agree to the bit" in out
    assert {p: p.read_bytes() for p in store.path.rglob("*") if p.is_file()} == before
    table = store.read(trial)[1]["steps"]
    store.add(trial, store.run(trial), {"steps": table.assign(generator_loss=table["generator_loss"] + 1)})
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 1
    assert "the numbers do not agree" in capsys.readouterr().out


def test_provenance_stands_in_every_run(two):
    store, trial, _ = two
    run = store.run(trial)
    assert run["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert {"cuda", "deterministic_algorithms", "cpu_capability", "cudnn_benchmark"} <= set(run["machine"])
    assert (run["device"], run["threads"]) == ("cpu", 1)
