"""Results folders of earlier versions: every command reads them, and their trials are not trained again."""

import json
import re
import shutil

import pandas as pd
import pytest
from places import ROOT

import ganbench
from ganbench.analysis.scores import other_protocols
from ganbench.plugins.former import FORMER
from ganbench.plugins.registry import load_plugins
from ganbench.report.sections import load_report_data
from ganbench.runner.rerun import check_same_sources, describe
from ganbench.spec import Trial, canonical
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_run, read_trial, read_trial_tables

OLDEST = "study-673a472"
FOLDERS = (OLDEST, "study-fbaea92")
TRIALS = [
    "gan-s0-b1eaca0b5ad67d11", "gan-s1-4f5ede15de4a5ee8", "wgan-s0-37bb90ea52dc1e96", "wgan-s1-8b14ce7e66ddf45a",
]  # fmt: skip
ASKED = (
    "--quick", "--datasets", "ring", "--steps", "40", "--set", "mlp.width=8", "--set", "mlp.latent=4",
    "--evaluate-every", "20", "--n-samples", "500", "--device", "cpu",
)  # fmt: skip


def copy(name, tmp_path):
    return shutil.copytree(ROOT / "tests" / "data" / name, tmp_path / name)


@pytest.fixture(params=FOLDERS)
def old(request, tmp_path):
    """A copy of each of the folders."""
    return copy(request.param, tmp_path)


def plan(call, out, objectives="gan,wgan", seeds="2"):
    """What a run would do, by trial, and what it says besides."""
    code, text, err = call("run", *ASKED, "--objectives", objectives, "--seeds", seeds, "--out", out, "--plan")
    assert code == 0, err
    rows = [line.split() for line in text.splitlines() if re.match(r"\w+-s\d", line)]
    return {row[0]: row[-1].strip("()") for row in rows}, text + err


def rewrite(folder, change):
    """Every trial written anew by today's code, after ``change`` has had its description, its record and its tables."""
    store = StudyFolder(folder)
    for name in TRIALS:
        place = folder / "trials" / name
        run = read_run(place)
        found, tables = read_trial(place, run), read_trial_tables(place)
        weights = (place / "generator.safetensors").read_bytes()
        shutil.rmtree(place)
        change(found, run, tables)
        labels = (found[kind] for kind in ("dataset", "architecture", "objective"))
        trial = Trial(*labels, found["seed"], canonical(found["settings"]))
        own = {table: rows.assign(trial=trial.id) for table, rows in tables.items() if len(rows)}
        kept = {key: value for key, value in run.items() if key not in ("trial", "files", "checksum")}
        store.write(trial, kept, own, {"generator": safetensors(weights)})


def safetensors(content):
    from safetensors.torch import load

    return load(content)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_all_tables_are_whole_and_missing_columns_are_filled(old):
    results = ganbench.load(old)
    assert results.trials["trial"].tolist() == TRIALS
    assert {name: len(getattr(results, name)) for name in (*schema.TABLES, "floors")} == {
        "steps": 160, "evaluations": 60, "modes": 96, "probes": 60, "floors": 5,
    }  # fmt: skip
    for name, columns in {"trials": schema.TRIALS, **schema.TABLES, "floors": schema.FLOORS}.items():
        assert list(getattr(results, name).columns) == list(columns), name
        assert not getattr(results, name).drop(columns="estimate", errors="ignore").isna().any(axis=None), name
    assert set(results.evaluations["reason"]) == set(results.floors["reason"]) == {""}


def test_the_oldest_folder_lacks_a_column():
    (file,) = (ROOT / "tests" / "data" / OLDEST / "trials").glob("gan-s0-*/evaluations.parquet")
    assert "reason" not in pd.read_parquet(file)


def test_nothing_is_the_matter_with_it(call, old):
    code, text, err = call("verify", old, "--json")
    assert code == 0
    assert json.loads(text) == []
    assert "4 finished trials, all whole" in err


