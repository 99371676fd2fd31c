"""Who leads, how sure that is and what failed, on tables that can be counted by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reported import OBJECTIVES, write_study, write_verdicts
from scipy.stats import permutation_test

from ganbench.analysis.ranking import pairwise_tests, signed_ranks
from ganbench.errors import UsageError
from ganbench.plugins.registry import load_plugins
from ganbench.report.sections import MetricInfo, evaluate, load_report_data, ranked_metrics
from ganbench.report.tables import incomplete_trials, leaderboard_table, provenance, verdict_table
from ganbench.report.text import (
    claim_sentences,
    failure_sentences,
    learning_sentences,
    result_sentences,
    size_sentence,
    verdict_sentence,
)

REGISTRY = load_plugins()


def evaluated(path):
    """The first section of a study, with its leaderboard and its rankings."""
    data = load_report_data([path])
    return evaluate(data.sections[0], data.homes, REGISTRY, path)


def fid(rankings):
    return next(r for m, r in rankings.items() if m.name == "fid")


def test_the_best_objective_stands_first_with_its_interquartile_mean_and_the_floor(tmp_path):
    result = evaluated(write_study(tmp_path / "a", seeds=4))
    ranking = fid(result.rankings)
    assert [s.objective for s in ranking.standings] == ["wgan", "gan"]
    assert ranking.standings[0].interval.estimate == 21.5  # of 20 to 23 the middle two
    assert (ranking.floor, ranking.floor_error) == (1.5, 0.15)
    assert result.leading == MetricInfo("fid", True)
    row = result.board[result.board["objective"] == "gan"].iloc[0]  # what the page says is what `ganbench export` says
    assert ranking.standings[1].interval.low == row["fid_low"]


@pytest.mark.slow
def test_a_pairwise_test_counts_shared_seeds_and_wins_and_has_the_p_of_the_sign_flip_test(tmp_path):
    rankings = evaluated(write_study(tmp_path / "a", {"gan": 40.0, "wgan": 20.0, "nsgan": 20.5}, seeds=6)).rankings
    against_nsgan, against_gan = sorted(pairwise_tests(fid(rankings)), key=lambda d: d.other, reverse=True)
    assert (against_gan.other, against_gan.n, against_gan.wins) == ("gan", 6, 6)
    assert against_gan.p == pytest.approx(2 / 64)
    assert against_gan.adjusted == pytest.approx(4 / 64)  # Holm over two
    assert against_nsgan.wins == 6


def test_signed_ranks_make_infinite_differences_finite():
    assert signed_ranks([3.0, -np.inf, 1.0, np.inf, 0.0]) == [3, -4.5, 2, 4.5, 0]
    d = signed_ranks([1.0, 2.0, np.inf])
    exact = permutation_test((np.array(d),), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert exact.pvalue == pytest.approx(0.25)


def test_few_seeds_are_said_to_decide_nothing_and_how_many_would(tmp_path):
    rankings = evaluated(write_study(tmp_path / "a", seeds=5)).rankings
    sentences = result_sentences(rankings)
    assert sentences[0] == "Of 3 metrics, wgan leads on 3 and gan on 1 (ties count for each)."
    assert sentences[1].startswith("FID: wgan is best with 22 [")
    assert "then gan with 42 [" in sentences[1]
    assert (
        "Too few seeds to decide against gan (5 of 5 seeds, p = 0.062). A perfect sampler scores 1.5." in sentences[1]
    )
    assert sentences[3] == "modes captured: gan and wgan are level at 10 [10, 10] (n = 5). A perfect sampler scores 10."
    assert sentences[4].startswith("With 5 paired seeds no two-sided sign-flip test can reach p < 0.05")
    assert sentences[4].endswith("run at least 6 seeds (--seeds 6) to decide.")


def test_of_many_rivals_six_are_named_and_the_others_counted(tmp_path):
    study = write_study(tmp_path / "a", {f"objective-{i}": 10.0 + i for i in range(9)}, seeds=2)
    assert ", p = 1) and 2 more." in result_sentences(evaluated(study).rankings)[1]


def test_six_seeds_decide_what_all_of_them_agree_on(tmp_path):
    rankings = evaluated(write_study(tmp_path / "a", seeds=6)).rankings
    sentences = result_sentences(rankings)
    assert "Better than gan (6 of 6 seeds, p = 0.031): this holds at the 5 % level." in sentences[1]
    assert not any("whatever the values" in text for text in sentences)


def test_seeds_that_went_bad_count_as_worst_and_are_told(tmp_path):
    endings = {("wgan", 0): "diverged", ("wgan", 1): "failed", ("wgan", 2): "diverged"}
    result = evaluated(write_study(tmp_path / "a", seeds=4, endings=endings))
    section, rankings = result.section, result.rankings
    best, worst = fid(rankings).standings
    assert (best.objective, worst.objective) == ("gan", "wgan")
    assert worst.interval.estimate == np.inf
    assert worst.ending == "n = 4, 2 diverged, 1 failed"
    assert "then wgan with no finite mean (n = 4, 2 diverged, 1 failed)" in result_sentences(rankings)[1]
    assert failure_sentences(section.results.trials) == [
        "Diverged: 2 of 8 trials (wgan 2 of 4).",
        "Failed: 1 of 8 trials (wgan 1 of 4).",
    ]


def test_when_all_diverge_nothing_is_claimed(tmp_path):
    endings = {(o, s): "diverged" for o in OBJECTIVES for s in range(2)}
    result = evaluated(write_study(tmp_path / "a", seeds=2, endings=endings))
    section, rankings = result.section, result.rankings
    assert "no objective has a finite mean" in result_sentences(rankings)[0]
    assert failure_sentences(section.results.trials)[-1].startswith("No trial completed")


def test_one_objective_with_one_seed_is_said_to_have_no_rival(tmp_path):
    result = evaluated(write_study(tmp_path / "a", {"gan": 5.0}, seeds=1, steps=1))
    section, rankings = result.section, result.rankings
    assert result_sentences(rankings)[0] == (
        "FID: gan reached 5 (n = 1). There is nothing to compare it with. A perfect sampler scores 1.5."
    )
    assert size_sentence(section) == "1 objective, 1 seed, 1 trial, 1 generator step, batches of 8."
    assert failure_sentences(section.results.trials) == ["Nothing failed: the trial completed."]


def test_on_points_the_frechet_distance_does_not_lead(tmp_path):
    rankings = evaluated(write_study(tmp_path / "a", dataset="ring", evaluator="coordinates")).rankings
    assert [m.name for m in rankings] == ["sliced_w1", "modes", "fid"]


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sections_hold_what_compares_and_several_folders_become_one_report(tmp_path):
    a = write_study(tmp_path / "a", architectures=("dcgan", "mlp"))
    b = write_study(tmp_path / "b", steps=40)
    data = load_report_data([a, b, a])
    assert [s.title for s in data.sections] == [
        "digits · dcgan · variant 1, 20 steps", "digits · dcgan · variant 2, 40 steps", "digits · mlp",
    ]  # fmt: skip
    assert len({s.name for s in data.sections}) == 3
    assert [len(s.results.steps) for s in data.sections] == [120, 240, 120]
    assert set(data.homes.values()) == {a, b}
    assert {data.homes[t] for t in data.sections[1].results.trials["trial"]} == {b}
    twice = load_report_data([a, write_study(tmp_path / "c", architectures=("dcgan",))])
    assert len(twice.results.trials) == len(
        load_report_data([a]).results.trials
    )  # the same trials stand in both folders
    assert len(twice.results.steps) == len(load_report_data([a]).results.steps)


def test_a_folder_with_nothing_to_report_is_refused(tmp_path):
    path = write_study(tmp_path / "a", {}, seeds=0)
    with pytest.raises(UsageError, match="holds no finished trial and no verdict yet"):
        load_report_data([path])
    write_verdicts(path)
    assert len(load_report_data([path]).verdicts) == 3


# -- tables ------------------------------------------------------------------------------------------------------------


def test_the_leaderboard_shows_last_best_and_floor_and_sorts_by_number(tmp_path):
    endings = {("gan", 0): "diverged"}
    grid = leaderboard_table(evaluated(write_study(tmp_path / "a", seeds=3, endings=endings)))
    assert grid.columns[:6] == ["objective", "seeds", "completed", "diverged", "failed", "FID ↓"]
    first, second, floor = grid.rows
    assert [c.text for c in first[:5]] == ["wgan", "3", "3", "0", "0"]
    assert first[5].text == "21 [20, 22]"
    assert first[5].more.startswith("best 21")
    assert second[5].text.startswith("∞ [")
    assert second[5].key == 1e300
    assert floor[5].text == "1.5 ± 0.15"
    assert all(len(row) == len(grid.columns) for row in grid.rows)


def test_verdicts_losses_and_provenance_are_tables(tmp_path):
    path = write_study(tmp_path / "a", seeds=3, endings={("gan", 1): "failed"})
    write_verdicts(path)
    data = load_report_data([path])
    grid = verdict_table(data.verdicts)
    assert [row[2].text for row in grid.rows] == ["reproduced", "not reproduced", "inconclusive"]
    assert [row[3].text for row in grid.rows] == ["3.5 [3.1, 3.9]", "0.7 [0.6, 0.8]", "–"]
    assert verdict_sentence(data.verdicts).endswith("1 inconclusive, 1 not reproduced, 1 reproduced.")
    assert claim_sentences(data.verdicts) == [
        "Not reproduced, 1 of 2 claims: vanishing.",  # one rule against it is enough
        "Inconclusive, 1 of 2 claims: tracking.",
    ]
    (lost,) = incomplete_trials(data.results.trials).rows
    assert [c.text for c in lost[2:]] == ["gan", "1", "failed", "0", "ArithmeticError: by design"]
    machines, seeds, settings, protocols = provenance(data)
    assert machines.rows[0][1].text == "ganbench 0, torch 2"
    assert [row[3].text for row in seeds.rows] == ["0–2", "0–2"]
    assert "n_critic=1" in settings.rows[1][2].text
    assert "steps=20" in settings.rows[0][2].text
    assert [row[1].text for row in protocols.rows][:3] == [
        "fid@digits-cnn/100", "modes@digits-cnn/100", "sliced_w1@digits-cnn/100",
    ]  # fmt: skip


def test_a_metric_that_no_plugin_knows_is_not_ranked(tmp_path):
    path = write_study(tmp_path / "a", seeds=2)
    data = load_report_data([path])
    section = data.sections[0]
    section.results.evaluations["metric"] = section.results.evaluations["metric"].replace("fid", "mystery")
    assert "mystery" not in [m.name for m in ranked_metrics(section.results, REGISTRY)]
    assert isinstance(section.results.evaluations, pd.DataFrame)


def test_objectives_that_have_not_learnt_are_named_and_nothing_failed_is_not_said(tmp_path):
    result = evaluated(write_study(tmp_path / "a", seeds=3))
    section, board = result.section, result.board
    assert learning_sentences(board) == []
    worse = board.assign(note=["", "fid is worse than at the start"])
    assert learning_sentences(worse) == [
        f"Learnt little or nothing: fid is worse than at the start ({board['objective'][1]})."
    ]
    nothing = board.assign(note="fid is worse than at the start")
    assert learning_sentences(nothing)[0].startswith("No objective has learnt")
    assert failure_sentences(section.results.trials)[0].startswith("Nothing failed")
    assert not failure_sentences(section.results.trials, learnt=False)[0].startswith("Nothing failed")
    assert [row[0].more for row in leaderboard_table(replace(result, board=worse)).rows[:2]] == worse["note"].tolist()
