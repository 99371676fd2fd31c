"""Floors: a perfect sampler scores them, theory knows some of them, and none is measured twice."""

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from tiers import spread
from toys import Cloud, Missing

import ganbench
from ganbench.errors import SampleError
from ganbench.metrics import METRICS, FrechetDistance, HighQuality, ModeKL, Modes, Wasserstein
from ganbench.metrics.suite import MetricSuite
from ganbench.plugins.build import variants
from ganbench.plugins.registry import load_plugins
from ganbench.rng import generator
from ganbench.runner import floors
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import find_floor

REGISTRY = load_plugins()
ROOT = Path(os.environ.get("GANBENCH_DATA") or "nowhere")
NAMES = ("modes", "fid")


@pytest.fixture
def component():
    """What a dataset is called in a study: a description with the fingerprint of its data."""

    def describe(name, **settings):
        ((described, dataset),) = variants(REGISTRY.datasets, name, {k: (v,) for k, v in settings.items()})
        return replace(described, code=dataset.load(ROOT).fingerprint)

    return describe


@pytest.fixture
def store(tmp_path):
    store = StudyFolder(tmp_path / "study")
    store.begin({"command": "test"})
    return store


def load(name):
    if name in ("mnist", "stacked-mnist") and not (ROOT / "MNIST" / "raw").is_dir():
        pytest.skip("GANBENCH_DATA is unset, or its folder lacks MNIST")
    return REGISTRY.datasets.find(name)().load(ROOT)


def ensure(store, evaluated, names=NAMES):
    """Make sure of floors; returns the metrics that were measured for each dataset."""
    said = []
    floors.ensure_floors(store, evaluated, names, REGISTRY, ROOT, said.append)
    return [text.rpartition(": ")[2].split(", ") for text in said]


@pytest.mark.parametrize("name", spread(["ring", "digits", "mnist"], slow=("ring", "digits"), name=str))
def test_a_perfect_sampler_lies_within_three_standard_errors_of_every_floor(name):
    population = load(name)
    suite = MetricSuite.of(population, [metric() for metric in METRICS])
    known = floors.measure_floors(population, suite)
    fake, real, _ = next(floors.comparisons(population, suite, "another perfect sampler"))
    for floor, row in zip(known, replace(suite, real=real).rows(fake), strict=True):
        assert math.isfinite(floor.value), floor
        assert abs(row["value"] - floor.value) <= 3 * floor.standard_error, (floor, row["value"])


def test_floors_are_those_of_theory():
    population = load("ring")
    suite = MetricSuite.of(population, [Modes(), HighQuality(), ModeKL()])
    modes, quality, kl = floors.measure_floors(population, suite)
    n = population.n_samples
    assert (modes.value, modes.standard_error) == (8, 0)
    assert quality.value == pytest.approx(1 - math.exp(-4.5), abs=3 * math.sqrt(0.9889 * 0.0111 / n / 10))
    assert quality.standard_error == pytest.approx(math.sqrt(0.9889 * 0.0111 / n), rel=0.6)
    assert 0.2 * 7 / n < kl.value < 3 * 7 / n  # (K - 1) / 2 (1 / n + 1 / m), with one and the same m throughout


def test_a_table_without_a_test_split_is_halved():
    population = load("digits")
    suite = MetricSuite.of(population, [FrechetDistance()], 400)
    pairs = list(floors.comparisons(population, suite))
    assert [len(side) for pair in pairs for side in pair[:2]] == [400] * 20  # there are enough for whole halves
    for fake, real, _ in pairs:
        assert not {row.tobytes() for row in fake.points} & {row.tobytes() for row in real.points}
    assert not np.array_equal(pairs[0][0].points, pairs[1][0].points)
    (floor,) = floors.measure_floors(population, MetricSuite.of(population, [FrechetDistance()]))
    protocol, _, comparison = floor.protocol.partition(": ")
    assert protocol == "fid@digits-cnn/1797"
    assert " 898 " in comparison
    assert floor.n_samples == 1797


def test_fresh_draws_are_compared_with_the_reference_of_evaluations():
    population = load("ring")
    suite = MetricSuite.of(population, [FrechetDistance()], 300)
    fakes = []
    for fake, real, comparison in floors.comparisons(population, suite):
        assert real is suite.real
        assert comparison.count("300") == 2
        fakes.append(fake.points)
    expected = population.take(population.draw((300,), generator(3, "floor"))).numpy()
    np.testing.assert_array_equal(fakes[3], expected)


def test_floors_stand_with_the_study_and_are_found_by_an_evaluations_protocol(store, component):
    ring = component("ring", n_modes=4)
    ensure(store, [(ring, 200), (ring, 0), (ring, 200)])
    table = ganbench.load(store.path).floors
    assert list(table) == list(schema.FLOORS)
    assert len(table) == 4
    row = find_floor(table, "ring[n_modes=4]", "modes@coordinates/200")
    assert row[["metric", "value", "standard_error", "repetitions", "n_samples"]].values.tolist() == [
        ["modes", 4.0, 0.0, 10, 200]
    ]
    assert find_floor(table, "ring[n_modes=4]", "modes@coordinates/2").empty
    assert find_floor(table, "ring", "modes@coordinates/200").empty
    assert (store.path / "floors.parquet").is_file()


