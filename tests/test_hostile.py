"""Results folders from anywhere: whatever their records, tables and links say, one sentence and no harm."""

import json
import math
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from reported import floors_table, steps_table, trial, write_study, write_verdicts

import ganbench
from ganbench.claims.experiment import Profile
from ganbench.claims.run import Part
from ganbench.cli.run import _checkpoint_seconds
from ganbench.engine.loop import LogChunk
from ganbench.engine.readings import READINGS
from ganbench.engine.training_log import TrainingLog
from ganbench.errors import DamageError, GanbenchError, ObstructedError, UsageError
from ganbench.report.figures.figure import Figure, Panel
from ganbench.report.html import FigureWriter, render_figure
from ganbench.report.sections import load_report_data
from ganbench.runner.executors.task import accept
from ganbench.spec import CohortSpec, Component, Protocol
from ganbench.store import locks, results, schema, scratch
from ganbench.store.checkpoint import Checkpoint, Checkpoints, delete_finished
from ganbench.store.files import json_bytes, parquet_bytes, read_bytes, read_record, replace_files, write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.locks import Lock, acquire_trials, waited_for
from ganbench.store.results import read_study
from ganbench.store.verify import delete_corrupt, inspect, trial_state


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("made") / "s", {"gan": 40.0}, seeds=2, steps=4)


@pytest.fixture
def study(made, tmp_path):
    return StudyFolder(shutil.copytree(made, tmp_path / "s"))


TRIALS = [trial("gan", seed, steps=4) for seed in (0, 1)]
MISSING = object()

# -- records -----------------------------------------------------------------------------------------------------------

NAME = (None, 3, True, 1.5, [], {}, "", "\ud800", "x" * 5000, "\x1b[2J", "two\nlines", "\u202egnp.exe")
TEXT = (None, 3, True, [], {}, "\ud800", "x" * 1_000_001)
COUNT = (None, "3", True, 1.5, -1, 10**30, math.nan, [], {}, "9" * 5000)
NUMBER = (None, "1.5", True, math.inf, math.nan, [], {})
OBJECT = (None, 3, "x", True, [], [{}])
FIELDS = {
    "run.json": {
        "trial": NAME, "status": (*NAME, "finished"), "last_step": COUNT, "wall_seconds": NUMBER, "attempts": COUNT,
        "device": NAME, "error": TEXT, "versions": OBJECT, "files": OBJECT,
    },
    "trial.json": {
        "trial": NAME, "dataset": NAME, "architecture": NAME, "objective": NAME, "seed": COUNT, "settings": OBJECT,
        "settings.dataset": OBJECT, "settings.dataset.name": NAME, "settings.dataset.fields": OBJECT,
        "settings.architecture.code": TEXT, "settings.objective.name": NAME, "settings.objective.fields": OBJECT,
        "settings.steps": (*COUNT, 0), "settings.batch_size": (*COUNT, 0), "settings.evaluate_every": (*COUNT, 0),
        "settings.n_samples": COUNT, "settings.engine": COUNT,
    },
    "study.json": {"requests": (None, 3, "x", True, {}, [3], [None], [{"command": 3}], [{"trials": "x"}])},
}  # fmt: skip
OPTIONAL = {
    "schema": (None, "1", True, 1.5, -1, 10**30, {}), "pending": (None, 3, [], "x"), "vectorised": (None, 3, "yes"),
    "probe": (3, {}, {"generator_steps": [], "critic_steps": 1}, {"generator_steps": [1], "critic_steps": -1}),
    "origins": (None, [], {"dataset": 3}), "compile": (3, {"compiled": "x"}), "machine": (3, "x"), "git": (3, []),
    "cohort": (None, 3, ["x"]), "log": (None, 3), "finished": (None, 3),
}  # fmt: skip


def broken_records(n):
    """So many different changes, each of one field of one record, and of a second one where the first are used up."""
    single = [
        (file, ((field, value),))
        for file, fields in FIELDS.items()
        for field, values in fields.items()
        for value in (*values, MISSING)
    ] + [("run.json", ((field, value),)) for field, values in OPTIONAL.items() for value in values]
    draw = random.Random(0)
    double = [(a[0], (*a[1], *draw.choice([b for b in single if b[0] == a[0]])[1])) for a in single]
    draw.shuffle(single)
    return (single + double)[:n]