def test_it_is_exported_as_one_section(call, old):
    code, text, _ = call("export", old, "--format", "json")
    assert code == 0
    rows = json.loads(text)
    assert sorted((row["objective"], row["variant"], row["seeds"], row["fid_n"]) for row in rows) == [
        ("gan", 1, 2, 2), ("wgan", 1, 2, 2),
    ]  # fmt: skip


def test_both_folders_hold_the_same_numbers(call, tmp_path):
    first, second = (copy(name, tmp_path) for name in FOLDERS)
    code, text, _ = call("compare", first, second, "--fail-on", "worse")
    assert code == 0
    assert "settings differ" not in text
    assert "10 undecided" in text


@pytest.mark.slow
def test_its_report_misses_only_what_was_not_asked_for(call, old):
    code, _, err = call("report", old)
    assert code == 0, err
    said = missing_of((old / "report" / "index.html").read_text(encoding="utf-8"))
    parts = (
        "−log D (nsgan), instance noise",
        "all its trials have one architecture",
        "no verdicts.parquet",
        "No critic of",
    )
    assert len(said) == len(parts)
    for part in parts:
        assert sum(part in sentence for sentence in said) == 1, part


def missing_of(page):
    """The sentences of a page on what is missing."""
    lists = re.findall(r'<ul class="missing">(.*?)</ul>', page, flags=re.DOTALL)
    return [" ".join(text.split()) for text in re.findall(r"<li>(.*?)</li>", "".join(lists), flags=re.DOTALL)]


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_nothing_of_it_is_trained_again(call, old):
    states, text = plan(call, old)
    assert states == dict.fromkeys(TRIALS, "completed")
    assert "0 of 4 trials would run" in text


def test_a_study_that_grows_stays_one(call, old):
    states, _ = plan(call, old, "gan,wgan,hinge", "3")
    assert {trial: states[trial] for trial in TRIALS} == dict.fromkeys(TRIALS, "completed")
    assert sorted(states.values()) == ["completed"] * 4 + ["run"] * 5
    codes = described(call, old, "gan,hinge", "3")
    assert codes == {"gan": {("ddd9c40767f9", "7641bf308bbe")}, "hinge": {("ddd9c40767f9", FORMER_HINGE)}}


FORMER_HINGE = FORMER["hinge", "7bdf10e1843b"]


def described(call, out, objectives, seeds):
    """The fingerprints under which a run would store architecture and objective."""
    from ganbench.study.config import make_config
    from ganbench.study.study import make_study

    settings = ["mlp.width=8", "mlp.latent=4"]
    given = {
        "objectives": objectives, "datasets": "ring", "steps": 40, "seeds": seeds, "evaluate_every": 20,
        "n_samples": 500, "settings": settings, "out": str(out),
    }  # fmt: skip
    study = make_study(make_config(None, given, quick=True), load_plugins(), out)
    found = {}
    for cohort in study.cohorts:
        found.setdefault(cohort.objective.name, set()).add((cohort.architecture.code, cohort.objective.code))
    return found


@pytest.mark.parametrize("trial", [TRIALS[0], TRIALS[2]])
def test_its_sources_are_those_of_today(old, trial):
    stored = describe(old / "trials" / trial)
    assert stored.spec.trials()[0].id == trial
    check_same_sources(stored.spec, load_plugins(), old)


@pytest.mark.slow
def test_a_trial_is_repeated_and_evaluated(call, old):
    code, text, err = call("rerun", old / "trials" / TRIALS[2], "--no-probe")
    assert f"{TRIALS[2]}: the numbers" in text, err  # another processor may round differently
    code, _, err = call("evaluate", old, "--metrics", "kid")
    assert code == 0, err
    assert (ganbench.load(old).evaluations["metric"] == "kid").sum() == 4


def with_todays_address(found, run, tables):
    for kind in ("architecture", "objective"):
        part = found["settings"][kind]
        part["code"] = FORMER[part["name"], part["code"]]


