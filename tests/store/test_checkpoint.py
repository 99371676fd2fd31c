"""A cohort that was interrupted goes on to the same numbers, to the bit; a checkpoint that is not whole is not used."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from agreement import same, tables
from ganbench_objectives.gan import Minimax
from ganbench_objectives.noisegan import InstanceNoise
from ganbench_objectives.wgan import WassersteinClip
from refusals import refused
from stored import spec
from tiers import spread
from toys import make_cohort, readings_of
from wording import RESUMED

from ganbench import Optimizer
from ganbench.engine.cohort import restore, snapshot
from ganbench.engine.loop import train
from ganbench.engine.training_log import TrainingLog, joined
from ganbench.errors import ObstructedError, StorageError
from ganbench.interfaces.executor import Callbacks, Cancelled, RunContext
from ganbench.metrics.suite import Evaluation, ModeCounts
from ganbench.plugins.registry import load_plugins
from ganbench.runner.cohort_run import run_cohort
from ganbench.store.checkpoint import RECORD, Checkpoint, Checkpoints, check_checkpoint
from ganbench.store.files import write_bytes
from ganbench.store.folder import StudyFolder
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Remembering(Minimax):
    """Carries an average of the critic's bias from step to step, and adds it to the loss."""

    name: ClassVar[str] = "remembering"

    def init_state(self, critic, draw):
        return {"mean": torch.zeros(3), "count": torch.zeros(())}

    def update_state(self, critic, real, fake, draw):
        state = draw.state
        return {"mean": 0.9 * state["mean"] + 0.1 * critic(real)[:3], "count": state["count"] + 1}

    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) + 0.1 * draw.state["mean"].sum() * fake.mean()


OBJECTIVES = [
    Minimax(),
    WassersteinClip(),
    InstanceNoise(),
    Remembering(),
    Minimax(optimizer=Optimizer("sgd", lr=0.01)),
]


def halves(objective, steps=150):
    """The segments of a cohort's first two blocks, and what it then carried."""
    first = make_cohort(objective, SEEDS, steps=steps)
    chunks = list(islice(train(first, set()), 2))
    return joined(chunks), snapshot(first)


@pytest.mark.parametrize(
    "objective",
    spread(OBJECTIVES, slow=("gan-adam", "remembering-adam"), name=lambda o: f"{o.name}-{o.optimizer.name}"),
)
def test_a_fresh_cohort_with_a_snapshot_goes_on_to_the_same_bits(objective):
    undisturbed = make_cohort(objective, SEEDS, steps=150)
    expected = readings_of(undisturbed)
    before, carried = halves(objective)
    for seeds in (SEEDS, (2,), (2, 0)):
        second = make_cohort(objective, seeds, steps=150)
        restore(second, {name: tensor.clone() for name, tensor in carried.items()}, SEEDS)  # training moves them
        (rest,) = train(second, set(), before)
        rows = [SEEDS.index(seed) for seed in seeds]
        assert (rest.first, rest.last) == (129, 150)
        assert torch.equal(torch.from_numpy(rest.readings), expected[128:, rows])
        for name, weight in second.generator.weights.items():
            assert torch.equal(weight[: len(seeds)], undisturbed.generator.weights[name][rows])
        assert rest.critic_updates[-1] == 150 * objective.n_critic
        assert rest.seconds[0] > before.seconds[-1]


def test_a_snapshot_holds_no_more_than_the_cohorts_own_seeds():
    """One seed is padded to two; the padding is made again."""
    cohort = make_cohort(Minimax(), (5,))
    readings_of(cohort)
    assert {t.shape[0] for t in snapshot(cohort).values() if t.ndim} == {1}


# -- files -------------------------------------------------------------------------------------------------------------

ROW = {"metric": "fid", "n_samples": 8, "protocol": "fid@x/8"}
MADE = {"torch": "1", "device": "cpu"}


def written(path, described=None, said=None):
    """A checkpoint of two seeds after one block, on disk."""
    described = described or spec((0, 1), steps=200)
    cohort = make_cohort(Minimax(), described.seeds, steps=200)
    record = TrainingLog(described.seeds)
    record.note(next(train(cohort, set())))
    modes = {0: ModeCounts([3, 0], [True, False]), 1: None}
    values = {0: 0.1, 1: float("nan")}
    record.add_evaluation(0, {seed: Evaluation([{**ROW, "value": values[seed]}], modes[seed]) for seed in (0, 1)})
    checkpoints = Checkpoints(StudyFolder(path), MADE, (said if said is not None else []).append)
    checkpoints.write(described, Checkpoint(record, snapshot(cohort), 12.5))
    return checkpoints, described, record, snapshot(cohort)


def test_what_was_written_is_found_again_to_the_bit(tmp_path):
    checkpoints, described, record, tensors = written(tmp_path)
    found = checkpoints.find(described)
    assert found.tensors.keys() == tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())
    assert (found.record.chunks[0].readings == record.chunks[0].readings).all()
    assert found.record.seeds == (0, 1)
    assert found.wall_seconds == 12.5
    assert found.record.evaluations[0] == [{"step": 0, **ROW, "value": 0.1}]
    assert found.record.evaluations[1][0]["value"] != found.record.evaluations[1][0]["value"]
    assert found.record.modes == {0: [{"step": 0, "samples": [3, 0], "captured": [True, False]}]}
    assert {p.suffix for p in checkpoints.folder(described).iterdir()} == {".json", ".safetensors"}