def changed(record, changes):
    record = json.loads(json.dumps(record))
    for field, value in changes:
        *places, last = field.split(".")
        into = record
        for place in places:
            into = into.get(place) if isinstance(into, dict) else None
        if isinstance(into, dict):
            into.pop(last, None)
            if value is not MISSING:
                into[last] = value
    return record


def damage(store, file, changes):
    """Change a record, with all its checksums right."""
    folder = store.path if file == "study.json" else store.folder(TRIALS[0])
    if file == "trial.json":
        described = changed(json.loads((folder / file).read_text()), changes)
        replace_files(folder / "run.json", read_record(folder / "run.json"), {file: json_bytes(described)})
    else:
        write_record(folder / file, changed(read_record(folder / file), changes))


COMMANDS = {
    "export": lambda path: ("export", path, "--format", "csv"),
    "compare": lambda path: ("compare", path, path),
    "report": lambda path: ("report", path),
    "evaluate": lambda path: ("evaluate", path, "--metrics", "kid"),
    "rerun": lambda path: ("rerun", path / "trials" / TRIALS[0].id),
    "verify": lambda path: ("verify", path),
}


def check_refused(call, study, cases):
    before = {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()}
    for file, changes in cases:
        damage(study, file, changes)
        for name, words in COMMANDS.items():
            code, _, err = call(*words(study.path))
            case = name, file, [(field, str(value)[:50]) for field, value in changes]
            assert code == (1 if name == "verify" and "newer" not in err else 2), (*case, err[-2000:])
            if name != "verify":
                (sentence,) = err.splitlines()
                assert sentence.startswith("ganbench: "), case
                assert sentence.isprintable(), case
                assert len(sentence) < 1000, case
        for path, content in before.items():
            path.write_bytes(content)


@pytest.fixture
def quickly(monkeypatch):
    """Plugins are loaded once for all calls."""
    registry = ganbench.plugins.registry.load_plugins()
    for command in ("export", "compare", "report", "evaluate", "rerun"):
        monkeypatch.setattr(f"ganbench.cli.{command}.load_plugins", lambda *_, **__: registry)


@pytest.mark.slow
def test_records_with_wrong_fields_are_refused_by_every_command_in_one_sentence(call, study, quickly):
    check_refused(call, study, broken_records(25))


@pytest.mark.soak
def test_five_hundred_records_with_wrong_fields_are_refused_by_every_command(call, study, quickly):
    cases = broken_records(500)
    assert len(cases) == 500
    check_refused(call, study, cases)


@pytest.mark.parametrize("file", ["run.json", "trial.json", "study.json"])
def test_a_record_of_a_newer_version_is_refused_by_its_number_and_never_overwritten(study, file):
    damage(study, file, [("schema", 7)])
    with refused(UsageError, code="newer") as caught:
        ganbench.load(study.path)
    assert caught.value.subject.endswith(file)
    if file == "run.json":
        with refused(UsageError, subject=study.folder(TRIALS[0]) / file, code="newer"):
            trial_state(study, TRIALS[0])


@pytest.mark.slow
def test_a_checkpoint_with_wrong_fields_is_not_used(study):
    checkpoints, spec = with_checkpoint(study)
    whole = read_record(checkpoints.folder(spec) / "checkpoint.json")
    assert checkpoints.find(spec) is not None
    for field, values in {
        "seeds": (None, 3, [], ["x"], [0, 1, 2]), "step": (None, "1", 0, 3), "settings": (None, 3),
        "trials": (None, [3]), "evaluations": (None, {"0": [3]}, {"x": []}), "modes": (None, {"0": [{}]}),
        "wall_seconds": (None, math.inf),
        "files": ({}, {"../a": "x"}, {"a": "b", "c": "d"}), "made_with": (None, []),
    }.items():  # fmt: skip
        for value in (*values, MISSING):
            write_record(checkpoints.folder(spec) / "checkpoint.json", changed(whole, [(field, value)]))
            assert checkpoints.find(spec) is None, (field, value)
            delete_finished(study)
            assert [f.path.name for f in inspect(study.path) if f.kind == "damaged"] == ["checkpoint.json"]


# -- tables ------------------------------------------------------------------------------------------------------------


def rewritten(store, described, name, change):
    """Change a table, with its checksum right."""
    folder = store.folder(described)
    table = change(pd.read_parquet(folder / f"{name}.parquet"))
    table.to_parquet(folder / "x")
    content = (folder / "x").read_bytes()
    (folder / "x").unlink()
    replace_files(folder / "run.json", read_record(folder / "run.json"), {f"{name}.parquet": content})


