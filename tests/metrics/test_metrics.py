"""What all metrics share: names, protocols, errors, cheap imports, and that bad samples score worse than good ones."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from refusals import refused

from ganbench.errors import SampleError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import (
    METRICS,
    Coverage,
    Density,
    FrechetDistance,
    KernelDistance,
    Modes,
    Recall,
    SlicedWasserstein,
    Wasserstein,
)
from ganbench.metrics.distances import gaussian
from ganbench.metrics.evaluators.coordinates import NearestMode

ANGLES = 2 * np.pi * np.arange(8) / 8
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
EVALUATOR = NearestMode(CENTRES, np.full(8, 0.06))
N = 800


def ring(seed, keep=range(8), shift=0.0):
    """N samples of the eight-mode ring (radius 2, sigma .02), of some of its modes only, moved to the right."""
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.choice(keep, N)] + 0.02 * rng.normal(size=(N, 2)) + [shift, 0]
    return EVALUATOR.measure(torch.from_numpy(points))


def noise(seed):
    points = np.random.default_rng(seed).uniform(-3, 3, size=(N, 2))
    return EVALUATOR.measure(torch.from_numpy(points))


def duplicate(seed):
    return EVALUATOR.measure(torch.from_numpy(np.repeat(ring(seed).points[:1], N, axis=0)))


REAL = ring(0)
SAME = ring(1)
BAD = {
    "half of the modes dropped": ring(2, keep=range(4)),
    "one sample for ever": duplicate(3),
    "shifted": ring(4, shift=0.5),
    "noise": noise(5),
}

# What a metric cannot see, by its definition; everything else must come out clearly worse than SAME.
BLIND = {
    ("high_quality", "half of the modes dropped"),
    ("high_quality", "one sample for ever"),
    ("precision", "half of the modes dropped"),
    ("precision", "one sample for ever"),
    ("density", "half of the modes dropped"),
    ("density", "one sample for ever"),
    ("recall", "noise"),
}


def worse(metric, world):
    floor, value = metric().value(SAME, REAL), metric().value(BAD[world], REAL)
    assert np.isfinite(value)
    assert isinstance(value, float)
    return value > 2 * floor + 0.02 if metric.direction == "lower" else value < 0.75 * floor


@pytest.mark.parametrize("world", BAD)
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_a_known_bad_case_makes_a_metric_worse_unless_it_is_blind_to_it(metric, world):
    assert worse(metric, world) == ((metric.name, world) not in BLIND)


def test_names_are_unique_and_every_metric_says_what_it_is():
    assert [m.name for m in METRICS] == [
        "modes", "high_quality", "mode_kl", "fid", "kid", "precision", "recall", "density", "coverage",
        "w1", "sliced_w1",
    ]  # fmt: skip
    for metric in METRICS:
        assert metric.direction in ("lower", "higher")
        assert metric.unit
        assert re.search("Source|et al", metric.__doc__), metric
        assert "Traps" in metric.__doc__, metric


@pytest.mark.parametrize(
    ("metric", "n", "protocol"),
    [
        (FrechetDistance(), 1797, "fid@digits-cnn/1797"),
        (Modes(), 1797, "modes@digits-cnn/1797"),
        (Modes(share=0), 1797, "modes[share=0]@digits-cnn/1797"),
        (Density(k=3), 1797, "density[k=3]@digits-cnn/1797"),
        (KernelDistance(), 1797, "kid[subsets=50,subset_size=1000]@digits-cnn/1797"),
        (KernelDistance(seed=4), 300, "kid[subsets=50,subset_size=300,seed=4]@digits-cnn/300"),
        (Wasserstein(), 1797, "w1[samples=1000]@digits-cnn/1797"),
        (Wasserstein(), 500, "w1[samples=500]@digits-cnn/500"),
        (SlicedWasserstein(), 1797, "sliced_w1[projections=200]@digits-cnn/1797"),
        (SlicedWasserstein(projections=9, seed=1), 1797, "sliced_w1[projections=9,seed=1]@digits-cnn/1797"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_protocol_states_the_whole_definition(metric, n, protocol):
    assert metric.protocol("digits-cnn", n) == protocol


def cut(measured, n):
    return Measured(measured.points[:n], measured.features[:n], measured.modes[:n], measured.good[:n], measured.n_modes)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_no_metric_makes_a_number_of_nothing(metric):
    for fake, real, side in ((cut(SAME, 0), REAL, "fake"), (SAME, cut(REAL, 0), "real")):
        with refused(SampleError, subject=metric.name, code="few", side=side, got=0):
            metric().value(fake, real)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_no_metric_hides_a_sample_that_is_not_finite(metric, bad):
    points = torch.from_numpy(SAME.points.copy())
    points[17, 1] = bad
    with refused(SampleError, subject=metric.name, code="not-finite", side="fake", got=1):
        metric().value(EVALUATOR.measure(points), REAL)
    with refused(SampleError, subject=metric.name, code="not-finite", side="real", got=1):
        metric().value(SAME, EVALUATOR.measure(points))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_a_value_depends_on_the_samples_alone(metric):
    first = metric().value(cut(SAME, N), cut(REAL, N))
    np.random.seed(99)
    torch.manual_seed(99)
    state = np.random.get_state()[1].copy()
    assert metric().value(cut(SAME, N), cut(REAL, N)) == first
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_statistics_of_the_real_samples_are_computed_once(monkeypatch):
    seen = []

    def counted(features):
        seen.append(features)
        return gaussian(features)

    monkeypatch.setattr("ganbench.metrics.distances.gaussian", counted)
    real = cut(REAL, N)
    for seed in range(3):
        FrechetDistance().value(ring(seed), real)
    assert sum(features is real.features for features in seen) == 1
    assert len(seen) == 4


def test_what_is_remembered_of_one_comparison_is_not_given_for_another():
    half = ring(9, keep=range(4))
    for metric in (Recall, Coverage):
        against_all, against_half = metric().value(half, REAL), metric().value(half, BAD["half of the modes dropped"])
        assert against_half > against_all + 0.3
        assert metric(k=1).value(half, REAL) < against_all


def test_importing_the_metrics_imports_nothing_heavy():
    code = (
        "import sys, ganbench.metrics\n"
        "heavy = {'torch', 'torch_fidelity', 'sklearn', 'ot', 'scipy', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
