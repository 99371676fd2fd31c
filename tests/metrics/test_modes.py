"""The metrics that count modes, on histograms that can be counted by hand and on perfect samplers."""

import math

import numpy as np
import pytest
import torch
from refusals import refused

from ganbench.errors import MetricError
from ganbench.interfaces.metric import Measured
from ganbench.metrics import FrechetDistance, HighQuality, ModeKL, Modes
from ganbench.metrics.evaluators.coordinates import NearestMode


def measured(counts, bad=(), kind="modes"):
    """So many good samples of each mode, and so many bad ones."""
    bad = bad or [0] * len(counts)
    modes = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.repeat(np.arange(len(bad)), bad)])
    good = np.arange(len(modes)) < sum(counts)
    points = np.zeros((len(modes), 1), np.float32)
    return Measured(points, points.astype(np.float64), modes, good, len(counts), kind=kind)


REAL = measured([10, 10, 10, 10])


def test_one_good_sample_captures_a_mode_and_no_bad_one_does():
    assert Modes().value(measured([7, 1, 0, 0], bad=[0, 0, 9, 0]), REAL) == 2


def test_a_class_needs_a_quarter_of_its_fair_share_of_all_samples():
    # 40 samples of 4 classes: fair is 10, a quarter 2.5; bad samples count.
    counts = measured([28, 2, 0, 0], bad=[0, 0, 3, 7], kind="classes")
    assert Modes().value(counts, REAL) == 3
    assert Modes(share=0.5).value(counts, REAL) == 2
    assert Modes(share=0).value(measured([38, 1, 1, 0], kind="classes"), REAL) == 3


def test_high_quality_is_the_share_of_good_samples():
    assert HighQuality().value(measured([3, 0], bad=[0, 1]), REAL) == 0.75
    assert HighQuality().value(measured([0, 0], bad=[2, 2]), REAL) == 0


def test_mode_kl_by_hand():
    assert ModeKL().value(REAL, REAL) == 0
    one_of_four = ModeKL().value(measured([5, 0, 0, 0]), REAL)
    assert one_of_four == pytest.approx(math.log(4))
    two_thirds = ModeKL().value(measured([2, 1]), measured([1, 3]))
    assert two_thirds == pytest.approx(2 / 3 * math.log(2 / 3 / 0.25) + 1 / 3 * math.log(1 / 3 / 0.75))


def test_mode_kl_counts_good_samples_of_modes_and_all_samples_of_classes():
    counts, bad = [4, 4, 4, 4], [0, 0, 0, 8]
    assert ModeKL().value(measured(counts, bad), REAL) == 0
    of_classes = ModeKL().value(measured(counts, bad, kind="classes"), measured([10] * 4, kind="classes"))
    assert of_classes == pytest.approx(3 * (1 / 6) * math.log(4 / 6) + 0.5 * math.log(2))


def test_mode_kl_without_a_good_sample_is_that_of_a_single_mode():
    assert ModeKL().value(measured([0, 0, 0, 0], bad=[9, 0, 0, 0]), REAL) == pytest.approx(math.log(4))


def test_mode_kl_asks_for_more_real_samples_where_it_is_infinite():
    with refused(MetricError, subject="mode_kl", code="infinite") as caught:
        ModeKL().value(measured([5, 5, 5]), measured([10, 10, 0]))
    assert "mode 2" in str(caught.value)
    assert np.isfinite(ModeKL().value(measured([5, 5, 0]), measured([10, 10, 0])))


@pytest.mark.parametrize("metric", [Modes(), HighQuality(), ModeKL()], ids=lambda m: m.name)
def test_without_known_modes_there_is_nothing_to_count(metric):
    unknown = Measured(np.zeros((3, 1), np.float32), np.zeros((3, 1)), np.full(3, -1), np.zeros(3, bool), 0, "classes")
    with refused(MetricError, subject=metric.name, code="no-modes"):
        metric.value(unknown, unknown)


def test_mode_kl_of_a_perfect_sampler_is_its_bias():
    n, n_modes, repeats = 2500, 8, 600
    rng = np.random.default_rng(0)
    uniform = measured([100] * n_modes)
    drawn = [measured(rng.multinomial(n, [1 / n_modes] * n_modes)) for _ in range(repeats)]
    mean = np.mean([ModeKL().value(fake, uniform) for fake in drawn])
    assert mean == pytest.approx((n_modes - 1) / (2 * n), rel=0.1)  # .0014; the standard error is 2 %
    both = np.mean([ModeKL().value(a, b) for a, b in zip(drawn[::2], drawn[1::2], strict=True)])
    assert both == pytest.approx((n_modes - 1) / n, rel=0.15)


ANGLES = 2 * np.pi * np.arange(8) / 8
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def ring(seed, n, keep=range(8)):
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.choice(keep, n)] + 0.02 * rng.normal(size=(n, 2))
    return NearestMode(CENTRES, np.full(8, 0.06)).measure(torch.from_numpy(points))


def test_a_perfect_sampler_in_two_dimensions_scores_98_89_percent():
    n, expected = 40_000, 1 - math.exp(-4.5)
    share = HighQuality().value(ring(0, n), REAL)
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / n))
    assert abs(share - 0.9973) > 0.005  # the share in one dimension, a common mistake


def test_the_frechet_distance_is_blind_to_every_second_mode_and_mode_kl_is_not():
    real, same, alternate = ring(1, 10_000), ring(2, 10_000), ring(3, 10_000, keep=[0, 2, 4, 6])
    blind = FrechetDistance().value(alternate, real)
    assert blind < 0.005
    assert ModeKL().value(alternate, real) == pytest.approx(math.log(2), abs=0.05)
    assert ModeKL().value(same, real) < 0.005
    assert Modes().value(alternate, real) == 4
    assert FrechetDistance().value(ring(4, 10_000, keep=range(4)), real) > 1
