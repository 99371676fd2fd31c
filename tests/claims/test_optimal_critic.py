"""Claims 2 and 3: measurements of a critic that is optimal, and of trained ones; every verdict of every rule."""

import math

import pandas as pd
import pytest
import torch

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.exact.optimal_critic import Gaussian, generator_gradients, js, optimal_score
from ganbench.claims.experiment import row
from ganbench.claims.fixed_generators import NORMAL_PAIR, critics, scores, slopes, standard_normal
from ganbench.claims.lab import objective
from ganbench.claims.optimal_critic import CLAIMS, MEANS, OPTIMIZER, REAL, critic_error, pulls, score_of, value_rows

VALUE, GRADIENTS = CLAIMS


def trained(thetas=(0.0, 2.0), steps=1, seeds=(100, 101)):
    chosen = objective("gan", optimizer=OPTIMIZER)
    return critics(standard_normal(), NORMAL_PAIR, chosen, seeds, thetas, steps, 64)


def test_the_optimal_critic_has_no_error_and_one_that_says_half_has_a_known_one():
    assert critic_error(optimal_score(REAL, Gaussian(2.0)), 2.0) == 0
    # (σ(s) − ½)² under an even mixture of N(0, 1) and N(2, 1), by a sum over a fine grid
    x = torch.linspace(-12, 14, 200_001, dtype=torch.float64)
    p, q = REAL.log_density(x).exp(), Gaussian(2.0).log_density(x).exp()
    expected = ((((p / (p + q) - 0.5) ** 2) * (p + q) / 2).sum() * (x[1] - x[0])).sqrt().item()
    assert critic_error(torch.zeros_like, 2.0) == pytest.approx(expected, rel=1e-6)


def test_the_optimal_critic_pulls_as_the_exhibit_says():
    exact = generator_gradients(1.5)
    found = pulls(optimal_score(REAL, Gaussian(1.5)), 1.5)
    assert found == pytest.approx({"non-saturating": exact.non_saturating, "minimax": exact.minimax}, rel=1e-9)


def test_one_cohort_holds_every_seed_for_each_theta():
    found = trained(steps=3)
    assert found.seeds == (100, 101, 100, 101)
    assert found.generator.weights["theta"][:, 0].tolist() == [0.0, 0.0, 2.0, 2.0]
    alone = trained(thetas=(2.0,), steps=3)
    x = torch.linspace(-3, 3, 7)[:, None]
    together, apart = scores(found, x.expand(4, -1, -1))[2:], scores(alone, x.expand(2, -1, -1))
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(together[0], together[1])


def test_scores_and_slopes_are_those_of_one_critic_alone():
    found = trained(steps=3)
    x = torch.linspace(-3, 3, 7)
    every, gradients = slopes(found, x[:, None].expand(4, -1, -1).clone())
    for k in range(4):
        asked = x.double().requires_grad_()
        one = score_of(found, k)(asked)
        (gradient,) = torch.autograd.grad(one.sum(), asked)
        torch.testing.assert_close(every[k].double(), one.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(gradients[k, :, 0].double(), gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_training_brings_a_critic_near_the_optimum():
    before, after = (pd.DataFrame(value_rows(trained((2.0,), steps), 2.0)) for steps in (1, 300))
    for table in (before, after):
        assert table["quantity"].value_counts().to_dict() == {"estimate": 2, "js_error": 2, "rmse": 2}
    means = [table.groupby("quantity")["value"].mean() for table in (before, after)]
    assert means[1]["rmse"] < 0.1 < means[0]["rmse"]
    assert means[1]["estimate"] == pytest.approx(js(REAL, Gaussian(2.0)).item(), abs=0.03)
    assert means[1]["js_error"] < 0.03 < means[0]["js_error"]


def measured(rmse, js_error, n=6, spread=0.0):
    rows = []
    for seed in range(n):
        for k, mean in enumerate(MEANS.values()):
            tilt = (k - 2) * 1e-3  # over the five pairs it averages out
            for quantity, value in (("rmse", rmse), ("js_error", js_error)):
                rows.append(row(quantity, value + tilt + spread * (-1) ** seed, seed=seed, at=mean))
    return pd.DataFrame(rows)


def verdicts(claim, table):
    return [finding.verdict for finding in claim.decide(table)]


def test_every_verdict_on_the_value():
    table = measured(0.049, 0.019)
    assert verdicts(VALUE, table) == [REPRODUCED, REPRODUCED]
    assert [finding.effect for finding in VALUE.decide(table)] == pytest.approx([0.049, 0.019])
    assert verdicts(VALUE, measured(0.051, 0.021)) == [NOT_REPRODUCED, NOT_REPRODUCED]
    assert verdicts(VALUE, measured(0.049, 0.019, spread=0.01)) == [INCONCLUSIVE, INCONCLUSIVE]
    assert verdicts(VALUE, measured(0.04, 0.01, n=5)) == [INCONCLUSIVE, INCONCLUSIVE]


def pulled(non_saturating, minimax, identity=1e-12, n=6):
    errors = {"non-saturating": non_saturating, "minimax": minimax}
    rows = [row("identity", identity, arm=arm) for arm in errors]
    for arm, pair in errors.items():
        for seed in range(n):
            rows.append(row("relative_error", pair[seed % 2], arm=arm, seed=seed))
            rows.append(row("gradient", 1.0, arm=arm, seed=seed))
    return pd.DataFrame(rows)


def test_every_verdict_on_the_gradients():
    assert verdicts(GRADIENTS, pulled((0.01, 0.03), (0.0, 0.0))) == [REPRODUCED] * 3
    assert verdicts(GRADIENTS, pulled((0.2, 0.3), (0.0, 0.3))) == [REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE]
    assert verdicts(GRADIENTS, pulled((0.01, 0.03), (0.01, 0.03), n=4)) == [REPRODUCED, INCONCLUSIVE, INCONCLUSIVE]
    assert GRADIENTS.decide(pulled((0.01, 0.03), (0.0, 0.0)))[1].effect == pytest.approx(0.02)


@pytest.mark.parametrize(("identity", "gate"), [(2e-4, NOT_REPRODUCED), (math.nan, INCONCLUSIVE)])
def test_without_the_identities_trained_critics_decide_nothing(identity, gate):
    assert verdicts(GRADIENTS, pulled((0.01, 0.03), (0.0, 0.0), identity)) == [gate, INCONCLUSIVE, INCONCLUSIVE]
