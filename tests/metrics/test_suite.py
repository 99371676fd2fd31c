"""Examining samples: every metric on its own, whatever happens to the others."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from refusals import refused
from toys import Cloud, Missing

from ganbench.engine.sampling import evaluation_latents
from ganbench.errors import MetricError, SampleError
from ganbench.interfaces.metric import Measured, Metric
from ganbench.metrics import FrechetDistance, Modes, SlicedWasserstein, Wasserstein
from ganbench.metrics.evaluators.coordinates import NearestMode
from ganbench.metrics.modes import captured
from ganbench.metrics.suite import MetricSuite, ModeCounts


def known(sigma=1.0):
    return Cloud(NearestMode(np.array([[3.0, 3.0]]), np.array([3 * sigma])))


def reason_of(samples, metric, code):
    """The sentence of the error that a metric raises for samples, whose code has to be the one given."""
    population = known()
    fake, real = (population.evaluator().measure(x) for x in (samples, population.reference(100)))
    with refused(SampleError, subject=metric.name, code=code) as caught:
        metric.value(fake, real)
    return str(caught.value)


ON_PRINCIPLE = "undefined is (on principle) not defined"


@dataclass(frozen=True)
class Strange(Metric):
    """Fails in a way that nobody announced."""

    name = "strange"
    direction = "lower"
    unit = "none"

    def value(self, fake, real):
        raise ZeroDivisionError("of\n course")


@dataclass(frozen=True)
class Undefined(Strange):
    """Says why it is not defined."""

    name = "undefined"

    def value(self, fake, real):
        raise MetricError(ON_PRINCIPLE)


def test_a_metric_that_fails_is_a_nan_with_the_reason_and_the_others_are_computed():
    suite = MetricSuite.of(known(), [Strange(), Modes(), Undefined()])
    strange, modes, undefined = suite.examine(3 + torch.randn(100, 2))
    assert math.isnan(strange["value"])
    assert (strange["protocol"], strange["reason"]) == ("strange@coordinates/100", "ZeroDivisionError: of course")
    assert modes == {
        "metric": "modes", "value": 1.0, "n_samples": 100, "protocol": "modes@coordinates/100", "reason": "",
    }  # fmt: skip
    assert undefined["protocol"] == "undefined@coordinates/100"
    assert undefined["reason"] == ON_PRINCIPLE


def test_what_is_found_of_every_mode_is_what_the_metric_counts():
    """Two samples at the first of three modes, one at the second, one not near enough to the third."""
    row_of_three = NearestMode(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), np.full(3, 3.0))
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [10.0, 0.0], [20.0, 5.0]])
    rows, modes = MetricSuite.of(Cloud(row_of_three), [Modes()]).findings(points)
    assert modes == ModeCounts([2, 1, 0], [True, True, False])
    assert rows[0]["value"] == 2


def test_classes_are_captured_by_the_share_that_the_metric_asks_for():
    """Of 100 samples in two classes, 13 are a quarter of the fair share of 50 and 12 are not."""
    for few, share, found in ((13, 0.25, [True, True]), (12, 0.25, [True, False]), (12, 0.2, [True, True])):
        classes = np.repeat([0, 1], [100 - few, few])
        fake = Measured(np.zeros((100, 1)), np.zeros((100, 1)), classes, np.ones(100, bool), 2, "classes")
        assert captured(fake, share).tolist() == found
        assert Modes(share=share).value(fake, fake) == sum(found)


def test_samples_that_are_not_finite_or_have_no_modes_have_no_histogram():
    spoiled = torch.full((100, 2), torch.nan)
    assert MetricSuite.of(known(), [Modes()]).findings(spoiled).modes is None
    assert MetricSuite.of(Cloud(Missing()), [Modes()]).findings(3 + torch.randn(100, 2)).modes is None


def test_samples_that_are_not_finite_and_too_few_of_them_are_said_and_make_no_number():
    metrics = [FrechetDistance(), SlicedWasserstein()]
    spoiled = 3 + torch.randn(100, 2)
    spoiled[7, 1] = torch.nan
    for row in MetricSuite.of(known(), metrics).examine(spoiled):
        assert math.isnan(row["value"])
        assert row["reason"] == reason_of(spoiled, next(m for m in metrics if m.name == row["metric"]), "not-finite")
    few = 3 + torch.randn(2, 2)
    fid, sliced = MetricSuite.of(known(), metrics, 2).examine(few)
    assert fid["reason"] == reason_of(few, metrics[0], "few")
    assert math.isfinite(sliced["value"])


def test_without_its_evaluator_a_population_is_measured_by_raw_values_where_that_makes_sense():
    metrics = [FrechetDistance(), SlicedWasserstein(), Modes(), Wasserstein()]
    samples = 3 + torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    suite = MetricSuite.of(Cloud(Missing()), metrics)
    assert suite.absent == ("famous-net", Missing.reason, 0)
    fid, sliced, modes, w1 = suite.examine(samples)
    assert (fid["protocol"], fid["reason"]) == ("fid@famous-net/100", Missing.reason)
    assert modes["protocol"] == "modes@famous-net/100"
    assert modes["reason"].startswith("modes needs known modes")  # which the weights would not bring
    assert sliced["protocol"] == "sliced_w1[projections=200]@raw/100"
    assert w1["protocol"] == "w1[samples=100]@raw/100"
    expected = MetricSuite.of(known(), metrics).examine(samples)  # whose features are the raw values
    assert [sliced["value"], w1["value"]] == [expected[1]["value"], expected[3]["value"]]


def test_modes_that_an_absent_evaluator_would_tell_apart_lack_the_evaluator():
    class Classifier(Missing):
        n_modes = 10

    (row,) = MetricSuite.of(Cloud(Classifier()), [Modes()]).examine(torch.randn(100, 2))
    assert row["reason"] == Missing.reason


def test_raw_values_of_images_are_their_pixels():
    class Pictures(Cloud):
        sample_shape = (3, 4, 4)

        def reference(self, n):
            return torch.zeros(n, 3, 4, 4)

    row = MetricSuite.of(Pictures(Missing()), [Wasserstein()]).examine(torch.full((100, 3, 4, 4), 0.5))[0]
    assert row["value"] == pytest.approx(0.5 * math.sqrt(48))


def test_latents_of_a_seed_do_not_depend_on_other_seeds():
    assert torch.equal(evaluation_latents([4, 7], 10, 3)[1], evaluation_latents([7], 10, 3)[0])
