"""Metrics of stored generators: the same numbers as in training, in the same tables; and none of broken files."""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from refusals import refused

import ganbench
from ganbench.cli import app
from ganbench.cli.evaluate import evaluate
from ganbench.errors import DamageError, DataError, OptionError, UnknownNameError, UsageError
from ganbench.interfaces.executor import RunContext
from ganbench.interfaces.metric import Metric
from ganbench.metrics import Coverage, FrechetDistance, KernelDistance, Modes
from ganbench.metrics.distances import inception
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import run_cohort
from ganbench.runner.reevaluate import finished, reevaluate
from ganbench.store.files import write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.results import find_floor
from ganbench.study.config import StudyConfig, make_config
from ganbench.study.study import make_study

REGISTRY = load_plugins()
NOWHERE = Path("nowhere")
SMALL = {"steps": 4, "batch_size": 8, "evaluate_every": 2, "n_samples": 150, "device": "cpu", "probe": False}


def train(out, **changes):
    """A small study, trained in this process."""
    request = StudyConfig(**{**SMALL, "objectives": ("gan",), "seeds": (0, 3), "out": str(out), **changes})
    study = make_study(request, REGISTRY, NOWHERE)
    study.store().begin({"command": "test"})
    for spec in study.cohorts:
        run_cohort(spec, RunContext(str(out), str(NOWHERE), "cpu", threads=1), lambda step: None)
    return study.store()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One study with two datasets, never touched; `store` is a copy of it."""
    return train(tmp_path_factory.mktemp("trained") / "study", datasets=("ring", "digits"))


@pytest.fixture
def store(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "study")
    return StudyFolder(tmp_path / "study")


def again(store, *metrics, n_samples=0):
    return list(reevaluate(store, finished(store), metrics, n_samples, REGISTRY, NOWHERE))


def evaluations(store):
    return ganbench.load(store.path).evaluations.sort_values(["trial", "step", "protocol"]).reset_index(drop=True)


def contents(store):
    return {str(p.relative_to(store.path)): p.read_bytes() for p in store.path.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_metric_that_was_measured_in_training_comes_out_the_same_to_the_bit_and_once(store):
    before = evaluations(store)
    assert len(before) == 4 * 3 * 5
    done = again(store, FrechetDistance(), Modes())
    assert len(done) == 4
    pd.testing.assert_frame_equal(evaluations(store), before, check_exact=True)


@pytest.mark.slow
def test_so_it_does_with_generators_of_other_networks_and_of_objectives_that_vmap_refuses(tmp_path):
    store = train(tmp_path / "study", datasets=("digits",), architectures=("mlp", "dcgan-plain"), seeds=(5,))
    run = {p: json.loads(p.read_text()) for p in store.path.glob("trials/*/run.json")}
    assert all(r["vectorised"] for r in run.values())
    before = evaluations(store)
    again(store, FrechetDistance())
    pd.testing.assert_frame_equal(evaluations(store), before, check_exact=True)
    for path in run:  # a generator that ran seed by seed draws the same, but for rounding
        write_record(path, {**json.loads(path.read_text()), "vectorised": False})
    again(store, FrechetDistance())
    pd.testing.assert_frame_equal(evaluations(store), before, rtol=1e-3)


@pytest.mark.slow
def test_so_it_does_where_seeds_took_turns(tmp_path, monkeypatch):
    monkeypatch.setattr("ganbench.engine.cohort.SEQUENTIAL_FLOPS", 1.0)
    store = train(tmp_path / "study", datasets=("digits",), architectures=("dcgan", "mlp"))
    run = [json.loads(p.read_text()) for p in store.path.glob("trials/*/run.json")]
    assert not any(r["vectorised"] for r in run)
    before = evaluations(store)
    again(store, FrechetDistance())
    pd.testing.assert_frame_equal(evaluations(store), before, check_exact=True)


def test_new_metrics_stand_at_the_last_step_and_only_their_table_changes(store):
    before, old = contents(store), evaluations(store)
    again(store, KernelDistance(), Coverage())
    new = evaluations(store).merge(old, how="left", indicator=True)
    new = new[new["_merge"] == "left_only"]
    assert len(new) == 4 * 2
    assert set(new["step"]) == {4}
    assert set(new["n_samples"]) == {150}
    assert set(new.loc[new["dataset"] == "ring", "protocol"]) == {
        "kid[subsets=50,subset_size=150]@coordinates/150",
        "coverage@coordinates/150",
    }
    assert new["value"].notna().all()
    after = contents(store)
    changed = {name.split("/")[-1] for name in after if after[name] != before.get(name)}
    assert changed == {"evaluations.parquet", "run.json"}
    for path in store.path.glob("trials/*/run.json"):
        run = json.loads(path.read_text())
        assert (
            run["files"]["evaluations.parquet"]
            == hashlib.sha256((path.parent / "evaluations.parquet").read_bytes()).hexdigest()
        )
        changing = {"files": 0, "checksum": 0, "git": None}  # which a run without a repository lacks
        assert {**run, **changing} == {**json.loads(before[str(path.relative_to(store.path))]), **changing}


def test_another_number_of_samples_is_another_protocol_and_stands_beside_the_first(store):
    again(store, Modes(), n_samples=60)
    last = evaluations(store).query("step == 4 and metric == 'modes' and dataset == 'ring' and seed == 3")
    assert last["protocol"].tolist() == ["modes@coordinates/150", "modes@coordinates/60"]
    assert last["n_samples"].tolist() == [150, 60]


@pytest.mark.slow
def test_a_value_takes_the_place_of_the_nan_that_stood_for_it(store):
    @dataclass(frozen=True)
    class Late(Metric):
        name = "late"
        direction = "lower"
        unit = "none"

        def value(self, fake, real):
            if broken:
                raise OSError("not yet")
            return 1.0

    for broken in (True, False, True):
        again(store, Late())
        rows = evaluations(store).query("metric == 'late'")
        assert len(rows) == 4
        assert rows["value"].isna().all() == broken
        assert rows["reason"].eq("OSError: not yet" if broken else "").all()


def test_a_trial_whose_generator_is_another_file_is_refused(store):
    path = next(store.path.glob("trials/*/generator.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with refused(DamageError, subject=path, code="checksum"):
        again(store, Modes())
    path.unlink()
    with refused(DamageError, subject=path, code="missing"):
        again(store, Modes())


def test_data_that_are_not_the_studys_are_refused(store, monkeypatch):
    from ganbench.datasets.points import Points

    monkeypatch.setattr(Points, "fingerprint", property(lambda self: "others", lambda self, text: None), raising=False)
    with refused(DataError, subject="nowhere", code="data", remedy="--data-root"):
        again(store, Modes())


def test_an_architecture_that_has_changed_is_refused(store, monkeypatch):
    from ganbench.networks.mlp import Mlp

    monkeypatch.setattr(Mlp, "generator", lambda self, shape: torch.nn.Linear(64, *shape))
    with refused(UsageError, subject="mlp", code="source"):
        again(store, Modes())


class Brightness(torch.nn.Module):
    """Stands for InceptionV3: two features."""

    def forward(self, images):
        return (torch.stack([images.float().mean((1, 2, 3)), images[:, 0].float().std((1, 2))], dim=1),)


@pytest.mark.slow
def test_colour_images_are_trained_on_without_inception_and_measured_with_it_later(tmp_path, monkeypatch, capsys):
    (tmp_path / "pictures").mkdir()
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 10, 250 - 20 * i)).save(tmp_path / "pictures" / f"{i}.png")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    settings = {"image-folder.path": (str(tmp_path / "pictures"),), "image-folder.size": (8,)}
    store = train(tmp_path / "study", datasets=("image-folder",), settings=settings, n_samples=10)
    last = evaluations(store).query("step == 4").drop_duplicates(["metric"]).set_index("metric")
    assert last["value"].isna().to_dict() == {
        "fid": True, "high_quality": True, "mode_kl": True, "modes": True, "sliced_w1": False,
    }  # fmt: skip
    assert last.loc["fid", "protocol"] == "fid@inception-v3-compat/10"
    remedy = "ganbench data fetch inception-v3-compat"
    with refused(DataError, code="missing", remedy=remedy) as caught:
        inception()
    assert last.loc["fid", "reason"] == str(caught.value)
    assert remedy not in last.loc["modes", "reason"]
    assert last.loc["sliced_w1", "protocol"] == "sliced_w1[projections=200]@raw/10"

    call(store, "fid,w1")  # still without
    _, err = capsys.readouterr()
    assert err.count(str(caught.value)) == 1

    monkeypatch.setattr("ganbench.metrics.evaluators.inception.inception", lambda weights: Brightness())
    monkeypatch.setattr(os, "environ", {**os.environ})
    (tmp_path / "weights.pth").write_bytes(b"")
    call(store, "fid,sliced_w1", weights=tmp_path / "weights.pth")
    last = evaluations(store).query("step == 4 and seed == 0").set_index("protocol")["value"]
    assert last["fid@inception-v3-compat/10"] > 0
    assert last["sliced_w1[projections=200]@inception-v3-compat/10"] > 0
    assert last["sliced_w1[projections=200]@raw/10"] > 0
    assert not any("fid@inception-v3-compat/10 (" in protocol for protocol in last.index)
    known = ganbench.load(store.path).floors["protocol"].str.split(": ").str[0]
    assert "fid@inception-v3-compat/10" in known.tolist()
    assert os.environ["GANBENCH_INCEPTION"] == str(tmp_path / "weights.pth")


@pytest.mark.slow
def test_moved_pictures_are_named_by_set_and_nothing_is_trained_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("img").mkdir()
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i, 10, 250 - 20 * i)).save(f"img/{i}.png")
    settings = {"image-folder.path": ("img",), "image-folder.size": (8,)}
    store = train(tmp_path / "o", datasets=("image-folder",), settings=settings, n_samples=10, seeds=(0,), steps=2)
    (folder,) = store.path.glob("trials/*")
    os.rename("img", "pics")
    for command in (["evaluate", "o", "--metrics", "w1"], ["rerun", str(folder)]):
        with refused(DataError, subject=tmp_path / "img", code="missing", remedy="--set image-folder.path=FOLDER"):
            app.app(command, standalone_mode=False)
        Path("other").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save("other/0.png")
        with refused(DataError, subject=tmp_path / "other", code="data", remedy="--set image-folder.path=FOLDER"):
            app.app([*command, "--set", "image-folder.path=other"], standalone_mode=False)
        assert not app.app([*command, "--set", "image-folder.path=pics"], standalone_mode=False)  # its exit code
    assert (evaluations(store).query("metric == 'w1'")["value"] > 0).all()
    with pytest.raises(UsageError) as caught:
        app.app(["evaluate", "o", "--metrics", "w1", "--n-samples", str(2**63)], standalone_mode=False)
    assert "--n-samples" in str(caught.value)


# -- the command -------------------------------------------------------------------------------------------------------


def call(store, metrics, weights=None, **given):
    evaluate(store.path, metrics, make_config(None, given), weights)


def test_the_command_prints_medians_beside_the_floor_of_their_protocol(store, capsys):
    call(store, "coverage, modes,coverage")
    out, err = capsys.readouterr()
    assert "ring · mlp\n" in out
    assert "digits · dcgan\n" in out
    assert out.count("coverage") == 2
    results = ganbench.load(store.path)
    floor = find_floor(results.floors, "ring", "coverage@coordinates/150").iloc[0]
    assert f"{floor.value:.3g} ± {floor.standard_error:.1g}" in out
    assert "4 of 4: " in err
    assert len(results.floors) == 4


def test_trials_without_a_generator_are_skipped_and_counted(store, capsys):
    folder = next(p.parent for p in store.path.glob("trials/*/generator.safetensors"))
    run = json.loads((folder / "run.json").read_text())
    run["files"].pop("generator.safetensors")
    (folder / "generator.safetensors").unlink()
    write_record(folder / "run.json", {**run, "status": "diverged"})
    before = (folder / "evaluations.parquet").read_bytes()
    call(store, "coverage")
    assert "1 of 4 trials diverged or failed and left no generator: skipped" in capsys.readouterr().err
    assert (folder / "evaluations.parquet").read_bytes() == before


def test_a_study_without_any_generator_is_no_error(tmp_path, capsys):
    store = StudyFolder(tmp_path / "empty")
    store.begin({"command": "test"})
    call(store, "fid")
    assert "tables: " in capsys.readouterr().out


def test_what_cannot_be_computed_is_said_in_one_sentence(store, capsys):
    call(store, "fid,coverage,modes", n_samples=5)
    out, err = capsys.readouterr()
    found = evaluations(store).query("n_samples == 5 and reason != ''")[["metric", "dataset", "reason"]]
    reasons = found.drop_duplicates().set_index(["metric", "dataset"])["reason"]
    assert {("fid", "digits"), ("coverage", "ring")} <= set(reasons.index)
    for (metric, dataset), reason in reasons.items():
        assert sum({metric, dataset} <= set(line.split()) and reason in line for line in err.splitlines()) == 1, err
    assert "Traceback" not in err
    assert "–" in out


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        ({"metrics": "fdi"}, UnknownNameError, ("--metrics", "'fdi'", "'fid'")),
        ({"metrics": " ,"}, UsageError, ("--metrics",)),
        ({"metrics": "fid", "n_samples": 1}, OptionError, ("--n-samples", "1")),
        ({"metrics": "fid", "n_samples": -5}, OptionError, ("--n-samples", "-5")),
        ({"metrics": "fid", "weights": Path("absent.pth")}, UsageError, ("--inception-weights", "absent.pth")),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(store, arguments, error, parts):
    before = contents(store)
    with refused(error) as caught:
        call(store, **arguments)
    assert str(caught.value).startswith(parts[0])
    assert all(part in str(caught.value) for part in parts)
    assert contents(store) == before


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with refused(UsageError, subject=tmp_path, code="no-study"):
        call(StudyFolder(tmp_path), "fid")


def test_a_broken_table_is_named(store):
    path = next(store.path.glob("trials/*/evaluations.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    with refused(DamageError, subject=path, code="checksum"):
        call(store, "fid")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metrics", "modes", "--n-samples", "50"], 0, "8 ± 0"),
        (["--metrics", "mods"], 2, "did you mean 'modes'?"),
        ([], 2, "Missing option '--metrics'"),
    ],
)
def test_the_command_line_reads_its_options(store, monkeypatch, capsys, arguments, code, message):
    monkeypatch.setattr(sys, "argv", ["ganbench", "evaluate", str(store.path), *arguments])
    try:
        app.main()
        found = 0
    except SystemExit as stop:
        found = stop.code or 0
    assert found == code
    assert message in "".join(capsys.readouterr())
