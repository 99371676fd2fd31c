"""The device of an experiment: one place says it, cohorts train on it, and records name it where it is no CPU."""

import json
from dataclasses import replace

import pytest
import tape
import torch
from toys import Gaussian, Tiny, make_cohort

from ganbench.claims import run
from ganbench.claims.catalogue import find_claims
from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.lab import DEVICE, cohort, objective, on_device, track_cosines, training, training_config
from ganbench.cli import reproduce as command
from ganbench.datasets.synthetic import Ring
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.interfaces.executor import Callbacks, RunContext
from ganbench.networks.mlp import Mlp

SMALLEST = "em-duality-examples"


def test_keys_are_those_of_stored_measurements_on_a_cpu_and_others_elsewhere():
    experiment = Experiment("moved-rings", ("wgan",), lambda profile, part: [])
    assert experiment.key(Profile()) == experiment.key(Profile(device="cpu")) == "cb6bde628b5d"
    assert experiment.key(Profile("full", (3, 4))) == "c45f727275cf"
    assert experiment.key(Profile(device="cuda")) == experiment.key(Profile(device="cuda:1")) != "cb6bde628b5d"
    assert experiment.key(Profile(device="mps")) != experiment.key(Profile(device="cuda"))


def test_everything_that_trains_is_on_the_device_of_the_block():
    with on_device("cuda:1"):
        config = training_config(Ring(), Mlp(), objective("gan"), 3, 16)
        with on_device("cpu"):
            assert cohort(Ring(), Mlp(), objective("gan"), (0,), 3, 16).config.device == torch.device("cpu")
    assert config.device == config.population.device == torch.device("cuda:1")
    assert training_config(Ring(), Mlp(), objective("gan"), 3, 16).device == torch.device("cpu")
    assert config.batch_size == 16


def test_the_device_of_a_block_that_fails_is_forgotten():
    with pytest.raises(ValueError, match="broken"), on_device("cuda"):
        raise ValueError("broken")
    assert DEVICE.get() == "cpu"


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_part_runs_on_the_device_of_its_context_and_records_it(device, monkeypatch, tmp_path):
    seen = []

    def measure(profile, part):
        seen.append(DEVICE.get())
        return [row("quantity", 1.0)]

    experiment = Experiment("fake", ("part",), measure)
    monkeypatch.setattr(run.Part, "_experiment", lambda self: experiment)
    part = run.Part("fake", "part", Profile(device=device))
    (result,) = part.run(RunContext(str(tmp_path), "", device, 1), Callbacks(lambda step: None))
    assert result.status == "completed"
    assert seen == [device]
    assert DEVICE.get() == "cpu"
    recorded = json.loads(part.record(tmp_path).read_text())["profile"]
    assert recorded == {"name": "quick", "seeds": [], **({} if device == "cpu" else {"device": "cuda"})}
    assert part.read(tmp_path) is not None
    other = replace(part, profile=Profile(device="cuda" if device == "cpu" else "cpu"))
    assert other.read(tmp_path) is None


def test_the_command_hands_the_device_on(call, monkeypatch, tmp_path):
    given = []

    def measured(missing, executor, context):
        given.append((context.device, {part.profile.device for part in missing}))
        return {}

    monkeypatch.setattr(command, "_measure", measured)
    monkeypatch.setattr(command, "resolve_device", lambda name: {"auto": "cuda", "cuda:1": "cuda:1"}.get(name, "cpu"))
    for k, words in enumerate([(), ("--device", "cuda:1"), ("--device", "cpu")]):
        assert call("reproduce", "--claims", SMALLEST, "--out", tmp_path / str(k), *words)[0] == 0
    assert given == [("cuda", {"cuda"}), ("cuda:1", {"cuda:1"}), ("cpu", {"cpu"})]
    asked = json.loads((tmp_path / "1" / "study.json").read_text())["requests"]
    assert [request["device"] for request in asked] == ["cuda:1"]


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(call, tmp_path):
    code, _, err = call("reproduce", "--claims", SMALLEST, "--device", "cuda:99", "--out", tmp_path / "r")
    assert code == 2
    assert "--device is cuda:99" in err
    assert not (tmp_path / "r").exists()


def test_verdicts_are_of_measurements_on_one_device(tmp_path):
    claims = find_claims([SMALLEST])
    for part in run.parts_of(claims, Profile()):
        part.write(tmp_path, [])
    assert run.measurements(claims[0], Profile(), tmp_path) is not None
    assert run.measurements(claims[0], Profile(device="cuda"), tmp_path) is None


def test_cosines_are_those_of_every_step_where_steps_are_captured():
    chosen = objective("wgan")
    config = {"population": Gaussian(), "architecture": Tiny(), "batch_size": 16, "objective": chosen, "steps": 12}
    trained, eager = Cohort(TrainingConfig(**config), (0, 1, 2), capture=tape.record), make_cohort(chosen, steps=12)
    watched, expected = track_cosines(trained), track_cosines(eager)
    for each in (trained, eager):
        for _ in training(each):
            pass
    assert len(watched) == len(expected) == 12 * chosen.n_critic
    assert torch.equal(torch.stack(watched), torch.stack(expected))
    assert torch.equal(trained.critic.flat, eager.critic.flat)
