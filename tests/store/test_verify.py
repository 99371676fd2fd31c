"""Whatever happens to a stored file is noticed, named, and made again; nothing else is."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from damage import DAMAGE
from refusals import refused
from stored import spec, stored, tables

import ganbench
from ganbench.errors import DamageError, StorageError, UsageError
from ganbench.interfaces.executor import RunContext
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import run_cohort
from ganbench.spec import ProbeProtocol
from ganbench.store.files import json_bytes, read_record, replace_files, seal, write_bytes, write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_run, read_trial
from ganbench.store.verify import delete_corrupt, inspect, trial_state
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

FILES = ("trial.json", "run.json", "steps.parquet", "evaluations.parquet", "generator.safetensors")


def whole_study(path):
    """Two trials with all their files, and the floors of an imagined dataset."""
    trials = spec().trials()
    for k, trial in enumerate(trials):
        store = stored(path, trial)
        changed = {name: table.assign(**_other(table, k)) for name, table in tables(trial).items()}
        store.write(
            trial, {**store.run(trial), "trial": trial.id}, changed, {"generator": {"w": torch.full((2,), float(k))}}
        )
    columns = {"dataset": "ring", "metric": "fid", "value": 1.0, "standard_error": 0.1, "repetitions": 10}
    store.write_floors(pd.DataFrame([{**columns, "n_samples": 8, "protocol": "fid@x/8: halves", "reason": ""}]))
    return store, trials


def _other(table, k):
    return {"value": table["value"] + k} if "value" in table else {"critic_loss": float(k)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return whole_study(tmp_path_factory.mktemp("made") / "s")


@pytest.fixture
def study(made, tmp_path):
    shutil.copytree(made[0].path, tmp_path / "s")
    return StudyFolder(tmp_path / "s"), made[1]


def test_a_whole_study_has_no_findings(study):
    store, trials = study
    assert inspect(store.path) == []
    assert [trial_state(store, trial) for trial in trials] == ["completed", "completed"]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_every_corruption_of_every_file_of_a_trial_is_found_and_no_command_reads_it(study, name, damage):
    store, (trial, other) = study
    path = store.folder(trial) / name
    path.write_bytes(DAMAGE[damage](path.read_bytes(), (store.folder(other) / name).read_bytes()))
    assert [f.path for f in inspect(store.path)] == [path]
    assert trial_state(store, trial) == "damaged"
    assert trial_state(store, other) == "completed"
    if name != "generator.safetensors":  # which no table comes from
        with refused(DamageError, subject=path):
            ganbench.load(store.path)


@pytest.mark.parametrize("damage", [d for d in DAMAGE if d != "replaced"])
@pytest.mark.parametrize("name", ["study.json", "floors.parquet"])
def test_so_is_every_corruption_beside_the_trials(study, name, damage):
    store, trials = study
    path = store.path / name
    path.write_bytes(DAMAGE[damage](path.read_bytes(), b""))
    assert path in [f.path for f in inspect(store.path)]
    assert [trial_state(store, trial) for trial in trials] == ["completed", "completed"]
    said = []
    delete_corrupt(store, said.append)
    if not store.is_begun():
        store.begin({"command": "again"})
    ganbench.load(store.path)
    assert not [f for f in inspect(store.path) if f.kind == "damaged"]
    assert len(said) == (name == "floors.parquet")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_missing(study, name):
    store, (trial, _) = study
    (store.folder(trial) / name).unlink()
    (finding,) = inspect(store.path)
    expected = ("unfinished", store.folder(trial)) if name == "run.json" else ("missing", store.folder(trial) / name)
    assert (finding.kind, finding.path) == expected
    assert trial_state(store, trial) == ("missing" if name == "run.json" else "damaged")


def test_a_trials_folder_under_another_ones_name_is_noticed(study):
    store, (trial, other) = study
    shutil.rmtree(store.folder(trial))
    shutil.copytree(store.folder(other), store.folder(trial))
    assert trial_state(store, trial) == "damaged"
    (finding,) = inspect(store.path)
    assert finding.kind == "damaged"


def test_a_forged_description_is_noticed_by_its_address(study):
    """Whoever makes all checksums fit still cannot make a trial of 3 steps out of one of 2."""
    store, (trial, _) = study
    folder = store.folder(trial)
    text = json.loads((folder / "trial.json").read_text())
    run = read_record(folder / "run.json")
    replace_files(
        folder / "run.json",
        run,
        {"trial.json": json_bytes({**text, "settings": {**text["settings"], "steps": 3}})},
    )
    assert trial_state(store, trial) == "damaged"
    assert read_trial(folder, read_run(folder))["settings"]["steps"] == 3  # no checksum tells
    assert [(issue.kind, issue.path) for issue in inspect(store.path)] == [("damaged", folder / "trial.json")]


def test_untracked_files_and_remains_are_told_apart(study):
    store, (trial, _) = study
    (store.path / "notes.txt").write_text("mine")
    (store.folder(trial) / "picture.png").write_text("mine")
    (store.folder(trial) / ".steps.parquet.17.part").write_text("half")
    (store.path / "trials" / "backup").mkdir()
    (store.path / "trials" / "backup" / "x").write_text("mine")
    (store.path / "trials" / "link").symlink_to(store.folder(trial))
    kinds = {str(f.path.relative_to(store.path)): f.kind for f in inspect(store.path)}
    assert kinds == {
        "notes.txt": "foreign",
        f"trials/{trial.id}/picture.png": "foreign",
        f"trials/{trial.id}/.steps.parquet.17.part": "unfinished",
        "trials/backup": "foreign",
        "trials/link": "foreign",
    }
    assert trial_state(store, trial) == "completed"


def test_a_trial_that_was_asked_for_and_never_run_is_unfinished(study):
    store, (trial, _) = study
    store.begin({"trials": [trial.id, "gan-s9-0123456789abcdef"]})
    (finding,) = inspect(store.path)
    assert (finding.kind, finding.path.name) == ("unfinished", "gan-s9-0123456789abcdef")


def test_a_corrupt_probe_is_repeated_and_the_training_kept(study):
    store, (trial, _) = study
    probes = pd.DataFrame(columns=list(ganbench.load(store.path).probes))
    store.add(trial, {**store.run(trial), "probe": {"generator_steps": [1], "critic_steps": 1}}, {"probes": probes})
    protocol = ProbeProtocol((1,), 1)
    assert trial_state(store, trial, protocol) == "completed"
    (store.folder(trial) / "probes.parquet").write_bytes(b"")
    assert trial_state(store, trial, protocol) == trial_state(store, trial) == "unprobed"


def test_adding_a_table_does_not_validate_a_corrupt_one(study):
    store, (trial, _) = study
    run = store.run(trial)
    (store.folder(trial) / "steps.parquet").write_bytes(b"junk")
    store.add(trial, run, {"evaluations": tables(trial)["evaluations"]})
    assert trial_state(store, trial) == "damaged"


def test_names_in_a_record_never_lead_out_of_the_trials_folder(study, tmp_path):
    store, (trial, _) = study
    (tmp_path / "secret").write_text("x")
    run = read_record(store.folder(trial) / "run.json")
    write_record(store.folder(trial) / "run.json", {**run, "files": {**run["files"], "../../../secret": "0"}})
    assert trial_state(store, trial) == "damaged"


# -- parts that are made again where they are needed ----------------------------------------------------------------


def with_references(store):
    """Reference generators of two seeds, as a run leaves them."""
    folder = store.path / "references"
    store.make(folder)
    for seed in (0, 1):
        stem, content = f"0123456789ab-s{seed}", f"weights of {seed}".encode()
        replace_files(folder / f"{stem}.json", {"seed": seed}, {f"{stem}-25.safetensors": content})
    return folder


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("suffix", [".json", "-25.safetensors"])
def test_every_damage_to_a_reference_is_noticed_and_all_of_its_seed_cleared_away(study, damage, suffix):
    store, _ = study
    folder = with_references(store)
    assert inspect(store.path) == []
    path, twin = (folder / f"0123456789ab-s{seed}{suffix}" for seed in (0, 1))
    path.write_bytes(DAMAGE[damage](path.read_bytes(), twin.read_bytes()))
    assert path in [f.path for f in inspect(store.path) if f.kind == "damaged"]
    delete_corrupt(store, lambda text: None)
    assert sorted(p.name for p in folder.iterdir()) == ["0123456789ab-s1-25.safetensors", "0123456789ab-s1.json"]
    assert inspect(store.path) == []


def test_an_untracked_file_among_the_references_stays(study):
    store, _ = study
    folder = with_references(store)
    (folder / "notes.json").write_text("mine")
    assert [(f.kind, f.path.name) for f in inspect(store.path)] == [("foreign", "notes.json")]
    delete_corrupt(store, lambda text: None)
    assert (folder / "notes.json").read_text() == "mine"


@pytest.mark.parametrize("part", ["references", "checkpoints"])
def test_a_link_in_the_place_of_a_part_is_untracked_and_nothing_behind_it_is_removed(study, tmp_path, part):
    store, _ = study
    precious = tmp_path / "elsewhere" / "x"
    precious.mkdir(parents=True)
    for file in (precious / "checkpoint.json", precious.parent / "0123456789ab-s0.json"):
        file.write_text("mine")
    (store.path / part).symlink_to(precious.parent)
    delete_corrupt(store, lambda text: None)
    assert [(f.kind, f.path.name) for f in inspect(store.path)] == [("foreign", part)]
    assert (
        (precious / "checkpoint.json").read_text() == (precious.parent / "0123456789ab-s0.json").read_text() == "mine"
    )


def test_another_record_in_the_place_of_study_json_is_noticed_and_written_anew(study):
    store, (trial, _) = study
    shutil.copy(store.folder(trial) / "run.json", store.path / "study.json")
    assert store.path / "study.json" in [f.path for f in inspect(store.path) if f.kind == "damaged"]
    assert not store.is_begun()
    store.begin({"command": "again"})
    assert read_record(store.path / "study.json")["requests"] == [{"command": "again"}]
    assert inspect(store.path) == []


# -- the moments between -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", range(1, 4))
def test_wherever_the_replacing_of_a_file_stops_the_trial_is_whole(study, monkeypatch, writes):
    """Three writes replace a table: the record that accepts both, the table, the record that accepts the new one."""
    store, (trial, _) = study
    left = [writes]

    def dying(path, content, *where):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write_bytes(path, content, *where)

    monkeypatch.setattr("ganbench.store.files.write_bytes", dying)
    changed = tables(trial)["evaluations"].assign(value=99.0)
    try:
        store.add(trial, store.run(trial), {"evaluations": changed})
    except KeyboardInterrupt:
        assert writes < 3
    assert trial_state(store, trial) == "completed"
    values = ganbench.load(store.path).evaluations.set_index("seed")["value"]
    assert values[0] == (3.0 if writes == 1 else 99.0)
    assert [f.kind for f in inspect(store.path)] == ([] if writes == 3 else ["unfinished"])


def test_a_table_that_was_about_to_be_added_is_unfinished_and_the_trial_stays_whole(study, monkeypatch):
    store, (trial, _) = study

    def full(path, content, *where):
        if path.suffix == ".parquet":
            raise StorageError("no room")
        write_bytes(path, content, *where)

    monkeypatch.setattr("ganbench.store.files.write_bytes", full)
    probes = pd.DataFrame(columns=list(ganbench.load(store.path).probes))
    with pytest.raises(StorageError):
        store.add(trial, {**store.run(trial), "probe": {"generator_steps": [1], "critic_steps": 1}}, {"probes": probes})
    assert {f.kind for f in inspect(store.path)} == {"unfinished"}
    assert trial_state(store, trial) == "completed"
    assert trial_state(store, trial, ProbeProtocol((1,), 1)) == "unprobed"
    assert len(ganbench.load(store.path).trials) == 2


def test_a_reference_that_the_disk_had_no_room_for_is_unfinished_and_not_missing(study):
    store, _ = study
    record = with_references(store) / "0123456789ab-s0.json"
    write_record(record, {**read_record(record), "pending": {"0123456789ab-s0-250.safetensors": "0"}})
    assert [(f.kind, f.path.name) for f in inspect(store.path)] == [("unfinished", "0123456789ab-s0-250.safetensors")]


def test_a_file_is_written_beside_its_place_and_never_through_a_link(tmp_path):
    (tmp_path / "victim").write_text("old")
    (tmp_path / f".file.{os.getpid()}.part").symlink_to(tmp_path / "victim")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_text() == "old"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be flushed here")
def test_content_reaches_the_disk_before_its_name_and_the_name_before_the_next_step(tmp_path, monkeypatch):
    done = []

    def recorded(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            place = Path(os.readlink(f"/proc/self/fd/{args[0]}")) if name == "fsync" else Path(args[1])
            done.append((name, re.sub(r"^\.file\..*\.part$", ".file.part", place.name)))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    recorded("fsync")
    recorded("replace")
    write_bytes(tmp_path / "file", b"new")
    StudyFolder(tmp_path).make(tmp_path / "folder")
    above = tmp_path.name
    assert done == [("fsync", ".file.part"), ("replace", "file"), ("fsync", above), ("fsync", above)]


def test_no_room_is_a_sentence_and_leaves_what_was_there(tmp_path):
    import resource

    (tmp_path / "file").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with refused(StorageError, subject=tmp_path / "file"):
            write_bytes(tmp_path / "file", b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_every_single_bit_of_a_record_counts(tmp_path):
    write_record(tmp_path / "r.json", {"a": 1.5, "b": ["x", None], "ü": float("nan")})
    content = (tmp_path / "r.json").read_bytes()
    assert read_record(tmp_path / "r.json")["b"] == ["x", None]
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        (tmp_path / "r.json").write_bytes(changed)
        with pytest.raises(DamageError):
            read_record(tmp_path / "r.json")


def test_a_seal_does_not_depend_on_an_earlier_one():
    assert seal(seal({"a": 1})) == seal({"a": 1})


# -- commands ----------------------------------------------------------------------------------------------------------


def test_verify_names_what_is_wrong_and_its_exit_code_says_so(study, call):
    store, (trial, _) = study
    code, out, err = call("verify", store.path)
    assert (code, out) == (0, "")
    assert err == f"{store.path}: 2 finished trials, all whole\n"
    (store.folder(trial) / "steps.parquet").write_bytes(b"")
    (store.path / "notes.txt").write_text("mine")
    code, out, err = call("verify", store.path, "--json")
    assert code == 1
    assert [row["state"] for row in json.loads(out)] == ["damaged", "foreign"]
    assert json.loads(out)[0]["where"] == f"trials/{trial.id}/steps.parquet"
    assert "1 damaged, 1 foreign" in err


def test_verify_refuses_what_is_no_study_and_what_is_newer(study, call, tmp_path):
    code, _, err = call("verify", tmp_path / "nowhere")
    assert code == 2
    assert str(tmp_path / "nowhere") in err
    store, _ = study
    write_record(store.path / "study.json", {**read_record(store.path / "study.json"), "schema": 99})
    with refused(UsageError, subject=store.path / "study.json", code="newer") as caught:
        ganbench.load(store.path)
    code, _, err = call("verify", store.path)
    assert code == 2
    assert str(caught.value) in err
    run = ("run", "--out", store.path, "--datasets", "ring", "--device", "cpu")
    others = ("report", "export", "evaluate", "rerun", "compare")
    trial = next(store.path.glob("trials/*"))
    rest = {"export": ["--format", "csv"], "evaluate": ["--metrics", "kid"], "compare": [store.path]}
    for words in (run, *((name, trial if name == "rerun" else store.path, *rest.get(name, [])) for name in others)):
        code, _, err = call(*words)
        assert code == 2, words
        assert str(caught.value) in err


REGISTRY = load_plugins()
SMALL = {"steps": 4, "batch_size": 8, "evaluate_every": 2, "n_samples": 60, "device": "cpu", "probe": False}


@pytest.mark.slow
def test_a_run_trains_again_exactly_what_is_corrupt(tmp_path):
    config = StudyConfig(**SMALL, objectives=("gan", "wgan"), datasets=("ring",), seeds=(0, 1), out=str(tmp_path / "s"))
    made = make_study(config, REGISTRY, Path("nowhere"))
    store, where = made.store(), RunContext(str(tmp_path / "s"), "nowhere", "cpu", threads=1)
    store.begin({"command": "test"})
    for cohort in made.missing():
        run_cohort(cohort, where, lambda step: None)
    before = ganbench.load(store.path).steps.drop(columns="seconds").sort_values(["trial", "step"], ignore_index=True)
    victim = made.cohorts[1].trials()[1]
    path = store.folder(victim) / "steps.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    times = {p: p.stat().st_mtime_ns for p in store.path.glob("trials/*/*") if p.parent.name != victim.id}
    (missing,) = made.missing()
    assert missing == replace(made.cohorts[1], seeds=(1,))
    run_cohort(missing, where, lambda step: None)
    assert made.missing() == []
    assert {p: p.stat().st_mtime_ns for p in times} == times
    after = ganbench.load(store.path).steps.drop(columns="seconds").sort_values(["trial", "step"], ignore_index=True)
    pd.testing.assert_frame_equal(before, after, check_exact=True)