def test_what_is_known_is_neither_measured_nor_written_again(store, component, monkeypatch):
    digits = component("digits")
    assert ensure(store, [(digits, 300)]) == [["modes", "fid"]]
    before = (store.path / "floors.parquet").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(floors, "instantiate", None)  # nor are the data loaded
        assert ensure(store, [(digits, 300)]) == []
    assert (store.path / "floors.parquet").stat().st_mtime_ns == before
    assert ensure(store, [(digits, 300)], ("modes", "sliced_w1")) == [["sliced_w1"]]
    assert ganbench.load(store.path).floors["metric"].tolist() == ["fid", "modes", "sliced_w1"]


def test_the_cache_goes_by_everything_that_determines_a_floor(component):
    ring = component("ring")
    first = floors._cache_path(ring, 100, Wasserstein())
    others = [
        floors._cache_path(component("ring", sigma=0.1), 100, Wasserstein()),
        floors._cache_path(replace(ring, code="other data"), 100, Wasserstein()),
        floors._cache_path(ring, 101, Wasserstein()),
        floors._cache_path(ring, 100, Wasserstein(samples=10)),
        floors._cache_path(ring, 100, FrechetDistance()),
    ]
    assert len({first, *others}) == 6
    assert floors._cache_path(replace(ring, label="another name"), 100, Wasserstein()) == first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"metric": "modes"}'])
def test_a_broken_cache_is_mended(store, component, content):
    ring = component("ring")
    ensure(store, [(ring, 100)])
    table = store.floors()
    path = floors._cache_path(ring, 100, FrechetDistance())
    path.write_text(content)
    assert ensure(store, [(ring, 100)]) == [["fid"]]
    assert json.loads(path.read_text())["metric"] == "fid"
    pd.testing.assert_frame_equal(store.floors(), table)  # keyed randomness: the same numbers


def test_a_number_that_was_changed_in_the_cache_is_measured_again(store, component):
    ring = component("ring")
    ensure(store, [(ring, 100)])
    path = floors._cache_path(ring, 100, FrechetDistance())
    before = path.read_bytes()
    path.write_text(json.dumps({**json.loads(before), "value": 17.0}))
    assert ensure(store, [(ring, 100)]) == [["fid"]]
    assert path.read_bytes() == before


def test_a_metrics_name_never_leads_out_of_the_cache(component):
    @dataclass(frozen=True)
    class Stray(FrechetDistance):
        name = "../../../stray"

    inside = floors._cache_path(component("ring"), 100, FrechetDistance()).parent
    assert floors._cache_path(component("ring"), 100, Stray()).resolve().parent == inside.resolve()


def test_a_cache_that_cannot_be_written_to_is_no_error(store, component, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    ensure(store, [(component("ring"), 100)])
    assert len(store.floors()) == 2


def test_a_metric_that_is_not_defined_has_a_nan_with_a_reason_for_a_floor(store, component):
    swissroll = component("swissroll")
    ensure(store, [(swissroll, 100)])
    table = store.floors()
    assert table["value"].isna().tolist() == [True, False]
    row = find_floor(table, "swissroll", "modes@coordinates/100").iloc[0]
    assert row["protocol"].endswith("held-out ones")
    assert row["reason"].startswith("modes needs known modes")
    assert ensure(store, [(swissroll, 100)]) == []


def test_floors_without_their_evaluator_are_not_kept_for_later(monkeypatch):
    class Data:
        def load(self, root):
            return Cloud(Missing())

    monkeypatch.setattr(floors, "instantiate", lambda *_: Data())
    ((ring, _),) = variants(REGISTRY.datasets, "ring", {})
    found = floors._floors_of(ring, 50, [FrechetDistance(), Wasserstein()], REGISTRY, ROOT, lambda _: None)
    assert math.isnan(found[0].value)
    assert "famous-net" in found[0].protocol
    assert found[0].reason == Missing.reason
    assert found[1].protocol.startswith("w1[samples=50]@raw/50: ")
    assert not floors._cache_path(ring, 50, Wasserstein()).exists()


def test_too_few_samples_to_halve_are_said():
    class Three(Cloud):
        def hold_out(self, n):
            return Cloud(self._evaluator), torch.empty(0)

        def reference(self, n):
            return torch.zeros(min(n, 3), 2)

    population = Three(load("ring").evaluator())
    (floor,) = floors.measure_floors(population, MetricSuite.of(population, [FrechetDistance()]))
    assert math.isnan(floor.value)
    assert " 1 " in floor.protocol
    one = population.evaluator().measure(torch.zeros(1, 2))
    with refused(SampleError, subject="fid", code="few", got=1) as caught:
        FrechetDistance().value(one, one)
    assert floor.reason == str(caught.value)


@pytest.mark.soak
def test_real_stacked_mnist_has_its_thousand_modes_and_lies_at_its_floor(monkeypatch):
    monkeypatch.setattr(floors, "REPETITIONS", 2)  # each takes half a minute; the standard error is theory's, then
    population = load("stacked-mnist")
    suite = MetricSuite.of(population, [Modes(), ModeKL()])
    samples = population.take(population.draw((26_000,), generator(0, "a perfect sampler")))
    modes, kl = suite.examine(samples)
    mode_floor, kl_floor = floors.measure_floors(population, suite)
    assert (modes["value"], mode_floor.value) == (1000, 1000)
    bias, standard_error = 999 / 26_000, math.sqrt(2 * 999) / 26_000  # of a chi-squared variable with 999 degrees
    assert kl_floor.value == pytest.approx(bias, rel=0.2)
    assert abs(kl["value"] - kl_floor.value) <= 3 * standard_error
