"""Claims 6 to 9: what is measured at frozen generators, and every verdict of every rule."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from frozen_courses import gradients, rows, verdicts

from ganbench.claims import vanishing_gradients as perfect_critic
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.effects import drop, growth, until
from ganbench.claims.experiment import Profile, values
from ganbench.claims.frozen_generator import ADAM, BATCH, CASES, SURFACE, UNTRAINED, arms, frozen, measure
from ganbench.claims.lab import cohort, objective, training

(PERFECT,) = find_claims(["perfect-discriminator"])
DISJOINT, TRAINED, OVERLAP = find_claims(
    ["mm-vanishes-disjoint", "mm-vanishes-trained-1-10-25", "vanishing-needs-non-overlap"]
)


# -- measuring -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readings():
    """Five updates of the first arm at a trained generator: (case, arm, generators, table)."""
    case = replace(UNTRAINED, generator_step=2)
    arm = replace(next(iter(arms(case, Profile()))), steps=5)
    generators = {2: frozen(case, (100, 101))}
    return case, arm, generators, pd.DataFrame(measure(case, arm, (100, 101), generators))


@pytest.mark.slow
def test_every_moment_of_both_objectives_is_measured_once_a_seed(readings):
    table = readings[-1]
    assert set(table["arm"]) == {"ring-2/gan", "ring-2/nsgan"}
    assert set(table["quantity"]) == {"grad_norm", "grad_noise", "accuracy", "loss"}
    places = table.groupby(["arm", "quantity"])[["seed", "at"]].apply(lambda t: len(set(map(tuple, t.to_numpy()))))
    expected = {"grad_noise": 2 * 2}  # two seeds; the noise at both ends, the rest at the moments 0, 1, 2 and 5
    assert all(n == expected.get(quantity, 2 * 4) for (_, quantity), n in places.items())
    assert len(table) == 2 * (2 * 2 + 3 * 2 * 4)


def test_a_watcher_reads_what_it_would_read_at_critics_of_its_own(readings):
    """The two games share the critic's loss, so a critic trained by nsgan is the one that gan trained, bit by bit."""
    case, arm, generators, table = readings
    own = replace(arm, label="nsgan", objective=objective("nsgan", optimizer=ADAM), watchers=())
    alone = pd.DataFrame(measure(case, own, (100, 101), generators))
    watched = table[table["arm"] == "ring-2/nsgan"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, watched, check_exact=True)


def test_generators_of_an_age_are_those_of_the_training(readings):
    trained = cohort(
        UNTRAINED.dataset, UNTRAINED.architecture, objective("nsgan", optimizer=ADAM), (100, 101), 2, BATCH
    )
    list(training(trained))
    for k, weights in enumerate(readings[2][2]):
        assert all(torch.equal(weights[name], w[k]) for name, w in trained.generator.weights.items())


