"""The claims suite: rules on hand-made numbers, the catalogue's own order, and the command from end to end."""

import math
import sys

import pandas as pd
import pytest

from ganbench import cli, reproduction, schema
from ganbench.claims.catalogue import CLAIMS, experiments_of, find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, Rule, overall
from ganbench.claims.experiment import Profile
from ganbench.errors import UnknownNameError, UsageError
from ganbench.statistics import Interval

SMALLEST = "em-duality-examples"
CATALOGUE = {*range(1, 17), *range(18, 24), 25, 27}


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["ganbench", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.1, 2, REPRODUCED), (0.2, 1.0, NOT_REPRODUCED), (0.9, 1.2, INCONCLUSIVE), (math.nan, math.nan, INCONCLUSIVE)],
)
def test_a_lower_bound_is_judged_by_the_whole_interval(low, high, verdict):
    rule = Rule("r", "effect", above=1)
    assert rule.judge_interval(Interval((low + high) / 2, low, high, 10, "")).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.9, REPRODUCED), (-2, -0.1, NOT_REPRODUCED), (1.2, 2, NOT_REPRODUCED), (-0.1, 0.5, INCONCLUSIVE)],
)
def test_two_bounds_hold_the_whole_interval(low, high, verdict):
    rule = Rule("r", "effect", above=0, below=1)
    assert rule.judge_interval(Interval((low + high) / 2, low, high, 10, "")).verdict == verdict


def test_effects_give_their_mean_t_interval_and_one_sided_p():
    finding = Rule("r", "effect", above=0).judge([1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)  # t(.975, 2) times the standard error of 1, 2, 3
    assert (finding.effect, finding.n) == (2, 3)
    assert finding.low == pytest.approx(2 - half)
    assert finding.high == pytest.approx(2 + half)
    t = 2 * math.sqrt(3)  # and Student's distribution with two degrees of freedom has a closed form
    assert finding.p == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t**2)))


def test_too_few_seeds_decide_nothing_and_the_note_says_how_many_would():
    finding = Rule("r", "effect", above=0, least_seeds=6).judge([5.0, 5.1, 5.2])
    assert finding.verdict == INCONCLUSIVE
    assert "n = 3" in finding.note
    assert "6 seeds" in finding.note


def test_lost_replications_are_counted_and_too_many_decide_nothing():
    rule = Rule("r", "effect", above=0)
    few, many = rule.judge([5.0, 5.1, 5.2, 5.3, math.nan]), rule.judge([5.0, 5.1, 5.2, math.nan, math.inf])
    assert (few.verdict, few.n) == (REPRODUCED, 4)
    assert "1 of 5" in few.note
    assert (many.verdict, many.n) == (INCONCLUSIVE, 3)


def test_bounds_that_leave_nothing_are_refused():
    with pytest.raises(UsageError, match="leave nothing"):
        Rule("r", "effect", above=1, below=1)


def test_one_rule_that_does_not_hold_is_enough_against_a_claim():
    assert overall([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert overall([REPRODUCED, INCONCLUSIVE]) == INCONCLUSIVE
    assert overall([INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED]) == NOT_REPRODUCED


def test_the_catalogue_holds_what_it_must_once_and_in_order():
    numbers = [claim.number for claim in CLAIMS]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= CATALOGUE
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    names = [e.name for e in experiments_of(CLAIMS)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_says_everything(claim):
    assert all([claim.sentence, claim.source, claim.protocol, claim.caveat, claim.rules, claim.experiments])
    names = [rule.name for rule in claim.rules]
    assert len(names) == len(set(names))
    assert find_claims([str(claim.number)]) == find_claims([claim.id]) == (claim,)


def test_an_unknown_claim_is_named_with_the_nearest(monkeypatch, capsys, tmp_path):
    with pytest.raises(UnknownNameError):
        find_claims(["em-duality"])
    assert run(monkeypatch, "reproduce", "--claims", "em-duality-exampels", "--out", str(tmp_path / "r")) == 2
    assert SMALLEST in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_claim_without_measurements_is_inconclusive_and_says_why(tmp_path):
    claims = find_claims([SMALLEST])
    name = claims[0].experiments[0].name
    table = reproduction.judge(claims, Profile(), tmp_path, {name: "it broke"})
    assert list(table.columns) == list(schema.VERDICTS)
    assert set(table["verdict"]) == {INCONCLUSIVE}
    assert table["note"].str.contains("it broke").all()


def test_another_protocol_has_another_place(tmp_path):
    (experiment, *_) = experiments_of(find_claims([SMALLEST]))
    keys = {experiment.key(p) for p in (Profile(), Profile("full"), Profile(seeds=(1, 2)))}
    assert len(keys) == 3


@pytest.mark.slow
def test_the_command_measures_once_and_gives_the_same_verdicts_again(monkeypatch, capfd, tmp_path):
    words = ("reproduce", "--claims", SMALLEST, "--out", str(tmp_path / "r"))
    assert run(monkeypatch, *words) == 0
    first = capfd.readouterr()
    file = tmp_path / "r" / "verdicts.parquet"
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "r" / "experiments").rglob("*.parquet")}
    verdicts = pd.read_parquet(file)
    assert set(verdicts["verdict"]) == {REPRODUCED}
    assert run(monkeypatch, *words) == 0
    again = capfd.readouterr()
    assert "already there" in again.err
    assert again.out == first.out
    pd.testing.assert_frame_equal(pd.read_parquet(file), verdicts)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "r" / "experiments").rglob("*.parquet")} == written
