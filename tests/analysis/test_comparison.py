"""Better, worse or undecided: cases with the answer known beforehand."""

from math import inf

import numpy as np
import pytest
from boards import DIRECTIONS, study, trial

from ganbench.analysis.comparison import compare


def folder(values, metric="fid", objective="gan", settings=None, first_seed=0):
    """A study of one objective: a value a seed; None diverged, NaN completed without a value."""
    trials = [
        trial(objective, first_seed + i, "diverged" if v is None else "completed", settings)
        for i, v in enumerate(values)
    ]
    return study(trials, [{} if v is None else {metric: {20: float(v)}} for v in values])


A = [10, 20, 30, 40, 50, 60]


def only(a, b):
    (found,), remarks = compare(a, b, DIRECTIONS)
    return found, remarks


@pytest.mark.parametrize(
    ("metric", "change", "verdict"),
    [("fid", 1, "worse"), ("fid", -1, "better"), ("modes", 1, "better"), ("modes", -1, "worse")],
)
def test_six_seeds_that_all_move_one_way_decide(metric, change, verdict):
    """The seeds lie far apart: only as pairs do they show anything."""
    found, remarks = only(folder(A, metric), folder([a + change for a in A], metric))
    assert found.verdict == verdict
    assert (found.shift.estimate, found.shift.low, found.shift.high) == (change, change, change)
    assert (found.first, found.second) == (35, 35 + change)
    assert (found.note, remarks) == ("6 paired seeds", [])


def test_five_seeds_that_all_move_one_way_do_not_and_it_says_how_many_would():
    found, _ = only(folder(A[:5]), folder([a + 1 for a in A[:5]]))
    assert (found.verdict, found.shift.low, found.shift.high) == ("undecided", -inf, inf)
    assert found.note == "5 paired seeds; too few to decide, 6 paired seeds are the fewest that could"


def test_six_seeds_that_move_both_ways_do_not_decide():
    found, _ = only(folder(A), folder([a + d for a, d in zip(A, (1, 2, 3, 4, 5, -1), strict=True)]))
    assert (found.verdict, found.shift.low, found.shift.high) == ("undecided", -1, 5)
    assert found.note == "6 paired seeds"


def test_the_same_results_are_undecided():
    found, remarks = only(folder(A), folder(A))
    assert (found.verdict, found.shift.estimate, remarks) == ("undecided", 0, [])
    assert found.note == "6 paired seeds; no difference at all"


def test_trials_that_diverged_count_as_worst():
    found, _ = only(folder(A), folder([None] * 6))  # nothing completed, and so nothing was measured
    assert (found.verdict, found.second, found.shift.low) == ("worse", inf, inf)
    found, _ = only(folder([None] * 6, "modes"), folder(A, "modes"))
    assert (found.verdict, found.first, found.shift.low) == ("better", -inf, inf)
    found, _ = only(folder([*A, None]), folder([*A, None]))
    assert (found.verdict, found.shift.estimate) == ("undecided", 0)
    many = [*A, 70, 80, 90, 100, 110, 120]
    found, _ = only(folder(many), folder([*(a - 1 for a in many[:-1]), None]))
    assert (found.verdict, found.shift.estimate) == ("better", -1)  # eleven of twelve, and the twelfth is but one
    found, _ = only(folder(many[:10]), folder([*(a - 1 for a in many[:9]), None]))
    assert (found.verdict, found.shift.high) == ("undecided", inf)  # nine of ten: p = 2 · 43 / 1024


def test_without_a_common_seed_nothing_is_paired():
    found, _ = only(folder([1, 2, 3, 4]), folder([11, 12, 13, 14], first_seed=7))
    assert (found.verdict, found.shift.estimate) == ("worse", 10)
    assert (found.shift.low, found.shift.high) == (7, 13)  # four of each: the least and the greatest difference
    assert found.note == "4 and 4 seeds, none in both"
    found, _ = only(folder([1, 2, 3]), folder([11, 12, 13], first_seed=7))
    assert found.verdict == "undecided"
    assert found.note.endswith("too few to decide, 4 seeds on each side are the fewest that could")


def test_seeds_of_one_side_and_values_that_are_missing_are_left_out_and_counted():
    found, _ = only(folder([*A, 7, 8]), folder([*(a + 1 for a in A), float("nan")]))
    assert found.verdict == "worse"
    assert (
        found.note == "6 paired seeds; 1 completed trial without a value left out; 1 seed in one of them only left out"
    )


def test_other_settings_are_compared_and_named():
    _, remarks = only(folder(A), folder(A, settings={"steps": 40, "objective": {"name": "gan", "lr": 0.1}}))
    assert remarks == ["digits · mlp · gan: settings differ: objective.lr: none → 0.1, steps: 20 → 40"]


def test_equal_settings_find_each_other_among_several():
    def several(*studies):
        tables = zip(*((s.trials, s.evaluations) for s in studies), strict=True)
        trials, evaluations = (np.concatenate([t.to_numpy() for t in part]) for part in tables)
        rows = [dict(zip(studies[0].trials.columns, row, strict=True)) for row in trials]
        values = [
            {"fid": {20: dict(zip(studies[0].evaluations.columns, r, strict=True))["value"]}} for r in evaluations
        ]
        return study(rows, values)

    short, long = folder(A), folder([a + 1 for a in A], settings={"steps": 2000})
    found, remarks = only(several(short, long), long)
    assert found.shift.estimate == 0
    assert remarks == ["digits · mlp · gan: settings without a counterpart are not compared: 1 in A"]


def test_what_only_one_has_is_named():
    found, remarks = compare(folder(A), folder(A, objective="wgan"), DIRECTIONS)
    assert found == []
    assert remarks == ["digits · mlp · gan is only in A", "digits · mlp · wgan is only in B"]


def test_values_of_different_protocols_are_not_compared():
    a, b = folder(A), folder(A)
    b.evaluations["protocol"] = "fid@cnn/50"
    found, remarks = compare(a, b, DIRECTIONS)
    assert found == []
    assert remarks == ["digits · mlp · gan: fid is not compared, its protocols differ: fid@cnn/100 and fid@cnn/50"]


def test_a_metric_that_only_one_side_has_measured_is_not_compared():
    found, remarks = compare(folder(A), folder(A, "modes"), DIRECTIONS)
    assert found == []
    assert remarks == [
        "digits · mlp · gan: fid is not compared, the completed trials of B have no value of it",
        "digits · mlp · gan: modes is not compared, the completed trials of A have no value of it",
    ]


def test_where_nothing_was_measured_it_says_so():
    found, remarks = compare(folder([None] * 6), folder([None] * 6), DIRECTIONS)
    assert (found, remarks) == ([], ["digits · mlp · gan: no metric has a value on either side"])