def test_the_gradient_is_that_of_the_formula(readings):
    """At the start, from the untrained critic of seed 100 and the fixed latents, by plain autograd in float64."""
    from torch.func import functional_call

    from ganbench.rng import generator

    case, _, generators, table = readings
    fresh = cohort(case.dataset, case.architecture, objective("gan"), (100, 101), 1, 512)
    latent = torch.randn(fresh.sampler.length, 512, 2, generator=generator(100, "probe-fixed-generator-latent", 0))[0]
    weights = {name: w.double().requires_grad_() for name, w in generators[2][0].items()}
    fake = functional_call(case.architecture.generator((2,)), weights, (latent.double(),))
    scores = functional_call(
        case.architecture.critic((2,)), {n: w[0].double() for n, w in fresh.critic.weights.items()}, (fake,)
    )
    losses = {"gan": torch.log(1 - torch.sigmoid(scores)).mean(), "nsgan": -torch.log(torch.sigmoid(scores)).mean()}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True)
        expected = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        assert values(table, "grad_norm", f"ring-2/{name}", 0)[100] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_who_is_trained_against_which_generator():
    named = {name: [arm.label for arm in arms(case, Profile())] for name, case in CASES.items()}
    assert named["ring-400"] == named["digits-900"] == ["gan"]
    assert named["ring-0"] == ["gan", "wgan", "wgan-gp"]
    assert named["ring64-900"] == ["gan", "wgan", "wgan-gp", "noisegan[sigma=0.5]"]
    full = [arm.label for arm in arms(SURFACE[1], Profile("full"))]
    assert full[3:] == [f"noisegan[sigma={s}]" for s in ("0.25", "0.5", "1")]
    assert all(arm.objective.optimizer == ADAM for case in CASES.values() for arm in arms(case, Profile()))
    noised = list(arms(SURFACE[0], Profile()))[-1].objective
    assert (noised.sigma, noised.anneal_until, noised.saturating) == (0.5, 0.0, True)
    noise = [arm.noise for arm in arms(SURFACE[0], Profile())]
    assert (noise[0].number, noise[0].size, noise[0].ends_only) == (32, 64, True)
    assert [n.number for n in noise[1:]] == [0] * 3


# -- courses ---------------------------------------------------------------------------------------------------------


def test_a_drop_is_counted_from_the_peak_so_far():
    table = pd.DataFrame(rows("a", "grad_norm", (1e-1, 1e2, 1e0, 1e-2, 1e3), (1.0, 1.0, 1.0, 10.0, 1.0)))
    assert list(drop(table, "a", 500)) == [pytest.approx(4), pytest.approx(0)]
    assert list(drop(table, "a", 1000)) == [pytest.approx(0), pytest.approx(1)]
    assert list(growth(table, "a", 500, 100)) == [pytest.approx(-4), pytest.approx(1)]
    with pytest.raises(KeyError, match="not measured at 2000"):
        until(table, "grad_norm", "a", 2000)


def test_a_gradient_of_zero_has_no_finite_drop_and_nan_spreads():
    table = pd.DataFrame(rows("a", "grad_norm", (1.0, 0.0), (math.nan, 1.0)))
    found = drop(table, "a", 100)
    assert found[0] == math.inf
    assert math.isnan(found[1])


# -- claim 6 ---------------------------------------------------------------------------------------------------------


def accuracies(*courses, n=8):
    """The same accuracies at every frozen generator."""
    return pd.DataFrame(
        [r for name in perfect_critic.NAMES for r in rows(f"{name}/gan", "accuracy", *(courses * n)[:n])]
    )


def test_the_first_hit_is_the_first_reading_that_is_accurate_enough():
    early, late, never = (0.5, 0.99, 0.98, 1.0, 1.0), (0.5, 0.5, 0.989, 0.99, 1.0), (0.5,) * 5
    found = perfect_critic.first_hits(accuracies(early, late, never, n=3), "ring64-0/gan")
    assert list(found) == [100, 500, math.inf]


def test_claim_6_says_each_verdict():
    perfect, late = (0.5, 0.9, 1.0, 1.0, 0.999), (0.5, 0.9, 0.98, 0.99, 1.0)
    assert set(verdicts(PERFECT, accuracies(perfect))) == {REPRODUCED}
    assert verdicts(PERFECT, accuracies(late)) == [REPRODUCED, NOT_REPRODUCED] * 6
    assert verdicts(PERFECT, accuracies((0.5,) * 4 + (0.9,))) == [NOT_REPRODUCED] * 12
    uneven = accuracies((0.5, 0.99, 1.0, 1.0, 1.0), (0.5, 0.99, 1.0, 1.0, 0.98))
    assert verdicts(PERFECT, uneven) == [INCONCLUSIVE, REPRODUCED] * 6  # means of .99
    assert set(verdicts(PERFECT, accuracies(perfect, n=5))) == {INCONCLUSIVE}
    assert {finding.rule.name for finding in PERFECT.decide(uneven)} == {rule.name for rule in PERFECT.rules}


