"""Precision, recall, density and coverage against cases by hand and brute force."""

import numpy as np
import pytest
import torch
from refusals import refused

from ganbench.errors import SampleError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import Coverage, Density, Precision, Recall, neighbours


def measured(features):
    n = len(features)
    return Measured(features.astype(np.float32), features, np.zeros(n, np.int64), np.ones(n, bool), 1)


def line(*positions):
    return measured(np.array(positions, dtype=np.float64)[:, None])


def brute_force(fake, real, k):
    """The four metrics from whole distance matrices, as the two papers define them."""

    def distances(a, b):
        return np.linalg.norm(a[:, None] - b, axis=-1)

    def radii(x):
        return np.sort(distances(x, x), axis=1)[:, k]

    in_real, in_fake = distances(fake, real) < radii(real), distances(real, fake) < radii(fake)
    return {
        "precision": in_real.any(axis=1).mean(),
        "recall": in_fake.any(axis=1).mean(),
        "density": in_real.sum() / (k * len(fake)),
        "coverage": in_real.any(axis=0).mean(),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("metric", [Precision, Recall, Density, Coverage], ids=lambda m: m.name)
def test_against_brute_force(metric, k, monkeypatch):
    monkeypatch.setattr(neighbours, "MEBIBYTES", 0.01)  # many chunks
    rng = np.random.default_rng(k)
    fake, real = rng.normal(0.8, 1, size=(120, 4)), rng.normal(size=(90, 4))
    expected = brute_force(fake, real, k)[metric.name]
    assert metric(k=k).value(measured(fake), measured(real)) == pytest.approx(expected, abs=1e-12)
    assert 0 < expected < 1


def exact(fake, real, k):
    """The four metrics of integer features in exact arithmetic: balls of precision and recall hold their surface."""

    def squares(a, b):
        return [[sum((int(p) - int(q)) ** 2 for p, q in zip(x, y, strict=True)) for y in b] for x in a]

    def radii(x):
        return [sorted(row[:i] + row[i + 1 :])[k - 1] for i, row in enumerate(squares(x, x))]

    apart, real_radii, fake_radii = squares(fake, real), radii(real), radii(fake)
    inside = [[d < r for d, r in zip(row, real_radii, strict=True)] for row in apart]
    return {
        "precision": np.mean([any(d <= r for d, r in zip(row, real_radii, strict=True)) for row in apart]),
        "recall": np.mean(
            [any(d <= r for d, r in zip(row, fake_radii, strict=True)) for row in zip(*apart, strict=True)]
        ),
        "density": np.sum(inside) / (k * len(fake)),
        "coverage": np.any(inside, axis=0).mean(),
    }


@pytest.mark.parametrize("metric", [Precision, Recall, Density, Coverage], ids=lambda m: m.name)
@pytest.mark.parametrize("offset", [0, 1_000_003])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_ties_and_copies_are_decided_as_in_exact_arithmetic(k, offset, metric, monkeypatch):
    monkeypatch.setattr(neighbours, "MEBIBYTES", 0.003)  # several chunks
    rng = np.random.default_rng(k)
    real = rng.integers(0, 4, size=(60, 3)) + offset  # 64 places: many copies and equal distances
    fake = np.concatenate([rng.integers(0, 6, size=(30, 3)) + offset, real[:20]])
    value = metric(k=k).value(measured(fake.astype(np.float64)), measured(real.astype(np.float64)))
    assert value == pytest.approx(exact(fake, real, k)[metric.name], abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_a_set_compared_with_itself_scores_exactly_one(scale):
    features = np.random.default_rng(0).normal(5, 1, size=(200, 64)) * scale
    shuffled = features[np.random.default_rng(1).permutation(200)]
    values = [m().value(measured(shuffled), measured(features)) for m in (Precision, Recall, Density, Coverage)]
    assert values == [1, 1, 1, 1]
    twice = np.repeat(features, 2, axis=0)
    assert [m().value(measured(twice), measured(twice)) for m in (Precision, Recall)] == [1, 1]


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_agree_with_torch_fidelity(k):
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    rng = np.random.default_rng(k)
    fake, real = rng.normal(0.7, 1, size=(300, 5)), rng.normal(size=(400, 5))
    expected = calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real), k)
    found = [m(k=k).value(measured(fake), measured(real)) for m in (Precision, Recall)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_precision_and_recall_on_a_line():
    # With k = 1 the real balls are 0±1, 1±1, 10±9, the fake ones .5±.6, 1.1±.6, 30±28.9 (that reaches 1.1).
    real, fake = line(0, 1, 10), line(0.5, 1.1, 30)
    assert Precision(k=1).value(fake, real) == 2 / 3  # 30 lies outside [1, 19]
    assert Recall(k=1).value(fake, real) == 1  # 0 in .5±.6, 1 in 1.1±.6, 10 in 30±28.9


def test_density_and_coverage_on_a_line():
    # With k = 1 the real balls are 0±1, 1±1 and 10±9.
    real = line(0, 1, 10)
    fake = line(0.5, 0.6, 30, 1.5)  # in balls 1 and 2; 1 and 2; none; 2 and 3
    assert Density(k=1).value(fake, real) == pytest.approx(6 / 4)
    assert Coverage(k=1).value(fake, real) == 1
    assert Coverage(k=1).value(line(-0.5, 50), real) == pytest.approx(1 / 3)
    assert Density(k=1).value(line(0, 1, 10), real) == 1  # a ball ends before its k-th neighbour


def test_an_outlier_lifts_the_precision_of_noise_and_hardly_its_density():
    rng = np.random.default_rng(0)
    noise, real = rng.uniform(-5, 5, size=(500, 2)), rng.normal(0, 0.1, size=(499, 2))
    with_outlier = np.concatenate([real, [[4.0, 4.0]]])
    clean = [m().value(measured(noise), measured(real)) for m in (Precision, Density)]
    spoiled = [m().value(measured(noise), measured(with_outlier)) for m in (Precision, Density)]
    assert spoiled[0] > clean[0] + 0.3
    assert spoiled[1] < clean[1] + 0.2


def test_equal_distributions():
    rng = np.random.default_rng(1)
    values = {
        m.name: np.mean([m().value(*(measured(rng.normal(size=(400, 2))) for _ in "ab")) for _ in range(5)])
        for m in (Precision, Recall, Density, Coverage)
    }
    assert values["density"] == pytest.approx(1, abs=0.05)
    assert values["coverage"] == pytest.approx(1 - 2**-5, abs=0.015)
    assert 0.93 < values["precision"] < 0.99
    assert 0.93 < values["recall"] < 0.99


@pytest.mark.parametrize("metric", [Precision, Recall, Density, Coverage], ids=lambda m: m.name)
def test_a_neighbourhood_needs_neighbours(metric):
    k = metric().k
    few, enough = line(*range(k)), line(*range(k + 1))
    with refused(SampleError, subject=metric.name, code="few", side="real", got=k, wanted=k + 1):
        metric().value(enough, few)
    with refused(SampleError, subject=metric.name, code="few", side="fake", got=k, wanted=k + 1):
        metric().value(few, enough)
    assert metric().value(enough, enough) > 0
