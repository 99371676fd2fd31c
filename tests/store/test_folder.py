import json

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from stored import RUN, spec, stored, tables

import ganbench
from ganbench.errors import DamageError, StorageError, UsageError
from ganbench.spec import Trial, slug
from ganbench.store import schema
from ganbench.store.files import parquet_bytes, replace_files
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_study, typed


def test_what_is_written_is_read_back_with_exactly_the_columns_of_the_schema(tmp_path):
    trials = spec().trials()
    for trial in trials:
        stored(tmp_path / "s", trial)
    results = ganbench.load(tmp_path / "s")
    assert list(results.trials) == list(schema.TRIALS)
    assert list(results.steps) == list(schema.STEPS)
    assert list(results.evaluations) == list(schema.EVALUATIONS)
    assert list(results.probes) == list(schema.PROBES)
    assert (len(results.trials), len(results.steps), len(results.evaluations), len(results.probes)) == (2, 4, 2, 0)
    assert results.steps["generator_loss"].isna().sum() == 2
    assert set(results.trials["seed"]) == {0, 1}
    assert json.loads(results.trials["settings"][0])["steps"] == 2


def test_reasons_of_older_folders_move_into_their_column_and_other_rows_have_none(tmp_path):
    old, new = spec().trials()
    for trial in (old, new):
        store = stored(tmp_path / "s", trial)
    earlier = {name: kind for name, kind in schema.EVALUATIONS.items() if name != "reason"}
    rows = pd.concat([tables(old)["evaluations"]] * 2, ignore_index=True)[list(earlier)]
    rows.loc[1, ["metric", "value", "protocol"]] = "modes", np.nan, "modes@x/8 (not computed: x has (no) modes)"
    content = {"evaluations.parquet": parquet_bytes(rows, earlier)}
    replace_files(store.folder(old) / "run.json", {"trial": old.id, **(store.run(old) or {})}, content)
    for results in (ganbench.load(store.path), read_study(store.path)):
        found = results.evaluations
        assert list(found) == list(schema.EVALUATIONS)
        by_seed = found.groupby("seed")["protocol"].agg(list).to_dict()
        assert by_seed == {0: ["fid@x/8", "modes@x/8"], 1: ["fid@x/8"]}
        assert found.set_index("protocol")["reason"].to_dict() == {"fid@x/8": "", "modes@x/8": "x has (no) modes"}
    assert store.read(old)[1]["evaluations"]["reason"].tolist() == ["", "x has (no) modes"]


def test_columns_that_a_table_lacks_are_empty():
    columns = {"trial": "str", "step": "int64", "value": "float64", "captured": "bool"}
    table = typed(pd.DataFrame({"trial": ["a"]}), columns)
    assert table.iloc[0, [0, 1, 3]].tolist() == ["a", 0, False]
    assert np.isnan(table["value"][0])
    assert typed(pd.DataFrame(), columns).empty
    assert list(typed(pd.DataFrame(), schema.EVALUATIONS)) == list(schema.EVALUATIONS)


def test_tables_are_plain_parquet(tmp_path):
    trial = spec().trials()[0]
    store = stored(tmp_path / "s", trial)
    table = pd.read_parquet(store.folder(trial) / "steps.parquet")
    assert list(table) == list(schema.STEPS)


def test_the_layout_is_the_contract(tmp_path):
    trial = spec().trials()[0]
    stored(tmp_path / "s", trial)
    found = {str(p.relative_to(tmp_path / "s")) for p in (tmp_path / "s").rglob("*") if p.is_file()}
    names = ("trial.json", "steps.parquet", "evaluations.parquet", "generator.safetensors", "run.json")
    assert found == {"study.json", *(f"trials/{trial.id}/{n}" for n in names)}


def test_a_trial_without_run_json_has_not_finished(tmp_path):
    trial = spec().trials()[0]
    store = stored(tmp_path / "s", trial)
    assert (store.status(trial), store.attempts(trial)) == ("completed", 1)
    (store.folder(trial) / "run.json").unlink()
    assert (store.status(trial), store.attempts(trial)) == (None, 0)
    assert len(ganbench.load(tmp_path / "s").trials) == 0


def test_an_address_is_the_hash_of_everything_that_determines_the_numbers():
    first = spec().trials()
    assert first[0].id != first[1].id
    assert [t.id for t in spec().trials()] == [t.id for t in first]
    for change in ({"steps": 3}, {"batch_size": 9}, {"evaluate_every": 2}, {"n_samples": 10}):
        assert spec(**change).trials()[0].id != first[0].id
    relabelled = Trial("other", "labels", "only", 0, first[0].settings)
    assert relabelled.id.split("-")[-1] == first[0].id.split("-")[-1]


def test_a_name_never_becomes_a_path():
    for name in ("../../etc/passwd", "a/b", "", "...", "wgan[clip=0.1]", "x" * 500, "CON\x00", "ä<script>"):
        assert "/" not in slug(name)
        assert slug(name).strip(".")
        assert len(slug(name)) <= 48
    assert slug("wgan[clip=0.1]") == "wgan-clip-0.1"


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    trial = spec().trials()[0]
    store = stored(tmp_path / "s", trial)
    before = (store.folder(trial) / "steps.parquet").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with refused(StorageError, subject=store.folder(trial) / "trial.json"):
        store.write(trial, RUN, tables(trial), {})
    assert (store.folder(trial) / "steps.parquet").read_bytes() == before
    assert not list((tmp_path / "s").rglob("*.part"))


def test_requests_are_kept_in_the_order_in_which_they_came(tmp_path):
    store = StudyFolder(tmp_path / "s")
    for command in ("one", "two", "one"):
        store.begin({"command": command})
    assert [r["command"] for r in json.loads((tmp_path / "s" / "study.json").read_text())["requests"]] == ["two", "one"]


@pytest.mark.parametrize(
    ("prepare", "kind", "subject", "code"),
    [
        (lambda p: None, UsageError, "s", "no-study"),
        (lambda p: p.mkdir(), UsageError, "s", "no-study"),
        (lambda p: (p.mkdir(), (p / "study.json").write_text('{"schema": 99}')), UsageError, "s", "newer"),
        (lambda p: (p.mkdir(), (p / "study.json").write_text("{")), DamageError, "s/study.json", "unreadable"),
    ],
)
def test_a_folder_that_is_no_study_is_refused_in_one_sentence(tmp_path, prepare, kind, subject, code):
    prepare(tmp_path / "s")
    with refused(kind, subject=tmp_path / subject, code=code):
        ganbench.load(tmp_path / "s")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with refused(UsageError, subject=tmp_path / "file", code="file"):
            StudyFolder(path).check()
    StudyFolder(tmp_path / "new" / "folder").check()
    assert not (tmp_path / "new").exists()
