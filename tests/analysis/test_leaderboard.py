"""The leaderboard of cases that can be counted by hand, and against plain Python."""

from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest
from boards import DIRECTIONS, study, table, trial

from ganbench.analysis.leaderboard import columns, leaderboard
from ganbench.analysis.scores import metrics_of, scores, unknown_metrics
from ganbench.store import schema


def test_five_seeds_that_can_be_counted_by_hand():
    trials = [trial("gan", seed) for seed in range(5)]
    courses = [{0: 90.0, 10: best, 20: last} for best, last in ((1, 4), (2, 5), (3, 6), (3, 100), (0, 3))]
    results = study(trials, [{"fid": c} for c in courses], norms=(1.0, 2.0, 30.0))
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert (row["dataset"], row["architecture"], row["variant"], row["steps"]) == ("digits", "mlp", 1, 20)
    assert (row["seeds"], row["completed"], row["diverged"], row["failed"]) == (5, 5, 0, 0)
    assert row["fid"] == 5  # of 3 4 5 6 100 without the ends
    assert row["fid_best"] == 2  # of 0 1 2 3 3 without the ends
    assert 3 <= row["fid_low"] < 5 < row["fid_high"] <= 100
    assert (row["fid_n"], row["fid_protocol"], row["generator_grad_norm"]) == (5, "fid@cnn/100", 2)
    assert row["fid_method"] == "interquartile mean, BCa bootstrap"


def test_trials_that_went_bad_count_as_worst_whatever_they_measured_before():
    status = ["completed", "completed", "completed", "diverged", "failed"]
    trials = [trial("gan", seed, s) for seed, s in enumerate(status)]
    values = [{"fid": {20: v}, "modes": {20: 9.0}} for v in (3.0, 4.0, 5.0)]
    results = study(trials, [*values, {"fid": {10: 0.1}, "modes": {10: 10.0}}, {}])
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert (row["completed"], row["diverged"], row["failed"]) == (3, 1, 1)
    assert (row["fid"], row["fid_best"], row["fid_n"]) == (inf, inf, 5)  # of 4 5 ∞
    assert (row["modes"], row["modes_best"]) == (-inf, -inf)
    assert row["fid_low"] >= 3


def test_one_bad_of_five_is_cut_off_but_widens_the_interval():
    trials = [trial("gan", seed, "diverged" if seed == 2 else "completed") for seed in range(5)]
    results = study(trials, [{"fid": {20: float(v)}} for v in (1, 2, 0, 3, 4)])
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert (row["fid"], row["fid_high"]) == (3, inf)  # of 1 2 3 4 ∞ without the ends


def test_the_best_comes_first_and_what_has_no_number_last():
    trials = [trial(name, 0, s) for name, s in (("a", "failed"), ("b", "completed"), ("c", "completed"))]
    results = study(trials, [{}, {"fid": {20: 9.0}, "modes": {20: 8.0}}, {"fid": {20: 7.0}, "modes": {20: 2.0}}])
    assert leaderboard(results, DIRECTIONS)["objective"].tolist() == ["c", "b", "a"]
    assert leaderboard(results, DIRECTIONS, ["modes"])["objective"].tolist() == ["b", "c", "a"]
    points = study(
        trials, [{}, {"fid": {20: 1.0}, "modes": {20: 1.0}}, {"fid": {20: 2.0}, "modes": {20: 2.0}}], (), "coordinates"
    )
    assert leaderboard(points, DIRECTIONS)["objective"].tolist() == ["c", "b", "a"]  # modes lead on points


def test_other_settings_are_a_variant_of_their_own():
    trials = [trial("gan", 0), trial("gan", 0, settings={"steps": 2000})]
    found = leaderboard(study(trials, [{"fid": {20: 1.0}}, {"fid": {2000: 2.0}}]), DIRECTIONS)
    assert found[["variant", "steps", "seeds", "fid"]].to_numpy().tolist() == [[1, 20, 1, 1], [2, 2000, 1, 2]]


def test_values_of_different_protocols_never_mix():
    results = study([trial("gan", seed) for seed in range(4)], [{"fid": {20: float(v)}} for v in (1, 2, 3, 4)])
    results.evaluations.loc[3, "protocol"] = "fid@cnn/50"
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert (row["fid"], row["fid_n"], row["fid_protocol"]) == (2, 3, "fid@cnn/100")


def test_what_was_not_measured_is_left_out_and_n_says_so():
    results = study([trial("gan", seed) for seed in range(3)], [{"fid": {20: v}} for v in (1.0, 3.0, float("nan"))])
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert (row["fid"], row["fid_n"], row["seeds"]) == (2, 2, 3)
    assert isnan(row["fid_low"])
    assert row["fid_method"] == "interquartile mean, no interval: 2 values"


def test_where_everything_failed_there_is_a_row_and_no_number():
    found = leaderboard(study([trial("gan", s, "failed") for s in (0, 1)], [{}, {}]), DIRECTIONS)
    assert list(found.columns) == columns([])
    (row,) = found.to_dict("records")
    assert (row["seeds"], row["failed"]) == (2, 2)
    assert isnan(row["generator_grad_norm"])


