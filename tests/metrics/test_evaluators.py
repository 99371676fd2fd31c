"""Evaluators: modes by hand, and the shipped classifiers against what their records promise."""

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused
from train_evaluators import (
    DIGITS_RECIPE,
    SCRIPTS,
    Variation,
    accuracy,
    digits_split,
    fade,
    make,
    mnist,
    mnist_split,
    splice,
    spoil,
    train,
    vary,
    with_spoiled,
)

from ganbench.errors import DataError, UnknownNameError
from ganbench.metrics.evaluators import NAMES, load
from ganbench.metrics.evaluators.classifier import (
    FOLDER,
    NOT_A_DIGIT,
    SHARE_OF_REAL,
    MahalanobisThreshold,
    digits_network,
    read_classifier,
    read_record,
    sha256,
)
from ganbench.metrics.evaluators.coordinates import NearestMode
from ganbench.metrics.evaluators.stacked import StackedEvaluator


def test_nearest_mode_by_hand():
    evaluator = NearestMode(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([1.0, 3.0]))
    points = torch.tensor([[0.0, 1.0], [0.0, 1.01], [7.5, 0.0], [4.0, 0.0], [13.0, 0.5], [math.nan, 0.0]])
    measured = evaluator.measure(points)
    assert measured.modes[:5].tolist() == [0, 0, 1, 0, 1]
    assert measured.good.tolist() == [True, False, True, False, False, False]
    assert (measured.n_modes, measured.kind, evaluator.name) == (2, "modes", "coordinates")
    assert (measured.points.dtype, measured.features.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(measured.features[:5], points[:5].double().numpy())


def test_nearest_mode_does_not_depend_on_other_samples():
    rng = np.random.default_rng(0)
    evaluator = NearestMode(rng.normal(size=(25, 2)), np.full(25, 0.3))
    points = torch.from_numpy(rng.normal(size=(2500, 2)))
    whole, part = evaluator.measure(points), evaluator.measure(points[1700:1703])
    np.testing.assert_array_equal(whole.modes[1700:1703], part.modes)
    by_hand = np.linalg.norm(whole.features[:, None] - evaluator.centres, axis=-1)
    np.testing.assert_array_equal(whole.modes, by_hand.argmin(axis=1))
    np.testing.assert_array_equal(whole.good, by_hand.min(axis=1) <= 0.3)
    assert 0.1 < whole.good.mean() < 0.9
    assert len(evaluator.measure(points[:0])) == 0


def test_nearest_mode_refuses_what_does_not_fit():
    with refused(DataError, subject="coordinates", code="radii") as caught:
        NearestMode(np.zeros((8, 2)), np.zeros(7))
    assert all(shape in str(caught.value) for shape in ("(8, 2)", "(7,)"))
    with refused(DataError, subject="coordinates", code="shape") as caught:
        NearestMode(np.zeros((8, 2)), np.zeros(8)).measure(torch.zeros(4, 3))
    assert "(3,)" in str(caught.value)


def test_quality_holds_its_share_of_gaussian_classes():
    rng = np.random.default_rng(2)
    mixing, labels = np.eye(5) + 0.3 * rng.normal(size=(5, 5)), rng.integers(0, 3, 6000)
    features = 9 * labels[:, None] + rng.normal(size=(6000, 5)) @ mixing
    quality = MahalanobisThreshold.fit(features[:3000], labels[:3000]).calibrated(
        features[3000:4000], labels[3000:4000]
    )
    assert quality.good(features[4000:], labels[4000:]).mean() == pytest.approx(SHARE_OF_REAL, abs=0.012)
    residuals = features[:3000] - quality.centres[labels[:3000]]
    exact = np.sqrt(np.einsum("ni,ij,nj->n", residuals, np.linalg.inv(residuals.T @ residuals / 3000), residuals))
    np.testing.assert_allclose(quality.distances(features[:3000], labels[:3000]), exact, rtol=0.05)
    far = features[:10] + 20 * mixing[0]
    assert not quality.good(far, labels[:10]).any()


def test_share_of_real_is_that_of_two_dimensions():
    radii = np.linalg.norm(np.random.default_rng(0).normal(size=(100_000, 2)), axis=1)
    assert (radii <= 3).mean() == pytest.approx(SHARE_OF_REAL, abs=0.0015)


@pytest.fixture(scope="module")
def digits():
    return load("digits-cnn")


@pytest.fixture(scope="module")
def split():
    return digits_split()


@pytest.fixture(scope="module")
def mnist_root():
    root = os.environ.get("GANBENCH_DATA")
    if root is None or not Path(root, "MNIST", "raw").is_dir():
        pytest.skip("GANBENCH_DATA names no folder that holds MNIST")
    return Path(root)


def test_the_split_shares_no_digit_and_keeps_the_classes_even(split):
    seen, unseen = split.training.images.flatten(1), split.accuracy_test.images.flatten(1)
    assert (len(seen), len(unseen)) == (898, 899)
    assert torch.cdist(seen, unseen).min() > 0
    assert len(split.calibration.labels) + len(split.quality_test.labels) == 899
    assert torch.cdist(split.calibration.images.flatten(1), split.quality_test.images.flatten(1)).min() > 0
    assert max(split.training.labels.bincount()) - min(split.training.labels.bincount()) <= 6


def test_digits_cnn_is_as_accurate_as_recorded_on_digits_it_never_saw(digits, split):
    record = read_record("digits-cnn")
    measured = accuracy(digits, split.accuracy_test)
    assert measured == pytest.approx(record.accuracy, abs=1.5 / 899)  # one digit may tip on other hardware
    assert measured >= 0.985
    assert record.n_accuracy == len(split.accuracy_test.labels)


def test_digits_cnn_finds_real_digits_good_as_recorded(digits, split):
    record = read_record("digits-cnn")
    share = digits.measure(split.quality_test.images).good.mean()
    assert share == pytest.approx(record.high_quality, abs=1.5 / 450)
    assert 0.975 <= share <= 1


def test_mnist_cnn_is_as_accurate_as_recorded(mnist_root):
    record, test = read_record("mnist-cnn"), mnist(mnist_root, train=False)
    measured = load("mnist-cnn").measure(test.images)
    share = (measured.modes == test.labels.numpy()).mean()
    assert share == pytest.approx(record.accuracy, abs=2.5e-4)
    assert share >= 0.992
    assert measured.good.mean() == pytest.approx(record.high_quality, abs=5e-4)
    assert 0.98 <= measured.good.mean() <= 0.998
    assert record.n_accuracy == 10_000


def test_the_mnist_split_keeps_the_test_set_apart(mnist_root):
    split = mnist_split(mnist_root)
    sizes = [len(part.labels) for part in (split.training, split.calibration, split.accuracy_test)]
    assert sizes == [55_000, 5_000, 10_000]
    assert (split.training.images.min(), split.training.images.max()) == (-1, 1)


def test_missing_mnist_is_one_sentence(tmp_path):
    with refused(DataError, subject=tmp_path, code="missing", remedy="GANBENCH_DATA"):
        mnist(tmp_path, train=True)


@pytest.mark.parametrize("name", ["digits-cnn", "mnist-cnn"])
def test_weights_are_small_and_those_of_their_record(name):
    path, record = FOLDER / f"{name}.safetensors", read_record(name)
    assert path.stat().st_size < 1_000_000
    assert sha256(path) == record.sha256
    assert record.script == f"tools/train_evaluators.py {name}"
    assert name in SCRIPTS


SPOILED = {
    "nothing": lambda x: torch.full_like(x, -1),
    "grey": torch.zeros_like,
    "noise": lambda x: torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1,
    "negatives": lambda x: -x,
    "blurred": lambda x: torch.nn.functional.avg_pool2d(x, 3, 1, 1),
    "not a number": lambda x: torch.full_like(x, math.nan),
}


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("name", ["digits-cnn", "mnist-cnn"])
def test_what_is_no_digit_is_not_good(name, spoiled, split):
    size = load(name).image_shape[1]
    images = torch.nn.functional.interpolate(split.quality_test.images[:200], size=(size, size), mode="bilinear")
    assert load(name).measure(SPOILED[spoiled](images)).good.mean() < 0.05


def test_a_sample_is_measured_the_same_in_any_batch(digits, split):
    images = split.accuracy_test.images
    whole = digits.measure(images)
    for part in (slice(0, 1), slice(498, 503), slice(300, 899)):
        alone = digits.measure(images[part])
        np.testing.assert_array_equal(alone.features, whole.features[part])
        np.testing.assert_array_equal(alone.modes, whole.modes[part])
        np.testing.assert_array_equal(alone.good, whole.good[part])
    assert (whole.kind, whole.n_modes, whole.features.shape, whole.features.dtype) == (
        "classes", 10, (899, 64), np.float64,
    )  # fmt: skip
    np.testing.assert_array_equal(whole.points, images.flatten(1).numpy())


def test_images_of_another_shape_are_refused(digits):
    for evaluator, wanted, got in (
        (digits, (1, 8, 8), (1, 28, 28)),
        (StackedEvaluator(digits), (3, 8, 8), (1, 8, 8)),
    ):
        with refused(DataError, subject=evaluator.name, code="shape") as caught:
            evaluator.measure(torch.zeros(2, *got))
        assert all(str(shape) in str(caught.value) for shape in (wanted, got))


def test_stacked_digits_are_their_channels(digits, split):
    images = split.accuracy_test.images[:600].view(200, 3, 8, 8).clone()
    images[7, 2] = -1
    stacked, channels = StackedEvaluator(digits), [digits.measure(images[:, [c]]) for c in range(3)]
    measured = stacked.measure(images)
    a, b, c = (channel.modes for channel in channels)
    np.testing.assert_array_equal(measured.modes, 100 * a + 10 * b + c)
    np.testing.assert_array_equal(measured.features, np.concatenate([x.features for x in channels], axis=1))
    np.testing.assert_array_equal(measured.good, channels[0].good & channels[1].good & channels[2].good)
    assert not measured.good[7]
    assert measured.good.mean() > 0.9
    assert (measured.n_modes, measured.kind, measured.points.shape) == (1000, "classes", (200, 192))


def test_evaluators_are_found_by_name():
    for name in NAMES[:3]:
        assert load(name).name == name
    assert load("stacked-mnist-cnn").n_modes == 1000
    with refused(UnknownNameError, kind="evaluator", name="digit-cnn", suggestion="digits-cnn"):
        load("digit-cnn")


def test_broken_weights_are_one_sentence(tmp_path):
    file = tmp_path / "digits-cnn.safetensors"
    for content in (None, b"", b"nothing of the kind"):
        if content is not None:
            file.write_bytes(content)
        with refused(DataError, subject=file, code="unreadable"):
            read_classifier("digits-cnn", tmp_path)


@pytest.mark.slow
def test_training_learns_follows_its_seed_and_leaves_the_global_generator_alone(split):
    recipe, before = dataclasses.replace(DIGITS_RECIPE, epochs=3), torch.get_rng_state()
    network = train(digits_network, split.training, recipe)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    again = train(digits_network, split.training, recipe)
    other = train(digits_network, split.training, dataclasses.replace(recipe, seed=1))
    first, same, different = (n.state_dict()["head.1.weight"] for n in (network, again, other))
    assert torch.equal(first, same)
    assert not torch.equal(first, different)
    _, logits = network(split.accuracy_test.images)
    assert (logits.argmax(1) == split.accuracy_test.labels).float().mean() > 0.8


@pytest.mark.slow
def test_making_an_evaluator_writes_weights_and_a_record_that_agree(split, tmp_path):
    recipe = dataclasses.replace(DIGITS_RECIPE, epochs=2)
    record = make("digits-cnn", split, recipe, "train_evaluators", tmp_path)
    assert read_record("digits-cnn", tmp_path) == record
    assert json.loads((tmp_path / "digits-cnn.json").read_text())["sha256"] == record.sha256
    evaluator = read_classifier("digits-cnn", tmp_path)
    assert accuracy(evaluator, split.accuracy_test) == record.accuracy
    assert evaluator.measure(split.quality_test.images).good.mean() == record.high_quality
    calibrated = evaluator.measure(split.calibration.images).good.mean()
    assert calibrated == pytest.approx(SHARE_OF_REAL, abs=1 / 449)


def test_an_image_that_is_not_moved_stays_the_same(split):
    images, rng = split.training.images[:20], torch.Generator().manual_seed(0)
    still = vary(images, Variation(shift=0, rotation=0, scaling=0), rng)
    torch.testing.assert_close(still, images)
    moved = vary(images, Variation(shift=1), rng)
    assert (moved - images).abs().amax(dim=(1, 2, 3)).min() > 0.05
    assert moved.min() >= -1 - 1e-6


def test_spoiled_images_stay_images_and_get_their_own_class(split):
    rng = torch.Generator().manual_seed(0)
    images, labels = split.training.images[:50], split.training.labels[:50]
    batch, classes = with_spoiled(images, labels, rng)
    assert torch.equal(batch[:50], images)
    assert torch.equal(classes[:50], labels)
    assert (classes[50:] == NOT_A_DIGIT).all()
    assert 35 <= len(batch) - 50 <= 50
    spoiled = spoil(images, images.flip(0), rng)
    assert spoiled.shape == images.shape
    assert spoiled.max() <= 1
    assert spoiled.min() >= -1


def test_a_splice_is_half_and_half_and_a_faded_image_is_faint():
    rng, white, black = torch.Generator().manual_seed(0), torch.ones(30, 1, 8, 8), -torch.ones(30, 1, 8, 8)
    spliced = splice(white, black, rng)
    assert (spliced.mean(dim=(1, 2, 3)) == 0).all()
    assert {(x[0, 0, 7].item(), x[0, 7, 0].item()) for x in spliced} == {(-1, 1), (1, -1)}
    assert fade(white, black, rng).max() <= -0.2
