"""Claims 18 and 19: the one-parameter game against its closed form, and every verdict of every rule."""

import math

import pandas as pd
import pytest
import torch

from ganbench.claims import parallel_lines
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row
from ganbench.claims.lab import cohort, objective, weight_course
from ganbench.claims.parallel_lines import (
    LINE,
    OPTIMIZERS,
    STARTS,
    ScalarGenerator,
    arm,
    by_critic_steps,
    from_starts,
    run_scalar_generator,
    scalar_line,
)
from ganbench.interfaces.objective import Optimizer

DILEMMA, LEARNS = find_claims(["d-strength-dilemma", "ns-gan-learns-disjoint"])


def test_the_real_line_is_at_zero_and_uniform():
    from scipy.stats import kstest

    points = LINE.reference(2000)
    assert (points[:, 0] == 0).all()
    assert kstest(points[:, 1].numpy(), "uniform").pvalue > 0.01


def test_the_generated_line_is_at_theta_and_uniform():
    from scipy.stats import kstest

    points = ScalarGenerator(-0.5)(torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))).detach()
    assert (points[:, 0] == -0.5).all()
    assert kstest(points[:, 1].numpy(), "uniform").pvalue > 0.01


def test_a_course_is_gradient_descent_on_theta():
    """With wgan and SGD, θ moves each step by rate times the mean slope of the critic along the first axis."""
    rate, steps, seeds = 0.1, 3, (100, 101)
    chosen = objective("wgan", n_critic=1, optimizer=Optimizer("sgd", lr=1e-30), clip=10.0)  # a critic at rest
    trained = cohort(LINE, scalar_line(1.0), chosen, seeds, steps, 16, generator_optimizer=Optimizer("sgd", lr=rate))
    weights = {name: w.clone() for name, w in trained.critic.weights.items()}
    thetas = weight_course(trained, "theta")
    assert thetas.shape == (steps, 2)
    for k in range(2):
        theta = torch.tensor(1.0)
        for step, batch in zip(range(steps), trained.sampler.generator(0), strict=False):
            points = torch.stack([theta.expand(16), torch.special.ndtr(batch.latent[k, :, 0])], dim=1).requires_grad_()
            critic = {name: w[k] for name, w in weights.items()}
            score = torch.func.functional_call(scalar_line().critic((2,)), critic, (points,)).mean()
            (slope,) = torch.autograd.grad(score, points)
            theta = theta + rate * slope[:, 0].sum()
            assert thetas[step, k] == pytest.approx(float(theta), abs=1e-6)


def test_the_measurements_hold_every_combination_once():
    grid = pd.DataFrame(by_critic_steps("gan", (1, 2), (100, 101), steps=2))
    assert sorted(grid["arm"].unique()) == sorted(arm("gan", o, n) for o in OPTIMIZERS for n in (1, 2))
    assert (grid.groupby("arm")["seed"].apply(list).map(tuple) == (100, 101)).all()
    starts = pd.DataFrame(from_starts((100,), steps=2))
    assert len(starts) == len(OPTIMIZERS) * len(STARTS) == len(starts[["arm", "at"]].drop_duplicates())
    # two steps of at most .03 each (Adam), or of rate times the critic's slope: still near the start
    assert (starts["value"] - starts["at"]).abs().max() < 0.2


def test_the_quick_profile_leaves_out_the_penalty():
    assert run_scalar_generator(Profile("quick", (100,)), "wgan-gp") == []


def test_parts_and_arms_are_the_same():
    assert parallel_lines.SCALAR_GENERATOR.parts == ("gan", "nsgan", "wgan", "wgan-gp", "starts")


def finals(strong_gan, weak_gan=0.0, strong_wgan=0.0, weak_wgan=0.0, n=8):
    cells = {("gan", 10): strong_gan, ("gan", 1): weak_gan, ("wgan", 10): strong_wgan, ("wgan", 1): weak_wgan}
    rows = []
    for optimizer in OPTIMIZERS:
        for (name, count), value in cells.items():
            rows += [row("final", value + 0.01 * s, arm=arm(name, optimizer, count), seed=s, at=1.0) for s in range(n)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("table", "verdict", "effect"),
    [
        (finals(0.7, weak_gan=0.1, strong_wgan=0.1, weak_wgan=0.2), REPRODUCED, 0.7),
        (finals(0.7, weak_gan=0.5), NOT_REPRODUCED, 0.2),
        (finals(0.7, strong_wgan=0.7), NOT_REPRODUCED, 0.0),
        (finals(0.7, n=5), INCONCLUSIVE, 0.7),
    ],
)
def test_the_dilemma_is_the_difference_of_two_changes(table, verdict, effect):
    found = DILEMMA.decide(table)
    assert [f.rule for f in found] == list(DILEMMA.rules)
    assert [f.verdict for f in found] == [verdict] * 2
    assert [f.effect for f in found] == [pytest.approx(effect)] * 2


def test_a_dilemma_that_seeds_disagree_about_is_undecided():
    table = finals(0.0)
    stalled = (table["arm"] == arm("gan", "sgd", 10)) & (table["seed"] % 2 == 0)
    table.loc[stalled, "value"] = 0.8
    sgd, adam = DILEMMA.decide(table)
    assert (sgd.verdict, adam.verdict) == (INCONCLUSIVE, NOT_REPRODUCED)
    assert "gan, sgd, n_critic 10" in sgd.note
    assert "adam" not in sgd.note


def tails(failures, n=20):
    keys = [(optimizer, start) for optimizer in OPTIMIZERS for start in STARTS]
    return pd.DataFrame(
        row("tail", 0.5 if s < failures else 0.01, arm=arm("nsgan", o, 1), seed=s, at=start)
        for o, start in keys
        for s in range(n)
    )


def test_all_of_twenty_seeds_must_learn():
    """Wilson's lower end is 20 / (20 + 1.96²) = .839 for 20 of 20, .764 for 19 and, upper, .731 for 10."""
    (first, *_) = found = LEARNS.decide(tails(0))
    assert [f.rule for f in found] == list(LEARNS.rules)
    assert {f.verdict for f in found} == {REPRODUCED}
    assert first.low == pytest.approx(20 / (20 + 1.959964**2))
    assert first.p == pytest.approx(0.8**20)
    assert {f.verdict for f in LEARNS.decide(tails(1))} == {INCONCLUSIVE}
    assert {f.verdict for f in LEARNS.decide(tails(10))} == {NOT_REPRODUCED}


def test_too_few_seeds_decide_nothing_and_a_lost_run_has_not_learnt():
    assert {f.verdict for f in LEARNS.decide(tails(0, n=19))} == {INCONCLUSIVE}
    table = tails(0)
    table.loc[table["seed"] < 10, "value"] = math.nan
    assert {f.verdict for f in LEARNS.decide(table)} == {NOT_REPRODUCED}
