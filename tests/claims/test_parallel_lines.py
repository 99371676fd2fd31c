"""Claim 4: estimates against their closed forms, and every verdict of every rule."""

import math

import pandas as pd
import pytest

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.parallel_lines import FINE, THETAS, critic_rows, run_line_estimates, slopes

(CLAIM,) = find_claims(["parallel-lines-js-flat-w-linear"])


def test_the_fine_grid_has_twenty_one_places():
    assert len(FINE) == 21
    assert {min(FINE), 0.0, 0.1, max(FINE)} <= set(FINE)


@pytest.mark.slow
def test_a_classifier_that_knows_says_nearly_log_2_and_one_without_a_difference_nothing():
    table = pd.DataFrame(critic_rows("js", (100, 101), (0.0, 1.0, -1.0), steps=150))
    assert table["seed"].to_list() == [100, 101] * 3
    found = table.set_index(["at", "seed"])["value"]
    assert found[0.0].abs().max() < 0.01
    for theta in (1.0, -1.0):
        assert (found[theta] > 0.65).all()
        assert (found[theta] < math.log(2)).all()


@pytest.mark.slow
def test_a_penalised_critic_says_about_the_distance():
    table = pd.DataFrame(critic_rows("critic", (100, 101), (0.0, 0.5), steps=150))
    found = table.set_index(["at", "seed"])["value"]
    assert found[0.0].abs().max() < 0.05
    assert found[0.5].to_list() == [pytest.approx(0.5, abs=0.1)] * 2


@pytest.mark.slow
def test_transport_is_above_the_distance_by_no_more_than_the_samples_are_apart():
    table = pd.DataFrame(run_line_estimates(Profile("quick", (100,)), "transport"))
    assert table["at"].to_list() == list(THETAS)
    assert (table["value"] >= table["at"].abs()).all()
    assert (table["value"] <= table["at"].abs() + 0.06).all()


AT = (-1.0, -0.1, 0.0, 0.1, 1.0)


def measured(w=1.0, critic=1.0, level=0.69, slope=0.0, spread=0.0, n=6):
    rows = []
    for seed in range(n):
        off = spread * (-1) ** seed
        for at in AT:
            rows.append(row("w1", (w + off) * abs(at), arm="transport", seed=seed, at=at))
            rows.append(row("w1", (critic + off) * abs(at) + 0.3, arm="critic", seed=seed, at=at))
            js = 0.0 if at == 0 else level + off + (slope + off) * (abs(at) - 0.55)  # .55: the mean of |at| elsewhere
            rows.append(row("js", js, arm="js", seed=seed, at=at))
    return pd.DataFrame(rows)


def verdicts(table):
    return [finding.verdict for finding in CLAIM.decide(table)]


def test_the_slope_is_that_against_the_size_of_theta():
    assert slopes(measured(w=0.97), "transport") == [pytest.approx(0.97)] * 6


@pytest.mark.parametrize(
    ("given", "rule", "verdict", "effect"),
    [
        ({}, 0, REPRODUCED, 1.0),
        ({"w": 0.89}, 0, NOT_REPRODUCED, 0.89),
        ({"w": 1.11}, 0, NOT_REPRODUCED, 1.11),
        ({"critic": 0.89}, 1, REPRODUCED, 0.89),
        ({"critic": 1.21}, 1, NOT_REPRODUCED, 1.21),
        ({"level": 0.661}, 2, REPRODUCED, 0.661),
        ({"level": 0.659}, 2, NOT_REPRODUCED, 0.659),
        ({"slope": 0.049}, 3, REPRODUCED, 0.049),
        ({"slope": -0.049}, 3, REPRODUCED, 0.049),
        ({"slope": -0.051}, 3, NOT_REPRODUCED, 0.051),
    ],
)
def test_every_rule_by_itself(given, rule, verdict, effect):
    found = CLAIM.decide(measured(**given))
    assert (found[rule].verdict, found[rule].effect) == (verdict, pytest.approx(effect))
    assert {finding.verdict for k, finding in enumerate(found) if k != rule} == {REPRODUCED}


def test_wide_intervals_and_few_seeds_decide_nothing():
    wide = measured(w=1.0, critic=1.15, level=0.66, slope=0.1, spread=0.15)
    assert verdicts(wide) == [INCONCLUSIVE] * 4  # the sizes of the slopes of JS are .25 and .05: .15 ± .115
    assert verdicts(measured(slope=0.0, spread=0.01, n=5)) == [INCONCLUSIVE] * 4


def test_a_critic_that_blew_up_is_lost_and_too_many_decide_nothing():
    table = measured(n=8)
    table.loc[(table["arm"] == "critic") & (table["seed"] == 0) & (table["at"] == 1.0), "value"] = math.inf
    assert verdicts(table)[1] == REPRODUCED
    table.loc[(table["arm"] == "critic") & (table["seed"] == 1) & (table["at"] == 1.0), "value"] = math.nan
    assert verdicts(table)[1] == INCONCLUSIVE