def test_a_trial_under_both_addresses_is_one(call, tmp_path):
    old, new = (copy(name, tmp_path) for name in FOLDERS)
    rewrite(new, with_todays_address)
    moved = ganbench.load(new).trials["trial"].tolist()
    assert not set(moved) & set(TRIALS)
    assert plan(call, new)[0] == dict.fromkeys(moved, "completed")
    joined = load_report_data([old, new])
    assert joined.results.trials["trial"].tolist() == TRIALS
    assert len(joined.sections) == 1
    shutil.copytree(old / "trials", new / "trials", dirs_exist_ok=True)
    assert ganbench.load(new).trials["trial"].tolist() == moved
    assert len(ganbench.load(new).steps) == 160
    assert plan(call, new)[0] == dict.fromkeys(moved, "completed")
    code, text, _ = call("compare", old, new)
    assert code == 0
    assert "settings differ" not in text


def test_seeds_under_different_addresses_are_found_there(call, tmp_path):
    old, new = (copy(name, tmp_path) for name in FOLDERS)
    rewrite(new, with_todays_address)
    for place in [*(new / "trials").glob("*-s1-*"), *(old / "trials").glob("*-s0-*")]:
        shutil.rmtree(place)
    shutil.copytree(old / "trials", new / "trials", dirs_exist_ok=True)
    states, _ = plan(call, new)
    assert set(states.values()) == {"completed"}
    assert set(states) == {path.name for path in (new / "trials").iterdir()}
    (part,) = load_report_data([new]).sections
    assert len(part.results.trials) == 4


def test_an_edited_source_is_another_trial(call, old):
    def edit(found, run, tables):
        found["settings"]["objective"]["code"] = "0" * 12

    rewrite(old, edit)
    states, _ = plan(call, old)
    assert list(states.values()) == ["run"] * 4


def test_another_engine_is_told_of(call, old):
    def another(found, run, tables):
        found["settings"]["engine"] = 3

    assert "computed" not in plan(call, old)[1]
    rewrite(old, another)
    states, text = plan(call, old)
    assert list(states.values()) == ["run"] * 4
    assert text.count("4 of these trials lie in") == text.count("engine 3 computed them") == 1


# -- protocols and parts -----------------------------------------------------------------------------------------------


def test_values_under_two_protocols_stand_in_no_common_ranking(call, old):
    def former_protocol(found, run, tables):
        if found["objective"] == "wgan":
            rows = tables["evaluations"]
            changed = (
                rows["protocol"].str.replace("@", "@former-").where(rows["metric"] == "sliced_w1", rows["protocol"])
            )
            tables["evaluations"] = rows.assign(protocol=changed)

    rewrite(old, former_protocol)
    _, text, _ = call("export", old, "--format", "json")
    rows = {row["objective"]: row for row in json.loads(text)}
    assert (rows["gan"]["sliced_w1_n"], rows["wgan"]["sliced_w1_n"]) == (2, 0)
    assert rows["wgan"]["sliced_w1"] is None
    assert rows["wgan"]["fid_n"] == 2
    (sentence,) = other_protocols(ganbench.load(old).evaluations.query("step == 40"))
    assert sentence.startswith("2 trials have sliced_w1 as sliced_w1")
    assert sentence.count("@former-coordinates/") == sentence.count("@coordinates/") == 1
    assert other_protocols(ganbench.load(old).evaluations.query("step == 40 and objective == 'gan'")) == []


@pytest.mark.slow
def test_each_missing_part_is_named_once(call, tmp_path):
    old = copy(OLDEST, tmp_path)

    def without(found, run, tables):
        del tables["probes"], tables["modes"], run["probe"]

    rewrite(old, without)
    code, _, err = call("report", old)
    assert code == 0, err
    said = missing_of((old / "report" / "index.html").read_text(encoding="utf-8"))
    assert len(said) == len(set(said))
    for part in ("no trial was probed", "no trial has counts of single modes", "no verdicts.parquet"):
        assert sum(part in sentence for sentence in said) == 1, part