def test_it_serves_its_own_cohort_only_and_some_of_its_seeds(tmp_path):
    checkpoints, described, _, _ = written(tmp_path)
    assert checkpoints.find(described.with_seeds([1])) is not None
    assert checkpoints.find(described.with_seeds([1, 2])) is None
    assert checkpoints.find(spec((0, 1), steps=201)) is None
    assert checkpoints.groups(described.with_seeds([0, 1, 2, 3])) == [(0, 1)]
    assert checkpoints.groups(spec((0, 1), steps=201)) == []


@pytest.mark.slow
def test_other_versions_start_over_and_say_so(tmp_path):
    said = []
    checkpoints, described, _, _ = written(tmp_path, said=said)
    assert replace(checkpoints, made_with={**MADE, "torch": "2"}).find(described) is None
    assert "other versions" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("which", [RECORD, "64.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "removed"])
def test_a_corrupt_checkpoint_is_not_used_and_is_named(tmp_path, which, damage):
    said = []
    checkpoints, described, _, _ = written(tmp_path, said=said)
    path = checkpoints.folder(described) / which
    content = path.read_bytes()
    flipped = bytes([*content[:-200], content[-200] ^ 1, *content[-199:]])
    changes = {"truncated": content[:-100], "emptied": b"", "flipped": flipped}
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(changes[damage])
    assert checkpoints.find(described) is None
    assert check_checkpoint(checkpoints.folder(described)) or which == RECORD
    assert said or (which, damage) == (RECORD, "removed")


def test_the_next_checkpoint_takes_the_place_of_the_last(tmp_path):
    checkpoints, described, record, tensors = written(tmp_path)
    chunk = record.chunks[0]
    record.note(replace(chunk, first=65, last=128))
    checkpoints.write(described, Checkpoint(record, tensors, 20.0))
    assert sorted(p.name for p in checkpoints.folder(described).iterdir()) == ["128.safetensors", RECORD]
    assert checkpoints.find(described).record.last_step() == 128


def test_checkpoints_of_ended_cohorts_are_swept_away_and_others_stay(tmp_path):
    checkpoints, described, _, _ = written(tmp_path)
    trials = [trial.id for trial in described.trials()]
    checkpoints.sweep(lambda trial: trial == trials[0])
    assert checkpoints.find(described) is not None
    checkpoints.sweep(lambda trial: True)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_a_link_out_of_the_results_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with refused(ObstructedError, subject=tmp_path / "study" / "checkpoints"):
        written(tmp_path / "study")
    assert not list((tmp_path / "elsewhere").rglob("*.*"))


# -- a whole cohort ----------------------------------------------------------------------------------------------------

REGISTRY = load_plugins()
SMALL = {"steps": 150, "batch_size": 8, "evaluate_every": 50, "n_samples": 60, "device": "cpu", "probe": False}


def cohort_of(out, **changes):
    request = StudyConfig(**{**SMALL, "objectives": ("wgan",), "datasets": ("ring",), "seeds": SEEDS, **changes})
    study = make_study(replace(request, out=str(out)), REGISTRY, Path("nowhere"))
    study.store().begin({"command": "test"})
    return study.cohorts[0], RunContext(str(out), "nowhere", "cpu", threads=1, checkpoint_seconds=0.0)


def interrupted(cohort, where, asked):
    """Run a cohort that is asked to end at the ``asked``-th look."""
    looks = iter(range(asked))
    with pytest.raises(Cancelled):
        run_cohort(cohort, where, Callbacks(lambda step: None, stopped=lambda: next(looks, None) is None))


@pytest.mark.slow
def test_a_cohort_that_was_stopped_goes_on_to_the_tables_of_an_undisturbed_one(tmp_path):
    run_cohort(*cohort_of(tmp_path / "calm"), lambda step: None)
    cohort, where = cohort_of(tmp_path / "stopped")
    interrupted(cohort, where, 0)
    assert not list((tmp_path / "stopped").glob("trials/*/run.json"))
    (folder,) = (tmp_path / "stopped" / "checkpoints").iterdir()
    assert (folder / "64.safetensors").is_file()
    interrupted(cohort, where, 0)
    assert (folder / "128.safetensors").is_file()
    said = []
    outcomes = run_cohort(cohort, where, Callbacks(lambda step: None, say=said.append))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 3
    assert [text.endswith(f"{RESUMED} 128") for text in said] == [True]
    assert not (tmp_path / "stopped" / "checkpoints").exists()
    same(tables(tmp_path / "calm"), tables(tmp_path / "stopped"))


@pytest.mark.slow
def test_seeds_that_other_runs_have_ended_meanwhile_leave_the_rest_its_checkpoint(tmp_path):
    run_cohort(*cohort_of(tmp_path / "calm"), lambda step: None)
    cohort, where = cohort_of(tmp_path / "stopped")
    interrupted(cohort, where, 0)
    run_cohort(cohort.with_seeds([1]), where, lambda step: None)
    said = []
    run_cohort(cohort, where, Callbacks(lambda step: None, say=said.append))
    assert [text.endswith(f"{RESUMED} 64") for text in said] == [True]
    same(tables(tmp_path / "calm"), tables(tmp_path / "stopped"))


@pytest.mark.slow
def test_a_checkpoint_that_finds_no_room_costs_no_result(tmp_path, monkeypatch):
    cohort, where = cohort_of(tmp_path / "full")
    said = []

    def refuse(path, *rest):
        if "checkpoints" in path.parts:
            raise StorageError("ENOSPC")
        write_bytes(path, *rest)

    monkeypatch.setattr("ganbench.store.folder.write_bytes", refuse)
    outcomes = run_cohort(cohort, where, Callbacks(lambda step: None, say=said.append))
    assert {outcome.status for outcome in outcomes} == {"completed"}
    assert all("ENOSPC" in text for text in said)
    assert said
