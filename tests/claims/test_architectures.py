"""Claim 25: the draw of networks, their shape, and every verdict of the rule."""

import math
from collections import Counter

import pandas as pd
import pytest
import torch

from ganbench.claims.architectures import (
    ACTIVATIONS,
    ARMS,
    CLAIMS,
    DEPTHS,
    PARTS,
    SHARES,
    WIDTHS,
    Layers,
    RandomMlp,
    measure,
    run,
)
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import Profile, row

(CLAIM,) = CLAIMS
SOME = RandomMlp(generator_layers=Layers(3, 32, "tanh", True), critic_layers=Layers(2, 64, "leaky-relu"))


def test_networks_are_the_seeds_and_every_value_is_as_likely_as_any():
    assert RandomMlp.of_seed(100) == RandomMlp.of_seed(100)
    drawn = [RandomMlp.of_seed(seed) for seed in range(1000, 1840)]
    for layers in ([d.generator_layers for d in drawn], [d.critic_layers for d in drawn]):
        for values, found in (
            (DEPTHS, Counter(x.depth for x in layers)),
            (WIDTHS, Counter(x.width for x in layers)),
            (ACTIVATIONS, Counter(x.activation for x in layers)),
        ):
            fair = 840 / len(values)
            assert set(found) == set(values)
            assert all(abs(count - fair) < 4 * math.sqrt(fair) for count in found.values())
    assert 360 < sum(d.generator_layers.batch_norm for d in drawn) < 480
    assert not any(d.critic_layers.batch_norm for d in drawn)


def test_networks_have_the_layers_that_they_say():
    critic, generator = SOME.critic((1, 8, 8)), SOME.generator((1, 8, 8))
    assert [tuple(p.shape) for p in critic.parameters() if p.ndim == 2] == [(64, 64), (64, 64), (1, 64)]
    assert [tuple(p.shape) for p in generator.parameters() if p.ndim == 2] == [(32, 64), (32, 32), (32, 32), (64, 32)]
    assert sum(isinstance(m, torch.nn.BatchNorm1d) for m in generator.modules()) == 3
    assert generator(torch.randn(5, 64)).shape == (5, 1, 8, 8)
    assert SOME.generator((2,))(torch.randn(5, 64)).shape == (5, 2)


def test_a_batch_is_normalised_by_its_own_statistics():
    layers = torch.nn.Sequential(*Layers(1, 16, "tanh", True).modules(4)[:2])
    y = layers(3 + 5 * torch.randn(200, 4))
    assert y.mean(0).abs().max() < 1e-5
    assert y.std(0, correction=0).sub(1).abs().max() < 1e-3


def test_the_parts_of_an_arm_hold_every_network_once():
    for arm, n in SHARES.items():
        shares = [range(12)[int(part.rpartition("-")[2]) :: n] for part in PARTS if part.rpartition("-")[0] == arm]
        assert sorted(seed for share in shares for seed in share) == list(range(12))
    assert set(SHARES) == set(ARMS)


@pytest.mark.parametrize("arm", ARMS)
def test_a_short_run_gives_one_row_a_network_and_metric(arm):
    found = pd.DataFrame(measure(arm, (100, 101), steps=1))
    assert sorted(zip(found["quantity"], found["seed"], strict=True)) == [
        ("high_quality", 100), ("high_quality", 101), ("mode_kl", 100), ("mode_kl", 101)
    ]  # fmt: skip
    assert found["value"].between(0, math.log(1797)).all()


def measured(both=0, only_wgan=0, only_gan=0, none=0, lost=0):
    outcomes = [(0.1, 0.1)] * both + [(0.1, 2.0)] * only_wgan + [(2.0, 0.1)] * only_gan + [(2.0, 2.0)] * none
    outcomes += [(math.nan, 0.1)] * lost
    rows = []
    for seed, (wgan, gan) in enumerate(outcomes):
        for arm, kl in (("wgan-gp", wgan), ("nsgan", gan), ("nsgan-r1", gan)):
            rows += [row("mode_kl", kl, arm=arm, seed=seed), row("high_quality", 0.5, arm=arm, seed=seed)]
    return pd.DataFrame(rows)


def test_the_regularised_arm_is_told_of_where_it_was_measured():
    table = measured(both=2, only_wgan=9, none=1)
    assert "nsgan-r1 trains 2;" in CLAIM.decide(table)[0].note
    without = table[table["arm"] != "nsgan-r1"]
    assert "r1" not in CLAIM.decide(without)[0].note
    assert CLAIM.decide(without)[0].verdict == REPRODUCED
    assert run(Profile("quick", (100,)), "nsgan-r1-0") == []


def test_nine_more_of_twelve_networks_are_enough():
    (found,) = CLAIM.decide(measured(both=2, only_wgan=9, none=1))
    assert (found.verdict, found.n) == (REPRODUCED, 12)
    assert found.effect == pytest.approx(9 / 12)
    assert found.p == pytest.approx(2 * 0.5**9)
    assert "only wgan-gp 9, only nsgan 0, both 2 of 12" in found.note


def test_the_other_way_round_is_evidence_against_it_and_has_no_p():
    (found,) = CLAIM.decide(measured(only_gan=9, none=3))
    assert (found.verdict, found.p) == (NOT_REPRODUCED, 1.0)
    assert found.effect == pytest.approx(-9 / 12)


def test_a_network_that_diverged_did_not_train():
    (found,) = CLAIM.decide(measured(lost=12))
    assert (found.verdict, found.effect) == (NOT_REPRODUCED, -1)


@pytest.mark.parametrize("table", [measured(both=12), measured(only_wgan=3, none=9), measured(only_wgan=5)])
def test_equal_or_few_outcomes_decide_nothing(table):
    assert CLAIM.decide(table)[0].verdict == INCONCLUSIVE