def test_the_median_of_first_hits_decides():
    soon, never = (0.5, 0.5, 1.0, 1.0, 1.0), (0.5,) * 5
    assert PERFECT.decide(accuracies(soon, soon, never, n=6))[1].effect == 200
    assert verdicts(PERFECT, accuracies(soon, soon, never, n=6))[1] == REPRODUCED
    assert verdicts(PERFECT, accuracies(soon, never, never, n=6))[1] == NOT_REPRODUCED


# -- claims 7 to 9 ---------------------------------------------------------------------------------------------------

UNTRAINED_ARMS = ("ring-0/gan", "ring64-0/gan")
TRAINED_ARMS = ("ring64-300/gan", "ring64-900/gan", "digits-300/gan", "digits-900/gan")


@pytest.mark.parametrize(
    ("end", "expected"),
    [(-4, [REPRODUCED, REPRODUCED]), (-2, [NOT_REPRODUCED, REPRODUCED]), (-1, [NOT_REPRODUCED] * 2)],
)
def test_claim_7_asks_for_three_orders_on_the_ring_and_one_and_a_half_in_64_dimensions(end, expected):
    table = gradients(UNTRAINED_ARMS, (-1, 0, -0.5, -1, end))
    assert verdicts(DISJOINT, table) == expected


def test_claim_7_is_inconclusive_where_the_interval_holds_the_threshold_or_seeds_are_few():
    table = gradients(UNTRAINED_ARMS, (-1, 0, -0.5, -1, -3.1))  # drops of 3.1 − .03 k
    found = DISJOINT.decide(table)
    assert found[0].verdict == INCONCLUSIVE
    assert found[0].effect == pytest.approx(3.1 - 0.03 * 3.5)
    assert verdicts(DISJOINT, gradients(UNTRAINED_ARMS, (0, 0, 0, 0, -9), n=5)) == [INCONCLUSIVE] * 2


@pytest.mark.parametrize(("end", "expected"), [(-2, REPRODUCED), (-1, NOT_REPRODUCED), (-1.65, INCONCLUSIVE)])
def test_claim_8_judges_every_trained_generator(end, expected):
    table = gradients(TRAINED_ARMS, (-1, 0, -0.5, -1, -1, end))
    assert verdicts(TRAINED, table) == [expected] * 4
    assert [rule.name for rule in TRAINED.rules] == ["ring64-300", "ring64-900", "digits-300", "digits-900"]


@pytest.mark.parametrize(
    ("end", "accuracy", "expected"),
    [(1, 0.93, REPRODUCED), (-2, 0.93, NOT_REPRODUCED), (-0.65, 0.93, INCONCLUSIVE), (1, 0.99, INCONCLUSIVE)],
)
def test_claim_9_is_judged_where_the_critic_finds_an_overlap(end, accuracy, expected):
    (found,) = OVERLAP.decide(gradients(["ring-400/gan"], (0, 0, 0, 0, end), accuracy))
    assert found.verdict == expected
    assert f"accuracy {accuracy:.3f}, Jensen-Shannon bound 0.493" in found.note  # log 2 − .4/2
    assert ("finds no overlap" in found.note) == (accuracy == 0.99)
    assert math.isnan(found.effect) == (accuracy == 0.99)


def test_thresholds_are_those_of_the_catalogue():
    bounds = {rule.name: rule.above for claim in (DISJOINT, TRAINED, OVERLAP) for rule in claim.rules}
    assert bounds == dict(
        zip(
            ["ring", "ring64", "ring64-300", "ring64-900", "digits-300", "digits-900", "ring after 400 steps"],
            [3, 1.5, 1.5, 1.5, 1.5, 1.5, -0.5],
            strict=True,
        )
    )
    assert np.isclose([rule.above for rule in PERFECT.rules[::2]], 0.99).all()