def test_a_metric_whose_direction_nobody_knows_is_left_out_and_named():
    results = study([trial("gan", 0)], [{"fid": {20: 1.0}, "odd": {20: 5.0}}])
    assert metrics_of(results.evaluations, DIRECTIONS) == ["fid"]
    assert [text.split(" is")[0] for text in unknown_metrics(results.evaluations, DIRECTIONS)] == ["metric odd"]
    assert "odd" not in leaderboard(results, DIRECTIONS)


def test_scores_take_the_best_by_direction():
    results = study([trial("gan", 0)], [{"fid": {0: 3.0, 10: 1.0, 20: 2.0}}])
    for direction, best in (("lower", 1.0), ("higher", 3.0)):
        assert scores(results.evaluations, results.trials, "fid@cnn/100", direction).tolist() == [best]


def by_hand(values, bad, worst):
    """Interquartile mean of seven, in plain Python: one is cut off at each end."""
    middle = sorted(worst if b else v for v, b in zip(values, bad, strict=True))[1:-1]
    return sum(middle) / len(middle)


def test_many_objectives_against_plain_python():
    rng = np.random.default_rng(0)
    bad = {name: rng.random(7) < 0.15 for name in "abcdef"}
    found = {name: rng.exponential(size=(7, 2, 2)) for name in bad}  # by seed, metric and step
    trials = [trial(n, seed, "diverged" if bad[n][seed] else "completed") for n in bad for seed in range(7)]
    values = [
        {m: dict(zip((10, 20), map(float, found[n][seed, k]), strict=True)) for k, m in enumerate(DIRECTIONS)}
        for n in bad
        for seed in range(7)
    ]
    rows = leaderboard(study(trials, values), DIRECTIONS).set_index("objective")
    assert sum(map(sum, bad.values())) > 3
    for name in bad:
        for k, (metric, worst, best) in enumerate((("fid", inf, min), ("modes", -inf, max))):
            last = by_hand(found[name][:, k, 1], bad[name], worst)
            assert rows.loc[name, metric] == pytest.approx(last)
            bests = by_hand([best(x) for x in found[name][:, k]], bad[name], worst)
            assert rows.loc[name, f"{metric}_best"] == pytest.approx(bests)
    assert rows["fid"].is_monotonic_increasing


WAY = "of the way from the start to a perfect sampler"


def with_floor(results, value):
    row = {"dataset": "digits", "metric": "fid", "value": value, "protocol": "fid@cnn/100: halves", "n_samples": 100}
    return replace(results, floors=table(schema.FLOORS, [row]))


@pytest.mark.parametrize(
    ("courses", "floor", "note"),
    [
        ([(90.0, 4.0), (80.0, 5.0), (70.0, 6.0)], 1.0, ""),
        ([(90.0, 4.0), (80.0, 5.0), (70.0, 6.0)], None, ""),
        ([(50.0, 90.0), (50.0, 80.0), (50.0, 40.0)], 1.0, "fid is worse than at the start"),
        ([(50.0, 50.0), (50.0, 50.0), (50.0, 40.0)], 1.0, "fid is no better than at the start"),
        ([(101.0, 91.0), (101.0, 81.0), (101.0, 1.0)], 1.0, f"fid went 20% {WAY}"),
        ([(101.0, 91.0), (101.0, 81.0), (101.0, 1.0)], None, ""),  # how far it could have come is not known
        ([(float("nan"), 91.0), (float("nan"), 81.0)], 1.0, ""),
    ],
)  # fmt: skip
def test_what_has_not_learnt_is_noted(courses, floor, note):
    """Seeds are compared with themselves at step 0, and with a perfect sampler where its score is known."""
    results = study([trial("gan", s) for s in range(len(courses))], [{"fid": {0: a, 20: b}} for a, b in courses])
    results = results if floor is None else with_floor(results, floor)
    (row,) = leaderboard(results, DIRECTIONS).to_dict("records")
    assert row["note"] == note


def test_a_metric_for_which_more_is_better_is_noted_the_other_way_round():
    worse = study([trial("gan", 0)], [{"modes": {0: 3.0, 20: 1.0}}])
    better = study([trial("gan", 0)], [{"modes": {0: 1.0, 20: 3.0}}])
    notes = [leaderboard(results, DIRECTIONS)["note"].item() for results in (worse, better)]
    assert notes == ["modes is worse than at the start", ""]


def test_seeds_that_went_bad_or_that_have_no_start_are_not_compared():
    trials = [trial("gan", 0), trial("gan", 1, "diverged"), trial("gan", 2, "diverged")]
    results = study(trials, [{"fid": {0: 50.0, 20: 4.0}}, {"fid": {0: 1.0, 10: 90.0}}, {"fid": {0: 1.0, 10: 90.0}}])
    assert leaderboard(results, DIRECTIONS)["note"].tolist() == [""]
    assert leaderboard(study([trial("gan", 0)], [{"fid": {20: 4.0}}]), DIRECTIONS)["note"].tolist() == [""]
