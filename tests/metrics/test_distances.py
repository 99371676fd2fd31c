"""The wrapper around torch-fidelity against closed forms and a second, plain NumPy implementation."""

import os
import urllib.error

import numpy as np
import pytest
import scipy.linalg
import torch
from refusals import refused
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from ganbench.errors import DataError, SampleError
from ganbench.metrics.distances import Gaussian, frechet_distance, gaussian, inception, kernel_distance


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_frechet_distance_of_independent_coordinates_is_a_sum_over_them():
    one = Gaussian(np.array([0.0, 1.0, 2.0]), np.diag([1.0, 4.0, 9.0]))
    two = Gaussian(np.array([3.0, 1.0, 0.0]), np.diag([4.0, 4.0, 0.25]))
    by_hand = (3.0**2 + 0 + 2.0**2) + ((1 - 2) ** 2 + 0 + (3 - 0.5) ** 2)
    assert frechet_distance(one, two) == pytest.approx(by_hand, abs=1e-12)


def test_frechet_distance_of_correlated_coordinates(rng):
    a, b = (rng.normal(size=(6, 6)) for _ in range(2))
    one, two = Gaussian(rng.normal(size=6), a @ a.T), Gaussian(rng.normal(size=6), b @ b.T)
    root = scipy.linalg.sqrtm(one.covariance)
    cross = scipy.linalg.sqrtm(root @ two.covariance @ root)  # the symmetric form of the same square root
    expected = ((one.mean - two.mean) ** 2).sum() + np.trace(one.covariance + two.covariance - 2 * cross.real)
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(two, one) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_equal_gaussians_is_zero_even_when_singular(rng):
    flat = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 8))
    assert 0 <= frechet_distance(gaussian(flat), gaussian(flat)) < 1e-5


@pytest.mark.parametrize("d", [1, 3])
def test_gaussian_is_mean_and_unbiased_covariance(rng, d):
    x = rng.normal(size=(20, d))
    fitted = gaussian(x)
    centred = x - x.sum(axis=0) / 20
    np.testing.assert_allclose(fitted.mean, x.sum(axis=0) / 20)
    np.testing.assert_allclose(fitted.covariance, centred.T @ centred / 19, atol=1e-14)


def unbiased_mmd2(x, y):
    """Gretton et al. (2012), eq. 3, written out: pairs i != j within a set, all pairs across."""

    def kernel(a, b):
        return (a @ b / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def test_kernel_distance_over_whole_sets_is_the_unbiased_estimate(rng):
    fake, real = rng.normal(0.5, 1, size=(30, 4)), rng.normal(size=(30, 4))
    assert kernel_distance(fake, real, subsets=3, subset_size=30, seed=0) == pytest.approx(unbiased_mmd2(fake, real))


def test_kernel_distance_over_subsets_follows_its_seed_and_agrees_on_average(rng):
    fake, real = rng.normal(0.5, 1, size=(60, 4)), rng.normal(size=(50, 4))
    first = kernel_distance(fake, real, subsets=2, subset_size=20, seed=0)
    assert kernel_distance(fake, real, subsets=2, subset_size=20, seed=0) == first
    assert kernel_distance(fake, real, subsets=2, subset_size=20, seed=1) != first
    many = kernel_distance(fake, real, subsets=3000, subset_size=20, seed=0)
    assert many == pytest.approx(unbiased_mmd2(fake, real), rel=0.1)


def test_no_global_generator_moves(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    kernel_distance(x, y, subsets=2, subset_size=20, seed=0)
    frechet_distance(gaussian(x), gaussian(y))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


class Intruder:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("intruded",)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A file of the right form with random weights."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = inception(path)
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.slow
def test_inception_loads_the_weights_of_a_file(random_weights):
    network = inception(random_weights)
    state = torch.load(random_weights, weights_only=True)
    assert torch.equal(network.state_dict()["Mixed_7c.branch1x1.conv.weight"], state["Mixed_7c.branch1x1.conv.weight"])
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.slow
def test_the_inception_evaluator_measures_colour_images(random_weights):
    from ganbench.errors import MetricError
    from ganbench.metrics import FrechetDistance, Modes
    from ganbench.metrics.evaluators import load

    evaluator = load("inception-v3-compat", random_weights)
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    images[2, 0, 0, 0] = torch.nan
    measured = evaluator.measure(images)
    assert measured.features.shape == (3, 2048)
    assert measured.features.dtype == np.float64
    assert np.isfinite(measured.features[:2]).all()
    assert np.isnan(measured.features[2]).all()
    assert not np.array_equal(measured.features[0], measured.features[1])
    finite = evaluator.measure(images[:2])
    np.testing.assert_allclose(finite.features, measured.features[:2], rtol=1e-4, atol=1e-6)
    with refused(MetricError, subject="modes", code="no-modes"):
        Modes().value(finite, finite)
    with refused(SampleError, subject="fid", code="few", side="fake", got=2, wanted=2049):
        FrechetDistance().value(finite, finite)
    with refused(DataError, subject="inception-v3-compat", code="shape"):
        evaluator.measure(torch.zeros(2, 1, 16, 16))


def test_without_inception_weights_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    cached = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    with refused(DataError, subject=cached, code="missing", remedy="ganbench data fetch inception-v3-compat") as caught:
        inception()
    assert URL_INCEPTION_V3 in str(caught.value)
    with refused(DataError, subject=tmp_path / "missing.pth", code="missing"):
        inception(tmp_path / "missing.pth")

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with refused(DataError, subject=cached, code="download") as caught:
        inception(download=True)
    assert all(part in str(caught.value) for part in ("no route to host", URL_INCEPTION_V3))


def test_the_evaluator_has_a_name_without_weights_and_takes_those_that_a_variable_names(
    tmp_path, monkeypatch, random_weights
):
    from ganbench.metrics.evaluators import load

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    evaluator = load("inception-v3-compat")
    assert evaluator.name == "inception-v3-compat"
    with refused(DataError, code="missing", remedy="ganbench data fetch inception-v3-compat"):
        evaluator.measure(torch.zeros(2, 3, 16, 16))
    monkeypatch.setenv("GANBENCH_INCEPTION", str(random_weights))
    assert load("inception-v3-compat").measure(torch.zeros(2, 3, 16, 16)).features.shape == (2, 2048)


def test_a_download_is_checked_and_kept(tmp_path, monkeypatch, random_weights):
    calls = []

    def fetch(url, target, hash_prefix, progress):
        calls.append((url, hash_prefix))
        os.link(random_weights, target)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    inception(download=True)
    inception()
    assert [prefix for _, prefix in calls] == ["6726825d"]
    assert calls[0][0].endswith("-6726825d.pth")


@pytest.mark.parametrize("content", [b"", b"not weights", None, {"conv.weight": torch.zeros(1)}])
def test_a_file_that_is_not_inception_weights_is_refused_and_not_executed(tmp_path, content):
    path = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content or Intruder(), path)
    with refused(DataError, subject=path, code="corrupt"):
        inception(path)
    assert not (tmp_path / "intruded").exists()
