"""The claims suite: rules on hand-made numbers, the catalogue's own order, and the command from end to end."""

import json
import math
import sys

import pandas as pd
import pytest
from damage import DAMAGE

from ganbench.analysis.statistics import Interval
from ganbench.claims import run as reproduction
from ganbench.claims.catalogue import CLAIMS, experiments_of, find_claims
from ganbench.claims.claim import (
    INCONCLUSIVE,
    NOT_REPRODUCED,
    REPRODUCED,
    GateFailure,
    Rule,
    by_interval,
    by_mean,
    by_median,
    by_proportion,
    overall,
)
from ganbench.claims.experiment import Profile, row
from ganbench.cli import app
from ganbench.errors import DamageError, UnknownNameError, UsageError
from ganbench.report.sections import load_report_data
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.verify import inspect

SMALLEST = "em-duality-examples"
CATALOGUE = {*range(1, 17), *range(18, 24), 25, 27}


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["ganbench", *words])
    with pytest.raises(SystemExit) as stop:
        app.main()
    return stop.value.code or 0


def rule(**fields):
    """A rule on the column ``value``."""
    return Rule("r", "measure", lambda table: table["value"], **{"least_seeds": 1, **fields})


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.1, 2, REPRODUCED), (0.2, 1.0, NOT_REPRODUCED), (0.9, 1.2, INCONCLUSIVE), (math.nan, math.nan, INCONCLUSIVE)],
)
def test_a_lower_bound_is_judged_by_the_whole_interval(low, high, verdict):
    assert by_interval(rule(above=1), Interval((low + high) / 2, low, high, 10, "")).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.9, REPRODUCED), (-2, -0.1, NOT_REPRODUCED), (1.2, 2, NOT_REPRODUCED), (-0.1, 0.5, INCONCLUSIVE)],
)
def test_two_bounds_hold_the_whole_interval(low, high, verdict):
    both = rule(above=0, below=1)
    assert by_interval(both, Interval((low + high) / 2, low, high, 10, "")).verdict == verdict


def test_effects_give_their_mean_t_interval_and_one_sided_p():
    finding = by_mean(rule(above=0), [1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)  # t(.975, 2) times the standard error of 1, 2, 3
    assert (finding.effect, finding.n) == (2, 3)
    assert finding.low == pytest.approx(2 - half)
    assert finding.high == pytest.approx(2 + half)
    t = 2 * math.sqrt(3)  # and Student's distribution with two degrees of freedom has a closed form
    assert finding.p == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t**2)))


def test_too_few_seeds_decide_nothing_and_the_note_says_how_many_would():
    finding = by_mean(rule(above=0, least_seeds=6), [5.0, 5.1, 5.2])
    assert finding.verdict == INCONCLUSIVE
    assert "n = 3" in finding.note
    assert "6 seeds" in finding.note


def test_lost_replications_are_counted_and_too_many_decide_nothing():
    few, many = (by_mean(rule(above=0), [5.0, 5.1, 5.2, *more]) for more in ([5.3, math.nan], [math.nan, math.inf]))
    assert (few.verdict, few.n) == (REPRODUCED, 4)
    assert "1 of 5" in few.note
    assert (many.verdict, many.n) == (INCONCLUSIVE, 3)


def test_a_rule_computes_its_effect_and_note_and_is_judged_as_it_says():
    table = pd.DataFrame({"value": [1.0, 2.0, 9.0]})
    noted = {"above": 1.5, "note": lambda table: f"{len(table)} rows"}
    mean, median = (rule(judge=judge, **noted).decide(table) for judge in (by_mean, by_median))
    assert (mean.verdict, mean.effect, mean.note) == (INCONCLUSIVE, 4, "3 rows")
    assert (median.verdict, median.effect, median.low, median.n) == (REPRODUCED, 2, 2, 3)
    share = rule(judge=by_proportion, above=0.5).decide(pd.DataFrame({"value": [True] * 20}))
    assert (share.verdict, share.effect, share.n, share.p) == (REPRODUCED, 1, 20, pytest.approx(0.5**20))


