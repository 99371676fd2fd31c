"""Claim 21: rises that can be counted by hand, and every verdict of every rule."""

import numpy as np
import pandas as pd
import pytest

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.estimates import MOMENTUM, STEADY, association, rises
from ganbench.claims.experiment import row

(CLAIM,) = find_claims(["momentum-destabilises-clipped-wgan"])
CALM = [9.0, 9, 10, 9, 8, 7, 6, 5, 4, 3]
WILD = [9.0, 9, 10, 4, 6, 3, 2, 4, 3, 3]  # 4 to 6 and 2 to 4
AT_THE_RISES = [0.0, 0, 0.1, 0.1, 0.9, 0.1, 0.2, 0.9, 0.1, 0.1]


@pytest.mark.parametrize(
    ("estimates", "where"),
    [
        ([1.0, 1.29, 1.31, 1.6, 1.71], [2, 4]),  # 1.31 > 1.3 and 1.71 > 1.3 * 1.31 = 1.703
        ([4.0, 2.0, 1.0, 1.2, 0.9, 1.18], [5]),  # from the lowest, .9
        ([-1.0, -0.8, -0.6], [2]),
        ([np.nan, 1.0, np.nan, 2.0], [3]),
        ([3.0, 2.0, 1.0], []),
    ],
)
def test_a_rise_is_30_percent_above_the_lowest_since_the_last(estimates, where):
    assert list(np.flatnonzero(rises(np.array(estimates)))) == where


def test_association_is_pearsons_and_has_no_value_where_nothing_rises():
    negative, risen = np.array([0.0, 1.0, 0.0, 1.0]), np.array([False, True, False, False])
    assert association(negative, risen) == pytest.approx(1 / np.sqrt(3))
    assert np.isnan(association(negative, np.zeros(4, bool)))
    assert association(np.full(4, 0.3), risen) == 0


def measured(momentum, steady, negative=AT_THE_RISES, distances=(0.4, 0.2), n=8):
    rows = []
    for seed in range(n):
        wobble = 1 + 0.001 * seed  # no seed is exactly like another
        for i in range(len(CALM)):
            at = 30 * (i + 1)
            rows.append(row("estimate", momentum[seed % len(momentum)][i], arm=MOMENTUM, seed=seed, at=at))
            rows.append(row("negative", negative[i] * wobble**i, arm=MOMENTUM, seed=seed, at=at))
            rows.append(row("cosine", 0.5, arm=MOMENTUM, seed=seed, at=at))
            rows.append(row("estimate", steady[seed % len(steady)][i], arm=STEADY, seed=seed, at=at))
            rows.append(row("sliced_w1", distances[0] * wobble, arm=MOMENTUM, seed=seed, at=at))
            rows.append(row("sliced_w1", distances[1], arm=STEADY, seed=seed, at=at))
        rows.append(row("estimate", 1000.0, arm=STEADY, seed=seed, at=9000))  # went on for another claim
        rows.append(row("sliced_w1", 1000.0, arm=STEADY, seed=seed, at=9000))
    return pd.DataFrame(rows)


def verdicts(*args, **kwargs):
    return [finding.verdict for finding in CLAIM.decide(measured(*args, **kwargs))]


def test_all_rules_can_hold():
    findings = CLAIM.decide(measured([WILD], [CALM]))
    assert [finding.verdict for finding in findings] == [REPRODUCED] * 3
    assert findings[0].effect == 2
    assert findings[1].effect == pytest.approx(np.log(2), abs=0.01)
    assert findings[2].effect == pytest.approx(1, abs=0.02)


def test_all_rules_can_fail():
    uphill_when_calm = [1 - share for share in AT_THE_RISES]
    assert verdicts([WILD], [WILD, [*WILD[:8], 9, 9]], uphill_when_calm, (0.2, 0.2)) == [NOT_REPRODUCED] * 3


def test_all_rules_can_be_left_open():
    assert verdicts([WILD, CALM], [CALM, WILD], distances=(0.2401, 0.2)) == [INCONCLUSIVE, REPRODUCED, INCONCLUSIVE]
    assert verdicts([WILD], [CALM], n=5) == [INCONCLUSIVE] * 3


def test_rises_without_a_step_uphill_speak_against_the_cosine():
    finding = CLAIM.decide(measured([WILD], [CALM], negative=[0.0] * 10))[2]
    assert (finding.verdict, finding.effect, finding.n) == (NOT_REPRODUCED, 0, 8)
    assert "mean cosine 0.50" in finding.note


def test_without_rises_nothing_is_said_about_the_cosine():
    assert verdicts([CALM[:2] * 5], [CALM])[2] == INCONCLUSIVE
