"""Claims 15 and 16: what is read off the courses of estimates and quality, on tables that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.estimates import (
    DATASETS,
    RATIOS,
    WASSERSTEIN_ARMS,
    common_end,
    course,
    rank_correlation,
    tracking,
)
from ganbench.claims.experiment import row

WASSERSTEIN, JENSEN_SHANNON = find_claims(["w-estimate-tracks-quality", "js-estimate-does-not-track"])
STEPS = range(30, 30 * 13, 30)  # twelve checkpoints, of which ten count
FALLING = [float(12 - i) for i in range(12)]
NEARLY = [12.0, 11, 9, 10, 8, 7, 6, 5, 4, 3, 1, 2]  # rho 1 - 6 * 4 / 990 = .976 over the last ten
ASTRAY = [12.0, 11, 9, 10, 8, 7, 6, 5, 4, 3, 2, 1]  # rho 1 - 6 * 2 / 990 = .988
BACK = [12.0, 11, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10]  # the other way round


def course_of(arm, seed, estimates, qualities=FALLING):
    pairs = zip(STEPS, estimates, qualities, strict=True)
    for at, estimate, quality in pairs:
        yield row("estimate", estimate, arm=arm, seed=seed, at=at)
        yield row("sliced_w1", quality, arm=arm, seed=seed, at=at)


def table(estimates_by_arm):
    rows = [row("floor", 0.04, arm=arm) for arm in estimates_by_arm]
    for arm, estimates in estimates_by_arm.items():
        rows += [r for seed, e in enumerate(estimates) for r in course_of(arm, seed, e)]
    return pd.DataFrame(rows)


GOOD = [NEARLY, ASTRAY] * 4
BAD = [BACK, [*BACK[:2], 1.0, 2.0, *BACK[4:]]] * 4
MIXED = [NEARLY, BACK] * 4


@pytest.mark.parametrize(("said", "rho"), [(NEARLY[2:], 0.97576), (ASTRAY[2:], 0.98788), ([3.0] * 10, 0.0)])
def test_rank_correlation_is_that_of_the_formula(said, rho):
    assert rank_correlation(np.array(said), np.array(FALLING[2:])) == pytest.approx(rho, abs=1e-5)


def test_an_estimate_that_is_not_finite_has_no_correlation():
    assert np.isnan(rank_correlation(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0])))
    assert np.isnan(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([np.inf, 2.0, 3.0])))


def test_the_first_two_checkpoints_and_what_goes_beyond_the_shortest_curve_do_not_count():
    long = [row("estimate", 99.0, arm="a", seed=0, at=9000), row("sliced_w1", -99.0, arm="a", seed=0, at=9000)]
    measured = pd.concat([table({"a": [NEARLY], "b": [NEARLY]}), pd.DataFrame(long)], ignore_index=True)
    assert common_end(measured) == 360
    assert list(course(measured, "estimate", "a", 360).columns) == list(STEPS)[2:]
    assert tracking(measured, "a")[0] == pytest.approx(1 - 6 * 4 / 990)


@pytest.mark.parametrize(
    ("estimates", "verdict"),
    [(GOOD, REPRODUCED), (BAD, NOT_REPRODUCED), (MIXED, INCONCLUSIVE), (GOOD[:5], INCONCLUSIVE)],
)
def test_the_wasserstein_estimate_is_judged_arm_by_arm(estimates, verdict):
    measured = table(dict.fromkeys(WASSERSTEIN_ARMS, GOOD) | {"grid/wgan": estimates})
    findings = dict(zip(WASSERSTEIN_ARMS, WASSERSTEIN.decide(measured), strict=True))
    assert findings["grid/wgan"].verdict == verdict
    assert all(findings[arm].verdict == REPRODUCED for arm in WASSERSTEIN_ARMS if arm != "grid/wgan")
    assert "real samples: 0.04" in findings["ring/wgan"].note


def test_diverged_seeds_decide_nothing_where_they_are_many():
    lost = [[*NEARLY[:-1], np.nan]] * 3 + GOOD[:7]
    measured = table(dict.fromkeys(WASSERSTEIN_ARMS, lost))
    finding = WASSERSTEIN.decide(measured)[0]
    assert (finding.verdict, finding.n) == (INCONCLUSIVE, 7)
    assert "3 of 10" in finding.note


@pytest.mark.parametrize(
    ("classifier", "gap", "poor"),
    [(BAD, REPRODUCED, REPRODUCED), (GOOD, NOT_REPRODUCED, NOT_REPRODUCED), (MIXED, INCONCLUSIVE, INCONCLUSIVE)],
)
def test_the_jensen_shannon_estimate_is_judged_by_dataset_and_ratio(classifier, gap, poor):
    arms = {f"{d}/{name}": BAD for d in DATASETS for name in RATIOS.values()}
    arms |= {f"{d}/wgan": [*GOOD, *GOOD] for d in DATASETS} | {"ring/nsgan-5": classifier}
    findings = {finding.rule.name: finding for finding in JENSEN_SHANNON.decide(table(arms))}
    assert set(findings) == {rule.name for rule in JENSEN_SHANNON.rules}
    assert findings.pop("ring 5:1: behind W").verdict == gap
    assert findings.pop("ring 5:1: poor").verdict == poor
    assert {finding.verdict for finding in findings.values()} == {REPRODUCED}
    assert findings["ring64 1:1: behind W"].n == 8


def test_the_gap_is_the_difference_of_correlations_of_one_seed():
    arms = {f"{d}/{name}": [BACK] * 6 for d in DATASETS for name in RATIOS.values()}
    findings = JENSEN_SHANNON.decide(table(arms | {f"{d}/wgan": [NEARLY] * 6 for d in DATASETS}))
    back = 1 - 6 * sum((a - b) ** 2 for a, b in zip(BACK[2:], FALLING[2:], strict=True)) / 990
    assert findings[0].effect == pytest.approx(1 - 6 * 4 / 990 - back)