def test_a_rule_whose_gate_fails_is_not_judged():
    gates = {True: lambda table: GateFailure("nothing overlaps", len(table)), False: lambda table: None}
    closed, opened = (
        rule(above=0, gate=gates[fails]).decide(pd.DataFrame({"value": [5.0, 5.1]})) for fails in (True, False)
    )
    assert (closed.verdict, closed.note, closed.n) == (INCONCLUSIVE, "nothing overlaps", 2)
    assert math.isnan(closed.effect)
    assert opened.verdict == REPRODUCED


def test_bounds_that_leave_nothing_are_refused():
    with pytest.raises(UsageError, match="leave nothing"):
        rule(above=1, below=1)


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


def parts_on_disk(folder):
    """Two parts with one measurement each, as the suite leaves them."""
    StudyFolder(folder).begin({"command": "test"})
    parts = reproduction.parts_of(find_claims([]), Profile())[:2]
    for k, part in enumerate(parts):
        part.write(folder, [{"experiment": part.experiment, "part": part.part, **row("quantity", k)}])
    return parts


def test_measurements_have_a_record_of_how_they_were_made(tmp_path):
    part, _ = parts_on_disk(tmp_path)
    assert part.read(tmp_path) == part.file(tmp_path).read_bytes()
    record = json.loads(part.record(tmp_path).read_text())
    assert (record["experiment"], record["part"]) == (part.experiment, part.part)
    assert record["versions"]["torch"]
    assert {"machine", "git", "profile", "files"} <= set(record)
    assert inspect(tmp_path) == []


@pytest.mark.parametrize("damage", [*DAMAGE, "removed"])
@pytest.mark.parametrize("which", ["file", "record"])
def test_a_damaged_measurement_is_believed_by_nobody_and_can_be_written_again(tmp_path, which, damage):
    part, other = parts_on_disk(tmp_path)
    path, twin = (getattr(p, which)(tmp_path) for p in (part, other))
    before = pd.read_parquet(part.file(tmp_path))
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(DAMAGE[damage](path.read_bytes(), twin.read_bytes()))
    assert part.read(tmp_path) is None
    assert other.read(tmp_path) is not None
    assert {f.path.parent for f in inspect(tmp_path)} == {path.parent}
    part.write(tmp_path, before.to_dict("records"))
    pd.testing.assert_frame_equal(pd.read_parquet(part.file(tmp_path)), before)
    assert inspect(tmp_path) == []


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    part, _ = parts_on_disk(tmp_path)
    remains = part.file(tmp_path).with_name(f".{part.file(tmp_path).name}.17.part")
    remains.write_bytes(b"half")
    assert [(f.kind, f.path) for f in inspect(tmp_path)] == [("unfinished", remains)]
    part.write(tmp_path, [])
    assert not remains.exists()


@pytest.mark.parametrize("damage", [*DAMAGE, "unrecorded"])
def test_damaged_verdicts_are_noticed_and_not_reported(tmp_path, damage):
    from reported import write_verdicts

    StudyFolder(tmp_path).begin({"command": "test"})
    write_verdicts(tmp_path)
    path = tmp_path / "verdicts.parquet"
    assert len(load_report_data([tmp_path]).verdicts) == 3
    if damage == "unrecorded":
        StudyFolder(tmp_path).forget(path.name)
    else:
        path.write_bytes(DAMAGE[damage](path.read_bytes(), b"PAR1"))
    assert [(f.kind, f.path) for f in inspect(tmp_path)] == [("damaged", path)]
    with pytest.raises(DamageError, match=r"verdicts\.parquet"):
        load_report_data([tmp_path])


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
    written = sorted((tmp_path / "r" / "experiments").rglob("*.parquet"))
    original = written[0].read_bytes()
    pd.read_parquet(written[0]).assign(value=1.0).to_parquet(written[0])  # whole as a file, and not what was measured
    assert run(monkeypatch, *words) == 0
    again = capfd.readouterr()
    assert "is not what was written, or has no record: it is measured again" in again.err
    assert again.out == first.out
    assert written[0].read_bytes() == original
    assert inspect(tmp_path / "r") == []
