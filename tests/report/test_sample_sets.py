"""Samples and critics of a stored study: read as they were stored, and nothing is trained for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from once import once
from safetensors.torch import load_file

from ganbench.engine.cohort import Cohort
from ganbench.interfaces.executor import RunContext
from ganbench.plugins.registry import load_plugins
from ganbench.report import sample_sets
from ganbench.report.sections import evaluate, load_report_data
from ganbench.runner.cohort_run import run_cohort
from ganbench.store.files import SEAL, write_record
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

ROOT = Path("nowhere")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A few steps of gan and wgan on ring, two seeds each."""

    def make(folder):
        small = {"steps": 4, "batch_size": 8, "evaluate_every": 4, "n_samples": 60, "probe": False, "device": "cpu"}
        config = StudyConfig(objectives=("gan", "wgan"), datasets=("ring",), seeds=(0, 1), out=str(folder), **small)
        study = make_study(config, load_plugins(), ROOT)
        study.store().begin({"command": "test"})
        for cohort in study.cohorts:
            run_cohort(cohort, RunContext(str(folder), str(ROOT), "cpu", threads=1), lambda step: None)

    return once(tmp_path_factory, "landscapes", make)


def samples_of(folder):
    data, registry = load_report_data([folder]), load_plugins()
    (section,) = data.sections
    return evaluate(section, data.homes, registry, ROOT).samples


def test_critics_are_read_and_nothing_is_trained(trained, monkeypatch):
    def refuse(*args):
        raise AssertionError("a report trains nothing")

    monkeypatch.setattr(Cohort, "_update_critic", refuse)
    monkeypatch.setattr(Cohort, "update_generator", refuse)
    found = samples_of(trained)
    assert not found.missing
    assert set(found.by_objective) == {"gan", "wgan"}
    for sample in found.by_objective.values():
        assert sample.landscape.scores.shape == (sample_sets.SIDE, sample_sets.SIDE)
        assert np.isfinite(sample.landscape.arrows).all()


def test_scores_over_the_plane_are_those_of_the_stored_critic(trained):
    found = samples_of(trained).by_objective["wgan"]
    (folder,) = trained.glob(f"trials/wgan-s{found.seed}-*")
    weights = load_file(folder / "critic.safetensors")
    assert max(w.abs().max() for w in weights.values()) <= 0.01 * (1 + 1e-6)  # the clipped ones, after the last step
    network = load_plugins().architectures.find("mlp")().critic((2,))
    network.load_state_dict(weights)
    x, y = (torch.tensor(axis[::20], dtype=torch.float32) for axis in (found.landscape.x, found.landscape.y))
    expected = network(torch.cartesian_prod(y, x).flip(1)).reshape(len(y), len(x))
    torch.testing.assert_close(torch.tensor(found.landscape.scores[::20, ::20]), expected.detach().double())


def test_a_study_without_stored_critics_says_so(trained, tmp_path):
    study = shutil.copytree(trained, tmp_path / "s")
    for file in study.glob("trials/*/critic.safetensors"):
        file.unlink()
        path = file.with_name("run.json")
        run = json.loads(path.read_text())
        del run["files"]["critic.safetensors"]
        write_record(path, {name: value for name, value in run.items() if name != SEAL})
    found = samples_of(study)
    assert [sample.landscape for sample in found.by_objective.values()] == [None, None]
    (sentence,) = found.missing
    assert "gan, wgan" in sentence