@pytest.mark.parametrize("categorical", [False, True])
def test_columns_that_an_older_version_had_not_are_filled_and_others_left_out(study, categorical):
    drop = ["estimate", "critic_updates", "architecture"]
    rewritten(study, TRIALS[0], "steps", lambda t: t.drop(columns=drop).assign(later=1.0))
    steps = read_study(study.path, categorical).steps
    assert list(steps) == list(schema.STEPS)
    old, new = (steps[steps["seed"] == seed] for seed in (0, 1))
    assert old["estimate"].isna().all()
    assert new["estimate"].notna().all()
    assert (old["critic_updates"] == 0).all()
    assert set(old["architecture"]) == {""}
    assert set(new["architecture"]) == {"dcgan"}
    assert steps["critic_updates"].dtype == np.int64


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(step="x"),
        lambda t: t.assign(generator_loss="x"),
        lambda t: t.assign(seed=1),
        lambda t: t.assign(trial="x"),
        lambda t: t.drop(columns="trial"),
        lambda t: t.assign(step=[[1]] * len(t)),
    ],
)
def test_a_table_of_another_kind_or_of_another_trial_is_corrupt(study, change):
    rewritten(study, TRIALS[0], "steps", change)
    with refused(DamageError) as caught:
        ganbench.load(study.path)
    assert caught.value.code in ("table", "rows")
    assert "steps.parquet" in str(caught.value)


def test_tables_that_were_swapped_together_with_their_checksums_are_noticed(study):
    contents = [(study.folder(t) / "steps.parquet").read_bytes() for t in TRIALS]
    for described, content in zip(TRIALS, reversed(contents), strict=True):
        record = study.folder(described) / "run.json"
        replace_files(record, read_record(record), {"steps.parquet": content})
    assert [f.path.name for f in inspect(study.path) if f.kind == "damaged"] == ["steps.parquet"] * 2
    assert trial_state(study, TRIALS[0]) == "damaged"
    with pytest.raises(DamageError):
        ganbench.load(study.path)


def test_studies_of_which_one_has_tables_that_another_lacks_make_one_report(tmp_path):
    full = write_study(tmp_path / "a", {"gan": 40.0}, seeds=1, steps=4)
    some = write_study(tmp_path / "b", {"gan": 40.0}, seeds=2, steps=6, without=("modes", "probes"))
    claims = tmp_path / "c"
    StudyFolder(claims).begin({"command": "ganbench reproduce"})
    write_verdicts(claims)
    for folders in ([full, some], [some, full], [claims, full], [full, claims, some]):
        found = load_report_data(folders).results
        assert len(found.modes) == len(ganbench.load(full).modes)
        assert isinstance(found.probes["trial"].dtype, pd.CategoricalDtype)


def test_reading_a_study_opens_every_file_once(study, monkeypatch):
    opened = []
    for module in ("ganbench.store.results", "ganbench.store.files"):
        monkeypatch.setattr(f"{module}.read_bytes", lambda path: opened.append(Path(path)) or read_bytes(path))
    ganbench.load(study.path)
    below = [path for path in opened if path.parent.parent.name == "trials"]
    assert len(below) == len(set(below)) == 2 * (2 + len(schema.TABLES))
    assert len(opened) - len(below) <= 4  # study.json and what lies beside it


@pytest.mark.slow
def test_a_thousand_trials_are_read_in_few_seconds_of_this_processor(made, tmp_path):
    import time

    path = shutil.copytree(made, tmp_path / "s")
    first = StudyFolder(path).folder(TRIALS[0])
    for seed in range(2, 1000):
        described = trial("gan", seed, steps=4)
        folder = StudyFolder(path).folder(described)
        folder.mkdir()
        asked = {**json.loads((first / "trial.json").read_text()), "trial": described.id, "seed": seed}
        contents = {
            "trial.json": json_bytes(asked),
            "steps.parquet": parquet_bytes(steps_table(described, 4), schema.STEPS),
        }
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        run = {**read_record(first / "run.json"), "trial": described.id}
        sums = {name: results.checksum(content) for name, content in contents.items()}
        write_record(folder / "run.json", {**run, "files": sums})
    began = time.process_time()
    assert len(ganbench.load(path).trials) == 1000
    assert time.process_time() - began < 20


# -- copies ------------------------------------------------------------------------------------------------------------


