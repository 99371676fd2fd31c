"""The record of a cohort: what is noted in pieces reads as one, and long runs take no more memory than short ones."""

import subprocess
import sys

import numpy as np
import pytest

from ganbench.engine.loop import LogChunk
from ganbench.engine.readings import READINGS
from ganbench.engine.tracing import missing_compiler
from ganbench.engine.training_log import TrainingLog, joined


def chunks(lengths, seeds=3):
    rng, last = np.random.default_rng(0), 0
    for n in lengths:
        numbers = rng.normal(size=(n, seeds, len(READINGS)))
        yield LogChunk(last + 1, last + n, numbers, np.arange(last, last + n), np.arange(last, last + n) / 7)
        last += n


@pytest.mark.parametrize("lengths", [[64] * 1000, [64] * 37 + [5], [1, 63, 64, 10, 54, 64, 64, 1]])
def test_many_pieces_become_few_and_say_the_same(lengths):
    record = TrainingLog((4, 5, 6))
    for chunk in chunks(lengths):
        record.note(chunk)
    pieces = record.chunks
    assert len(pieces) <= 1 + np.log2(sum(lengths))
    assert [p.first for p in pieces] == [1, *(p.last + 1 for p in pieces[:-1])]
    assert record.last_step() == sum(lengths)
    found, wanted = joined(pieces), list(chunks(lengths))
    assert (found.first, found.last) == (1, sum(lengths))
    for name in ("readings", "critic_updates", "seconds"):
        assert np.array_equal(getattr(found, name), np.concatenate([getattr(s, name) for s in wanted]))


def test_a_divergence_is_found_at_its_step_whatever_is_joined():
    record = TrainingLog((4, 5, 6))
    for chunk in chunks([64] * 20):
        if chunk.first <= 700 <= chunk.last:
            chunk.readings[700 - chunk.first, 1, 0] = np.nan
        record.note(chunk)
    assert record.diverged[5][0] == record.of((6, 5)).diverged[5][0] == 700
    assert record.active_seeds() == {4: True, 5: False, 6: True}


LONG = """
import psutil, torch
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.plugins.registry import load_plugins
from ganbench.engine.training_log import TrainingLog
from ganbench.engine.loop import train

torch.set_num_threads(1)
found = load_plugins()
population = found.datasets.find("ring")().load(".")
parts = found.architectures.find("mlp")(), found.objectives.find("gan")()
cohort = Cohort(TrainingConfig(population, *parts, 2560, compiled=True), (0, 1, 2, 3, 4))
record = TrainingLog(cohort.seeds)
for segment in train(cohort, set()):
    record.note(segment)
    if segment.last in (640, 2560):
        print(psutil.Process().memory_info().rss / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_compiler()), reason="needs a C++ compiler")
def test_a_long_run_does_not_grow():
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    early, late = map(float, done.stdout.split())
    assert late - early < 15, f"MiB: {early:.0f} at step 640, {late:.0f} at step 2,560"
