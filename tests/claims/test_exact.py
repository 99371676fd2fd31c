"""Claims 1 and 5: what is calculated, and every verdict of every rule."""

import math

import pandas as pd
import pytest

from ganbench.claims import transport
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row

(DUALITY,) = transport.CLAIMS
(BOUND,) = find_claims(["noise-bound-thm33"])


def verdicts(claim, table):
    return {finding.rule.name: finding.verdict for finding in claim.decide(table)}


def measured(claim):
    (experiment,) = claim.experiments
    return pd.DataFrame(experiment.run(Profile("quick", (100,)), experiment.parts[0]))


def test_the_worked_problems_and_fifty_random_ones_are_measured():
    table = measured(DUALITY)
    gaps = table[table["quantity"] == "gap"]
    assert gaps.groupby("arm").size().to_dict() == {"four bins": 1, "mooncakes": 1, "random": 50, "seven bins": 1}
    excess = table[table["quantity"] == "excess"].set_index("arm")["value"]
    assert excess.to_dict() == pytest.approx({"plan 1": 872.5 / 823 - 1, "plan 2": 940.5 / 823 - 1})
    assert set(verdicts(DUALITY, table).values()) == {REPRODUCED}


def test_other_seeds_give_other_random_problems():
    one, other = (pd.DataFrame(transport.randomly((seed,))) for seed in (100, 101))
    assert not one["value"].equals(other["value"])


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [("gap", "all ways agree"), ("error", "worked answers"), ("infeasible", "the plans are feasible")],
)
@pytest.mark.parametrize(("value", "verdict"), [(1e-5, NOT_REPRODUCED), (9e-7, REPRODUCED)])
def test_one_difference_is_enough_against_duality(quantity, rule, value, verdict):
    table = measured(DUALITY)
    table.loc[table[table["quantity"] == quantity].index[-1], "value"] = value
    found = verdicts(DUALITY, table)
    assert found.pop(rule) == verdict
    assert set(found.values()) == {REPRODUCED}


def test_an_optimal_plan_would_speak_against_the_claim():
    table = measured(DUALITY)
    table.loc[table[table["quantity"] == "excess"].index[0], "value"] = 0.0
    assert verdicts(DUALITY, table)["the plans are not optimal"] == NOT_REPRODUCED


def test_all_sixty_cases_and_six_noises_are_measured():
    table = measured(BOUND)
    assert table["quantity"].value_counts().to_dict() == {
        "slack": 60, "tightness": 60, "lemma slack": 6, "lemma tightness": 6,
    }  # fmt: skip
    far = table[(table["arm"] == "points, sigma 0.05") & (table["at"] == 2.0)].set_index("quantity")["value"]
    bound = 2 * 0.05 + 2 * (2 + 8 * 0.05) * math.sqrt(math.log(2))  # disjoint: JS is log 2; the cut hardly tells
    assert far["slack"] == pytest.approx(bound - 2, abs=1e-3)
    assert far["tightness"] == pytest.approx(2 / bound, abs=1e-4)


@pytest.mark.parametrize("value", [-1e-9, math.nan])
@pytest.mark.parametrize(("quantity", "rule"), [("slack", "theorem 3.3"), ("lemma slack", "lemma 4")])
def test_one_violation_is_enough_against_the_bound(quantity, rule, value):
    table = measured(BOUND)
    assert set(verdicts(BOUND, table).values()) == {REPRODUCED}
    table.loc[table[table["quantity"] == quantity].index[3], "value"] = value
    found = verdicts(BOUND, table)
    assert found.pop(rule) == NOT_REPRODUCED
    assert set(found.values()) == {REPRODUCED}


def test_what_was_not_measured_decides_nothing():
    rows = [row(q, math.nan) for q in ("gap", "error", "infeasible", "excess")]
    assert set(verdicts(DUALITY, pd.DataFrame(rows)).values()) == {INCONCLUSIVE}