def test_a_copy_of_a_trials_folder_is_named_and_stops_no_other_trial(call, study):
    copy = study.path / "trials" / "B"
    shutil.copytree(study.folder(TRIALS[0]), copy)
    with refused(DamageError, subject=copy / "run.json", code="another-trial") as caught:
        ganbench.load(study.path)
    code, _, err = call("export", study.path, "--format", "csv")
    assert code == 2
    assert str(caught.value) in err
    assert [f.path for f in inspect(study.path) if f.kind == "damaged"] == [copy / "run.json"]
    assert len(read_study(study.path, trials=[t.id for t in TRIALS]).trials) == 2


# -- links -------------------------------------------------------------------------------------------------------------

ID = TRIALS[0].id
PLACES = (
    "study.json", "floors.parquet", "verdicts.parquet", "trials", f"trials/{ID}", f"trials/{ID}/run.json",
    f"trials/{ID}/steps.parquet", f"trials/{ID}/error.log", "checkpoints", "checkpoints/COHORT",
    "checkpoints/COHORT/checkpoint.json", "references", "experiments", "experiments/x", "logs", f"logs/{ID}.log",
    ".locks", ".locks/study.lock", ".locks/study.lease", f".locks/{ID}.lock", f".locks/{ID}.lease",
    f".locks/{ID}.begun", "report", "report/figures", "report/figures/figure.png", "report/figures/figure.svg",
    "report/index.html",
)  # fmt: skip


def with_checkpoint(store):
    part = [Component(kind, "x", "x", {}, "c") for kind in ("dataset", "architecture", "objective")]
    spec = CohortSpec(*part, Protocol(4, 8, 2), (0, 1))
    checkpoints = Checkpoints(store, {"torch": "1"})
    record = TrainingLog((0, 1))
    record.note(LogChunk(1, 2, np.zeros((2, 2, len(READINGS))), np.ones(2, np.int64), np.ones(2)))
    checkpoints.write(spec, Checkpoint(record, {}, 1.0))
    return checkpoints, spec


class PartOfX(Part):
    """Of an experiment that is in no catalogue."""

    def _experiment(self):
        return SimpleNamespace(name="x", key=lambda profile: "0" * 12)


def everything(store):
    """Writes and removes in every place where any command does; each step that is refused is skipped."""
    described = TRIALS[0]
    run = {"status": "failed", "last_step": 0, "wall_seconds": 1.0, "attempts": 1, "device": "cpu", "error": "x"}
    part = PartOfX("x", "part", Profile("quick", ()))
    figure = Figure("figure", "t", "c", "a", (Panel("p", (lambda ax: ax.plot([0, 1]),)),))

    def locked():
        with store.lock("study"):
            store.begin({"command": "again"})

    def held():
        with acquire_trials(store, [described], None):
            locks.note_attempt(store, [described])
            locks.withdraw_attempt(store, [described])
            locks.forget_attempts(store, described)

    def references():
        store.make(store.path / "references")
        with waited_for(Lock(store.path / "references" / ".x-s0", store.path), "x"):
            replace_files(store.path / "references" / "x-s0.json", {}, {"x-s0-1.safetensors": b"x"}, store.path)

    def noted():
        store.make(store.path / "logs")
        store.write_bytes(store.path / "logs" / f"{described.id}.log", b"x")

    def checkpoints():
        checkpoints, spec = with_checkpoint(store)
        checkpoints.remove(spec)

    steps = (
        store.check, store.open, locked, held, references, noted, checkpoints,
        lambda: delete_corrupt(store, lambda text: None), lambda: delete_finished(store),
        lambda: store.write_floors(floors_table()), lambda: write_verdicts(store.path),
        lambda: store.write(described, {**run, "versions": {}}, {"steps": steps_table(described, 4)}, {}, "log"),
        lambda: store.add(described, {**run, "versions": {}}, {"steps": steps_table(described, 4)}),
        lambda: part.write(store.path, []), lambda: accept(store.path, {"logs/a.log": b"x", f"logs/{ID}.log": b"x"}),
        lambda: FigureWriter(store.path / "report" / "figures", 1, store.path),
        lambda: render_figure(figure, store.path / "report" / "figures", store.path),
        lambda: results.read_bytes(store.path / "study.json"),
    )  # fmt: skip
    for step in steps:
        try:
            step()
        except GanbenchError:
            continue


