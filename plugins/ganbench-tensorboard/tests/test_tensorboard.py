"""Event files are read back by TensorBoard's own reader."""

import json
import math
import time

import ganbench_tensorboard
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG, SESSION_START_INFO_TAG
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

KEYS = {"trial": "gan-s0-0123", "dataset": "ring", "architecture": "mlp", "objective": "gan", "seed": 0}
SETTINGS = {
    "objective": {"name": "gan", "fields": {"n_critic": 1, "optimizer": {"name": "adam", "lr": 2e-4}}},
    "steps": 4,
    "moments": [1, 2],
    "nothing": None,
}
TRIAL = {
    **KEYS,
    "settings": json.dumps(SETTINGS),
    "status": "diverged",
    "last_step": 4,
    "wall_seconds": 100.0,
    "attempts": 1,
    "device": "cpu",
    "error": "",
    "versions": "{}",
}
LOSSES = [0.5, -1.25, 1e-30, math.inf]


def tables(probed=True):
    steps = pd.DataFrame({"step": [1, 2, 3, 4], "seconds": [10.0, 20.0, 30.0, 40.0], "generator_loss": LOSSES})
    values = [("fid", 0, 9.0, "fid@x/8"), ("fid", 4, 3.0, "fid@x/8"), ("modes", 4, math.nan, "modes@x/8")]
    values += [("fid", 0, 7.0, "fid@y/8")]
    evaluations = pd.DataFrame(values, columns=["metric", "step", "value", "protocol"])
    probes = pd.DataFrame(
        {"generator_step": [2, 2, 4], "critic_step": [0, 5, 0], "generator_grad_norm": [1.0, 0.25, 2.0]}
    )
    probes = probes if probed else probes.iloc[:0]
    return {name: t.assign(**KEYS) for name, t in (("steps", steps), ("evaluations", evaluations), ("probes", probes))}


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


@pytest.fixture
def events(tmp_path, monkeypatch):
    monkeypatch.delenv("GANBENCH_TENSORBOARD", raising=False)
    ganbench_tensorboard.ganbench_trial_finished(TRIAL, tables(), tmp_path / "trackers")
    return read(tmp_path / "trackers" / "tensorboard" / "gan-s0-0123")


def course(events, tag):
    return [(e.step, pytest.approx(e.value, rel=1e-6, nan_ok=True)) for e in events.Scalars(tag)]


def test_readings_come_back_at_their_steps_and_times(events):
    assert course(events, "steps/generator_loss") == list(zip([1, 2, 3, 4], LOSSES, strict=True))
    times = [e.wall_time for e in events.Scalars("steps/generator_loss")]
    assert [t - times[0] for t in times] == pytest.approx([0, 10, 20, 30], abs=0.01)
    assert times[0] == pytest.approx(time.time() - 90, abs=30)


def test_metrics_of_different_protocols_do_not_mix(events):
    assert course(events, "evaluations/fid@x/8") == [(0, 9.0), (4, 3.0)]
    assert course(events, "evaluations/fid@y/8") == [(0, 7.0)]
    assert course(events, "evaluations/modes@x/8") == [(4, math.nan)]


def test_probes_run_by_the_fresh_critics_steps(events):
    assert course(events, "probes/2/generator_grad_norm") == [(0, 1.0), (5, 0.25)]
    assert course(events, "probes/4/generator_grad_norm") == [(0, 2.0)]


def test_nothing_else_is_a_scalar(events):
    kinds = {tag.split("/")[0] for tag in events.Tags()["scalars"]}
    assert kinds == {"steps", "evaluations", "probes"}
    assert len(events.Tags()["scalars"]) == 1 + 3 + 2


def test_settings_are_text_and_hyper_parameters(events):
    (text,) = (e.tensor_proto.string_val[0].decode() for e in events.Tensors("settings/text_summary"))
    assert json.loads(text.removeprefix("```json\n").removesuffix("\n```")) == SETTINGS
    (row,) = (e.tensor_proto.string_val[0].decode() for e in events.Tensors("trial/text_summary"))
    assert "| status | diverged |" in row
    tags = events.summary_metadata
    start = HParamsPluginData.FromString(tags[SESSION_START_INFO_TAG].plugin_data.content).session_start_info.hparams
    assert start["objective.fields.optimizer.lr"].number_value == 2e-4
    assert start["objective"].string_value == "gan"
    assert start["moments"].string_value == "[1, 2]"
    experiment = HParamsPluginData.FromString(tags[EXPERIMENT_TAG].plugin_data.content).experiment
    assert {m.name.tag for m in experiment.metric_infos} == {"evaluations/fid@x/8", "evaluations/fid@y/8"}


def test_the_last_value_of_a_metric_is_that_of_its_last_step():
    assert ganbench_tensorboard.last_values(tables()["evaluations"]) == {
        "fid@x/8": 3.0,
        "fid@y/8": 7.0,
        "modes@x/8": pytest.approx(math.nan, nan_ok=True),
    }


def test_the_environment_chooses_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBENCH_TENSORBOARD", str(tmp_path / "mine"))
    ganbench_tensorboard.ganbench_trial_finished(TRIAL, tables(), tmp_path / "trackers")
    assert not (tmp_path / "trackers").exists()
    assert course(read(tmp_path / "mine" / "gan-s0-0123"), "probes/4/generator_grad_norm") == [(0, 2.0)]


def test_a_trial_that_ends_again_replaces_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBENCH_TENSORBOARD", str(tmp_path))
    ganbench_tensorboard.ganbench_trial_finished(TRIAL, tables(probed=False), tmp_path)
    assert not any("probes" in tag for tag in read(tmp_path / "gan-s0-0123").Tags()["scalars"])
    ganbench_tensorboard.ganbench_trial_finished(TRIAL, tables(), tmp_path)
    assert len(list((tmp_path / "gan-s0-0123").iterdir())) == 1
    assert len(read(tmp_path / "gan-s0-0123").Scalars("steps/generator_loss")) == 4


def test_a_trial_that_failed_before_its_first_step_is_written_too(tmp_path, monkeypatch):
    monkeypatch.setenv("GANBENCH_TENSORBOARD", str(tmp_path))
    empty = {name: table.iloc[:0] for name, table in tables().items()}
    ganbench_tensorboard.ganbench_trial_finished({**TRIAL, "status": "failed", "error": "no"}, empty, tmp_path)
    events = read(tmp_path / "gan-s0-0123")
    assert events.Tags()["scalars"] == []
    assert "settings/text_summary" in events.Tags()["tensors"]
