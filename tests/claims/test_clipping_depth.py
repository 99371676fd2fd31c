"""Claim 23: gradients inside a critic against a closed form and autograd, and every verdict of every rule."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.clipping import NARROW, PENALTY, WIDE, slopes
from ganbench.claims.deep_critics import ARMS, DEPTH, Arm, layer_gradients, measure
from ganbench.claims.experiment import row
from ganbench.networks.mlp import Mlp

JUDGED = (WIDE, ARMS["clip-0.01"].label, ARMS["clip-0.001"].label, PENALTY)
(CLAIM,) = find_claims(["clip-depth-gradients"])


def test_gradients_of_a_narrow_chain_follow_the_chain_rule():
    """One unit a layer with weight w and no bias: ∂L/∂h_l is ±(head w^(layers − l)) / n at every point."""
    w, head, layers, n = 0.5, 3.0, 4, 8
    weights = {}
    for i in range(layers):
        weights |= {f"body.{2 * i + 1}.weight": torch.tensor([[w]]), f"body.{2 * i + 1}.bias": torch.zeros(1)}
    weights |= {"head.weight": torch.tensor([[head]]), "head.bias": torch.zeros(1)}
    found = layer_gradients(weights, torch.ones(n, 1), 2 * torch.ones(n, 1))
    expected = [head * w ** (layers - i) / n * math.sqrt(2 * n) for i in range(1, layers + 1)]
    assert found.tolist() == pytest.approx(expected)


def test_gradients_are_those_of_autograd_through_hooks():
    torch.manual_seed(0)
    critic = Mlp(depth=3, width=16).critic((2,)).double()
    real, fake = torch.randn(5, 2).double(), torch.randn(7, 2).double()
    seen = []
    for module in critic.body:
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda _, __, output: seen.append(output))
    scores = critic(torch.cat([real, fake]))
    expected = [g.norm() for g in torch.autograd.grad(scores[5:].mean() - scores[:5].mean(), seen)]
    found = layer_gradients({name: p.detach() for name, p in critic.named_parameters()}, real, fake)
    assert found.tolist() == pytest.approx([float(e) for e in expected])


def test_float64_holds_gradients_that_float32_would_lose():
    arm = Arm("wgan", {"clip": 1e-5}, width=16)
    found = pd.DataFrame(measure(arm, (100, 101), steps=1))
    assert list(found["at"].unique()) == list(range(1, DEPTH + 1))
    assert found["value"].min() < -46  # below 1e-45, the smallest number of float32
    assert (found["arm"] == "wgan 1e-05, width 16").all()


def test_two_halves_are_all_seeds_of_one_arm():
    first, second = ARMS["clip-0.1-wide-1"], ARMS["clip-0.1-wide-2"]
    assert first.label == second.label
    assert sorted([*first.some(range(9)), *second.some(range(9))]) == list(range(9))
    assert set(JUDGED) | {NARROW} == {arm.label for arm in ARMS.values()}


def measured(slope_of, n=8):
    """Norms that lie on a line but for a bend that has no slope: the slope is the one put in, plus .01 a seed."""
    bend = np.array([1, -1, -1, 1])
    return pd.DataFrame(
        row("log_gradient", (slope_of[arm] + 0.01 * s) * layer + bend[layer - 1], arm=arm, seed=s, at=layer)
        for arm in slope_of
        for s in range(n)
        for layer in range(1, 5)
    )


PAPER = dict(zip(JUDGED, (-0.5, 1.0, 2.0, 0.0), strict=True)) | {NARROW: 0}


def test_slopes_are_recovered():
    assert slopes(measured(PAPER), JUDGED[1]) == pytest.approx([1 + 0.01 * s for s in range(8)])


def test_the_papers_picture_is_reproduced():
    found = CLAIM.decide(measured(PAPER))
    assert [f.rule for f in found] == list(CLAIM.rules)
    assert [f.verdict for f in found] == [REPRODUCED] * 4
    assert found[0].effect == pytest.approx(-0.5 + 0.035)
    assert "width 128" in found[0].note


def test_the_opposite_picture_is_not():
    opposite = {arm: -s for arm, s in PAPER.items()} | {JUDGED[3]: -0.5}
    assert [f.verdict for f in CLAIM.decide(measured(opposite))] == [NOT_REPRODUCED] * 4


def test_slopes_about_the_threshold_or_few_seeds_decide_nothing():
    near = dict(zip(JUDGED, (-0.135, 0.065, 0.065, 0.065), strict=True)) | {NARROW: 0}
    assert [f.verdict for f in CLAIM.decide(measured(near))] == [INCONCLUSIVE] * 4
    assert [f.verdict for f in CLAIM.decide(measured(PAPER, n=5))] == [INCONCLUSIVE] * 4


def test_a_dead_layer_has_no_slope_and_many_of_them_no_verdict():
    table = measured(PAPER)
    dead = (table["arm"] == JUDGED[2]) & (table["at"] == 1) & (table["seed"] < 2)
    table.loc[dead, "value"] = -math.inf
    finding = CLAIM.decide(table)[2]
    assert finding.verdict == INCONCLUSIVE
    assert "2 of 8" in finding.note