LINKS = [(place, "folder") for place in PLACES if "." not in place.rpartition("/")[2][1:]]
LINKS += [(place, kind) for place in PLACES if (place, "folder") not in LINKS for kind in ("file", "nothing")]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "target"), LINKS)
def test_no_link_in_a_received_folder_leads_a_write_out_of_it(study, tmp_path, place, target, monkeypatch):
    monkeypatch.setattr("ganbench.report.html._METADATA", {"svg": {"Date": None, "Creator": None}})
    checkpoints, spec = with_checkpoint(study)
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("run.json", "checkpoint.json", "figure.svg", "index.html", ".x.part", "1.safetensors", f"{ID}.log"):
        (victim / name).write_text("mine")
    link = study.path / place.replace("COHORT", checkpoints.folder(spec).name)
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to({"folder": victim, "file": victim / "run.json", "nothing": tmp_path / "nothing"}[target])
    before = {p: p.read_bytes() if p.is_file() else None for p in victim.rglob("*")}
    everything(study)
    assert {p: p.read_bytes() if p.is_file() else None for p in victim.rglob("*")} == before
    assert not (tmp_path / "nothing").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", [".locks/study.lock", "report/figures", "checkpoints", "report/index.html"])
def test_a_thing_of_another_kind_in_the_way_is_a_sentence_and_exit_code_2(call, study, place):
    path = study.path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if place.endswith((".lock", ".html")):
        path.mkdir()
    else:
        path.write_text("mine")
    if place == ".locks/study.lock":
        with pytest.raises(ObstructedError), study.lock("study"):
            pass
    elif place == "checkpoints":
        with pytest.raises(ObstructedError):
            study.check()
    else:
        code, _, err = call("report", study.path)
        assert (code, "Traceback" in err) == (2, False)


# -- locks -------------------------------------------------------------------------------------------------------------


def test_what_evaluates_and_what_trains_exclude_each_other(study, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    described, said = TRIALS[0], []

    class EnoughError(Exception):
        pass

    def leave():
        if said:
            raise EnoughError

    with study.lock(described.id):
        with acquire_trials(study, TRIALS, None) as held:
            assert held == TRIALS[1:]
        with pytest.raises(EnoughError), acquire_trials(study, [described], leave, said.append):
            pass
    assert said[0].startswith(f"waiting for {described.id}, which process ")
    with acquire_trials(study, [described], None) as held:
        assert held == [described]
        assert not Lock(study.path / ".locks" / described.id, study.path).take()
        assert {p.suffix for p in (study.path / ".locks").glob(f"{described.id}.*")} == {".lock", ".lease"}


def test_a_number_of_seconds_that_is_none_is_a_sentence(monkeypatch):
    for text, wanted in (("", 25.0), ("0", 0.0), ("1.5", 1.5)):
        monkeypatch.setenv("GANBENCH_CHECKPOINT_SECONDS", text)
        assert _checkpoint_seconds() == wanted
    for text in ("abc", "nan", "inf", "-1"):
        monkeypatch.setenv("GANBENCH_CHECKPOINT_SECONDS", text)
        with pytest.raises(UsageError) as caught:
            _checkpoint_seconds()
        assert "GANBENCH_CHECKPOINT_SECONDS" in str(caught.value)


# -- temporary folders -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(scratch.fcntl is None, reason="needs file locks of the system")
def test_temporary_folders_of_processes_that_are_gone_are_removed_and_no_others(tmp_path):
    for name in ("gb-left", "pymp-left", "ganbench-left", "pymp-alien", "other-left"):
        (tmp_path / name).mkdir()
        if name != "pymp-alien":
            (tmp_path / name / scratch.OWNER).touch()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / scratch.OWNER).touch()
    (tmp_path / "gb-link").symlink_to(tmp_path / "victim")
    mine = scratch.make_scratch("gb-", str(tmp_path))
    left = {p.name for p in tmp_path.iterdir() if p.name != "cache"}
    assert left == {"pymp-alien", "other-left", "victim", "gb-link", mine.name}
    assert mine.stat().st_mode & 0o077 == 0
    scratch.delete_abandoned(tmp_path)
    assert mine.exists()
    scratch.drop_scratch(mine)
    assert not mine.exists()


def test_names_of_files_reach_the_terminal_with_their_control_characters_written_out(call, study):
    (study.path / "\x1b[2J\n\u202ex\udcff").write_text("mine")
    code, out, _ = call("verify", study.path)
    assert code == 1  # no generator is stored here
    assert "\\x1b[2J\\n\\u202ex\\udcff" in out
