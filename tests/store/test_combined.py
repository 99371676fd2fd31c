"""Combined tables: a copy that makes reading faster and never changes what is read."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damage import DAMAGE
from reported import steps_table, trial, write_study

import ganbench
from ganbench.errors import DamageError, StorageError
from ganbench.store import combined, results, schema
from ganbench.store.files import checksum, parquet_bytes, read_record, write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_study
from ganbench.store.verify import delete_corrupt, inspect

STEPS = 6
OBJECTIVES = {"gan": 40.0, "lsgan": 30.0, "wgan": 20.0}
TRIALS = [trial(objective, seed, steps=STEPS) for objective in OBJECTIVES for seed in (0, 1)]
COPY = [combined.INDEX, *combined.FILES]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Six trials; one has diverged, and one has failed and has no rows."""
    endings = {("lsgan", 0): "diverged", ("wgan", 1): "failed"}
    return write_study(tmp_path_factory.mktemp("made") / "s", OBJECTIVES, seeds=2, steps=STEPS, endings=endings)


@pytest.fixture(scope="module")
def copied(made, tmp_path_factory):
    """The same with combined tables, as six trials are many here."""
    path = shutil.copytree(made, tmp_path_factory.mktemp("copied") / "s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combined, "LEAST", 6)
        ganbench.load(path)
    assert sorted(p.name for p in (path / combined.FOLDER).iterdir()) == sorted(COPY)
    return path


@pytest.fixture
def study(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(combined, "LEAST", 3)
    return StudyFolder(shutil.copytree(copied, tmp_path / "s"))


@pytest.fixture
def decoded(monkeypatch):
    """The trials of which a file is decoded."""
    found, decode = set(), results.arrow_table

    def noted(path, *rest):
        found.update({path.parent.name} if path.parent.parent.name == "trials" else ())
        return decode(path, *rest)

    monkeypatch.setattr(results, "arrow_table", noted)
    return found


def from_trials(path, **kwargs):
    """What the trials' own files say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combined, "LEAST", 10**9)
        return read_study(path, **kwargs)


def assert_same(one, other):
    """All tables are the same, to the bit, with types, categories and codes."""
    for name in results.Results.__dataclass_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True, check_freq=True)
        for column in mine.select_dtypes("category"):
            assert list(mine[column].cat.categories) == list(theirs[column].cat.categories), column
            assert (mine[column].cat.codes == theirs[column].cat.codes).all()


def ways(first, others):
    """Files with ways to damage them: all for the first one."""
    return [*((first, how) for how in DAMAGE), *((name, "a middle bit flipped") for name in others)]


def assert_reads_as_its_trials(path):
    for categorical in (False, True):
        assert_same(read_study(path, categorical=categorical), from_trials(path, categorical=categorical))


def change(store, described, factor):
    """Write a trial's steps anew, with other numbers."""
    steps = steps_table(described, STEPS)
    table = steps.assign(generator_loss=factor * steps["generator_loss"])
    store.add(described, store.run(described), {"steps": table})


# -- what is read ------------------------------------------------------------------------------------------------------


def test_tables_from_the_copy_are_those_of_the_trials_and_nothing_else_is_decoded(study, decoded):
    assert_same(ganbench.load(study.path), from_trials(study.path))
    assert decoded == {t.id for t in TRIALS}
    decoded.clear()
    assert len(ganbench.load(study.path).steps) == 4 * STEPS + STEPS // 2
    assert not decoded
    assert_reads_as_its_trials(study.path)


def test_a_changed_trial_is_read_from_its_own_files_and_the_others_from_the_copy(study, decoded):
    change(study, TRIALS[2], 3.0)
    steps = ganbench.load(study.path).steps
    assert decoded == {TRIALS[2].id}
    assert (steps.loc[steps["trial"] == TRIALS[2].id, "generator_loss"] <= -3 / STEPS).all()
    assert_reads_as_its_trials(study.path)


@pytest.mark.parametrize("gone", [[0], [2, 3], [5], [0, 2, 4]])
def test_rows_of_removed_trials_are_left_out(study, gone):
    for k in gone:
        shutil.rmtree(study.folder(TRIALS[k]))
    found = ganbench.load(study.path)
    assert set(found.trials["trial"]) == {t.id for k, t in enumerate(TRIALS) if k not in gone}
    assert_reads_as_its_trials(study.path)


@pytest.mark.parametrize("objective", ["a-first", "hinge", "zz-last"])
def test_a_new_trial_takes_its_place_among_the_others(study, objective, decoded):
    write_study(study.path, {objective: 10.0}, seeds=1, steps=STEPS)
    found = ganbench.load(study.path)
    assert decoded == {trial(objective, 0, steps=STEPS).id}
    assert found.trials["trial"].is_monotonic_increasing
    assert set(found.trials["objective"]) == {*OBJECTIVES, objective}
    assert_reads_as_its_trials(study.path)


def test_a_trial_whose_tables_are_being_replaced_is_read_from_its_own_files(study, decoded):
    record = study.folder(TRIALS[0]) / "run.json"
    write_record(record, {**read_record(record), "pending": {"steps.parquet": "0" * 64}})
    ganbench.load(study.path)
    assert decoded == {TRIALS[0].id}
    shutil.rmtree(study.path / combined.FOLDER)
    assert_reads_as_its_trials(study.path)
    assert TRIALS[0].id not in combined.read_index(study.path)["trials"]  # nor is it copied in that state


def test_some_trials_are_read_from_the_copy_too(study, decoded):
    some = [t.id for t in TRIALS[1:5]]
    found = read_study(study.path, trials=some)
    assert not decoded
    assert_same(found, from_trials(study.path, trials=some))


@pytest.mark.parametrize(("name", "how"), ways("steps.parquet", ["probes.parquet", "trial.json", "run.json"]))
def test_a_damaged_file_of_a_trial_is_refused_although_the_copy_has_its_rows(study, name, how):
    file, other = (study.folder(t) / name for t in TRIALS[:2])
    file.write_bytes(DAMAGE[how](file.read_bytes(), other.read_bytes()))
    with pytest.raises(DamageError, match=name.replace(".", r"\.")):
        ganbench.load(study.path)


def test_a_missing_file_of_a_trial_is_refused_although_the_copy_has_its_rows(study):
    (study.folder(TRIALS[0]) / "steps.parquet").unlink()
    with pytest.raises(DamageError, match="is missing"):
        ganbench.load(study.path)


# -- a copy that cannot be used ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "how"), [*ways(combined.INDEX, combined.FILES), ("steps.parquet", "emptied")])
def test_a_damaged_copy_is_not_used_is_reported_and_is_written_anew(study, name, how):
    file, other = study.path / combined.FOLDER / name, study.path / "study.json"
    whole = file.read_bytes()
    damaged = DAMAGE[how](whole, other.read_bytes())
    file.write_bytes(damaged)
    assert file in [issue.path for issue in inspect(study.path) if issue.kind == "damaged"]
    expected = from_trials(study.path)
    assert file.read_bytes() == damaged
    assert_same(ganbench.load(study.path), expected)
    assert file.read_bytes() == whole
    assert not [issue for issue in inspect(study.path) if combined.FOLDER in issue.path.parts]


@pytest.mark.parametrize("name", COPY)
def test_an_incomplete_copy_is_not_used_and_is_written_anew(study, name):
    (study.path / combined.FOLDER / name).unlink()
    assert [issue for issue in inspect(study.path) if combined.FOLDER in issue.path.parts]
    assert_same(ganbench.load(study.path), from_trials(study.path))
    assert (study.path / combined.FOLDER / name).is_file()


def test_a_run_removes_a_damaged_copy(study):
    for name in (combined.INDEX, "modes.parquet"):
        (study.path / combined.FOLDER / name).write_bytes(b"x")
    said = []
    delete_corrupt(study, said.append)
    assert len(said) == len(COPY)  # without its index no table has a checksum
    assert list((study.path / combined.FOLDER).iterdir()) == []
    assert_reads_as_its_trials(study.path)


INDEX_CHANGES = {
    "another version": {"made_with": "0.0.1"},
    "other columns": {"columns": {**schema.TABLES, "steps": {"trial": "str"}}},
    "columns of another kind": {"columns": 3},
    "no trials": {"trials": {}},
    "trials of another kind": {"trials": ["x"]},
    "seals of another kind": {"trials": {TRIALS[0].id: 3}},
    "a newer schema": {"schema": schema.VERSION + 1},
    "no files": {"files": {}},
}


@pytest.mark.parametrize("changed", INDEX_CHANGES)
def test_a_copy_with_another_index_is_not_used(study, changed, decoded):
    index = study.path / combined.FOLDER / combined.INDEX
    write_record(index, {**read_record(index), **INDEX_CHANGES[changed]})
    found = ganbench.load(study.path)
    assert decoded == {t.id for t in TRIALS}
    assert_same(found, from_trials(study.path))


def tampered(store, name, alter):
    """Change a table of the copy, and its checksum in the index."""
    folder = store.path / combined.FOLDER
    table = alter(pd.read_parquet(folder / f"{name}.parquet"))
    content = parquet_bytes(table, {c: schema.TABLES[name][c] for c in table if c in schema.TABLES[name]})
    (folder / f"{name}.parquet").write_bytes(content)
    index = read_record(folder / combined.INDEX)
    files = {**index["files"], f"{name}.parquet": checksum(content)}
    write_record(folder / combined.INDEX, {**index, "files": files})


@pytest.mark.parametrize(
    "alter",
    [
        lambda t: t[::-1],
        lambda t: t.assign(seed=7),
        lambda t: t.assign(
            trial=t["trial"].astype(str).map({a.id: b.id for a, b in zip(TRIALS, TRIALS[::-1], strict=True)})
        ),
        lambda t: t.assign(trial=None),
        lambda t: t.drop(columns="trial"),
        lambda t: t.drop(columns="seed"),
    ],
)
@pytest.mark.parametrize("name", schema.TABLES)
def test_a_forged_copy_with_rows_of_other_trials_is_not_used(study, name, alter):
    tampered(study, name, alter)
    assert_same(ganbench.load(study.path), from_trials(study.path))


@pytest.mark.parametrize(
    ("name", "column"),
    [("steps", "estimate"), ("evaluations", "value"), ("modes", "captured"), ("probes", "generator_grad_norm")],
)
def test_verify_compares_the_rows_of_a_forged_copy_with_the_trials_files(study, name, column):
    assert not [issue for issue in inspect(study.path) if combined.FOLDER in issue.path.parts]
    tampered(study, name, lambda t: t.assign(**{column: np.roll(t[column], 1)}))
    found = [issue for issue in inspect(study.path) if combined.FOLDER in issue.path.parts]
    assert [(issue.kind, issue.path.name) for issue in found] == [("damaged", f"{name}.parquet")]


# -- when it is written ------------------------------------------------------------------------------------------------


def test_a_small_study_and_a_part_of_a_large_one_make_no_copy(made, tmp_path, monkeypatch):
    path = shutil.copytree(made, tmp_path / "s")
    ganbench.load(path)
    monkeypatch.setattr(combined, "LEAST", 3)
    read_study(path, trials=[t.id for t in TRIALS[:5]])
    assert not (path / combined.FOLDER).exists()
    read_study(path, trials=[t.id for t in TRIALS])  # as the summary at the end of a run reads it
    assert combined.read_index(path)["trials"].keys() == {t.id for t in TRIALS}


def test_it_is_written_anew_once_many_trials_are_not_in_it(study):
    before = combined.read_index(study.path)
    for k in range(3):
        assert combined.read_index(study.path) == before
        change(study, TRIALS[k], 2.0)
        ganbench.load(study.path)
    after = combined.read_index(study.path)
    changed = {t.id for t in TRIALS if before["trials"][t.id] != after["trials"][t.id]}
    assert changed == {t.id for t in TRIALS[:3]}
    assert_reads_as_its_trials(study.path)


def test_a_folder_that_cannot_be_written_to_is_read_without_a_word(made, tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.setattr(combined, "LEAST", 3)
    path = shutil.copytree(made, tmp_path / "s")
    path.chmod(0o555)
    if os.access(path, os.W_OK):  # for root, permissions say nothing
        access = os.access
        monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path and access(place, mode))
    assert_reads_as_its_trials(path)
    path.chmod(0o755)
    assert not (path / combined.FOLDER).exists()
    assert (capfd.readouterr(), list(recwarn)) == (("", ""), [])


@pytest.mark.parametrize("failing", ["make_folder", "write_bytes", "write_record"])
def test_a_full_disk_costs_the_copy_and_nothing_else(made, tmp_path, monkeypatch, failing):
    def fail(*args, **kwargs):
        raise StorageError("no room")

    monkeypatch.setattr(combined, "LEAST", 3)
    path = shutil.copytree(made, tmp_path / "s")
    with monkeypatch.context() as patch:
        patch.setattr(combined, failing, fail)
        assert_reads_as_its_trials(path)
        assert not (path / combined.FOLDER / combined.INDEX).exists()
    assert_reads_as_its_trials(path)
    assert (path / combined.FOLDER / combined.INDEX).exists()


def test_nothing_is_read_or_written_through_a_link(study, tmp_path, decoded):
    elsewhere = tmp_path / "elsewhere"
    (study.path / combined.FOLDER).rename(elsewhere)
    (study.path / combined.FOLDER).symlink_to(elsewhere, target_is_directory=True)
    before = {p.name: p.stat().st_mtime_ns for p in elsewhere.iterdir()}
    ganbench.load(study.path)
    assert decoded == {t.id for t in TRIALS}
    assert {p.name: p.stat().st_mtime_ns for p in elsewhere.iterdir()} == before
    issues = [(issue.kind, issue.reason) for issue in inspect(study.path) if combined.FOLDER in issue.path.parts]
    assert issues == [("foreign", "is a link")]


def test_files_of_others_stay_and_remains_of_a_killed_process_go(study):
    folder = study.path / combined.FOLDER
    (folder / "notes.txt").write_text("mine")
    (folder / ".steps.parquet.host.1.part").write_bytes(b"half")
    kinds = {issue.path.name: issue.kind for issue in inspect(study.path) if combined.FOLDER in issue.path.parts}
    assert kinds == {"notes.txt": "foreign", ".steps.parquet.host.1.part": "unfinished"}
    (folder / combined.INDEX).unlink()
    ganbench.load(study.path)
    assert sorted(p.name for p in folder.iterdir()) == sorted([*COPY, "notes.txt"])


def test_threads_that_read_at_once_all_read_the_same(made, tmp_path, monkeypatch):
    monkeypatch.setattr(combined, "LEAST", 3)
    path = shutil.copytree(made, tmp_path / "s")
    expected = from_trials(path)
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(ganbench.load, [path] * 6):
            assert_same(found, expected)
    assert_reads_as_its_trials(path)


def _read_and_write(path, times):
    combined.LEAST = 3
    for k in range(times):
        if k % 2:
            (path / combined.FOLDER / combined.INDEX).unlink(missing_ok=True)
        assert_same(ganbench.load(path), from_trials(path))


@pytest.mark.slow
def test_processes_that_read_and_write_at_once_all_read_what_the_trials_say(made, tmp_path, monkeypatch):
    path = shutil.copytree(made, tmp_path / "s")
    context = get_context("fork")
    processes = [context.Process(target=_read_and_write, args=(path, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    monkeypatch.setattr(combined, "LEAST", 3)
    assert_reads_as_its_trials(path)


# -- what it is for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objectives", "seeds", "steps", "most"),
    [
        pytest.param(4, 75, 20, 3, marks=pytest.mark.slow(seconds=30)),  # where half of writing does not grow
        pytest.param(16, 100, 100, 1.5, marks=pytest.mark.soak),
    ],
)
def test_reading_the_copy_takes_less_than_half_the_time(tmp_path, monkeypatch, objectives, seeds, steps, most):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of them would take longer than all else
    names = {f"objective-{k:02}": 30.0 + k for k in range(objectives)}
    path = write_study(tmp_path / "s", names, seeds=seeds, steps=steps)
    times = {}
    for way in ("apart", "copying", "copied"):
        began = time.process_time()
        found = from_trials(path) if way == "apart" else ganbench.load(path)
        times[way] = time.process_time() - began
        if way == "apart":
            expected = found
        assert_same(found, expected)
    assert combined.read_index(path)["trials"].keys() == set(expected.trials["trial"])
    assert times["copied"] < times["apart"] / 2
    assert times["copying"] < times["apart"] * most
