"""What an objective's estimate can reach at best: its divergence, on discrete distributions, computed without it."""

import math

import numpy as np
import pytest
import torch
from ganbench_objectives.fgan_hellinger import FGanHellinger
from ganbench_objectives.fgan_js import FGanJS
from ganbench_objectives.fgan_kl import FGanKL
from ganbench_objectives.fgan_neyman import FGanNeyman
from ganbench_objectives.fgan_pearson import FGanPearson
from ganbench_objectives.fgan_reverse_kl import FGanReverseKL
from ganbench_objectives.fgan_tv import FGanTV
from ganbench_objectives.hinge import Hinge
from ganbench_objectives.lecam import LeCam
from ganbench_objectives.lsgan import LeastSquares
from ganbench_objectives.ragan import RelativisticAverage
from ganbench_objectives.rpgan import RelativisticPairing
from oracles.f_divergences import F_DIVERGENCES
from scipy.optimize import minimize

REAL, FAKE = np.array([3, 1, 4]), np.array([2, 5, 1])  # how often each of three points occurs, in eight samples
P, Q = REAL / 8, FAKE / 8


def batch(counts):
    """Points 0, 1 and 2, as often as they occur: (8, 1)."""
    return torch.from_numpy(np.repeat(np.arange(3.0), counts))[:, None]


class Table:
    """A critic that may give every point whatever score it likes."""

    def __init__(self, scores):
        self.scores = scores

    def __call__(self, x):
        return self.scores[x[:, 0].long()]


def best(objective, real, fake):
    """The supremum of the estimate over all critics, and the scores that reach it."""

    def loss_and_slope(scores):
        v = torch.tensor(scores, requires_grad=True)
        loss = -objective.estimate(Table(v), real, fake)
        return loss.item(), torch.autograd.grad(loss, v)[0].numpy()

    found = minimize(loss_and_slope, np.array([0.1, -0.1, 0.2]), jac=True, method="BFGS", options={"gtol": 1e-9})
    return -found.fun, found.x


F_GANS = {
    "kl": (FGanKL, lambda u: 1 + np.log(u)),
    "reverse-kl": (FGanReverseKL, np.log),
    "pearson": (FGanPearson, lambda u: 2 * (u - 1)),
    "neyman": (FGanNeyman, lambda u: 2 * np.log(u)),
    "squared-hellinger": (FGanHellinger, lambda u: np.log(u) / 2),
    "js": (FGanJS, np.log),
}


@pytest.mark.parametrize("name", F_GANS)
def test_the_best_critic_of_an_f_gan_reads_the_divergence(name):
    cls, wanted = F_GANS[name]
    value, scores = best(cls(), batch(REAL), batch(FAKE))
    assert value == pytest.approx(F_DIVERGENCES[name](P, Q), rel=1e-9)
    np.testing.assert_allclose(scores, wanted(P / Q), rtol=1e-5)


def test_the_best_critic_of_total_variation_is_sure_everywhere():
    value, scores = best(FGanTV(), batch(REAL), batch(FAKE))
    assert value == pytest.approx(F_DIVERGENCES["tv"](P, Q), abs=1e-6)
    assert np.sign(scores).tolist() == np.sign(P - Q).tolist()
    assert (abs(scores) > 5).all()


@pytest.mark.parametrize("name", [*F_GANS, "tv"])
def test_no_critic_reads_more_than_the_divergence(name):
    cls = F_GANS[name][0] if name in F_GANS else FGanTV
    tables = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    read = [cls().estimate(Table(table), batch(REAL), batch(FAKE)).item() for table in tables]
    assert max(read) <= F_DIVERGENCES[name](P, Q)
    assert max(read) > 0


def test_the_best_least_squares_critic_reads_the_triangular_discrimination():
    wanted = ((P - Q) ** 2 / (P + Q)).sum()
    for objective in (LeastSquares(), LeastSquares(fake_target=-1.0, real_target=1.0, generator_target=0.0)):
        value, scores = best(objective, batch(REAL), batch(FAKE))
        assert value == pytest.approx(wanted, rel=1e-9)
        low, high = objective.fake_target, objective.real_target
        np.testing.assert_allclose(scores, (high * P + low * Q) / (P + Q), rtol=1e-5)


@pytest.mark.parametrize("objective", [Hinge(), Hinge(margin=2.0), LeCam()], ids=["hinge", "wide", "lecam"])
def test_the_best_hinge_critic_reads_the_total_variation(objective):
    scores = torch.from_numpy(np.sign(P - Q)) * objective.margin
    read = objective.estimate(Table(scores), batch(REAL), batch(FAKE)).item()
    assert read == pytest.approx(abs(P - Q).sum() / 2, rel=1e-12)
    for step in (-0.1, 0.1):
        for point in torch.eye(3, dtype=torch.float64):
            assert objective.estimate(Table(scores + step * point), batch(REAL), batch(FAKE)).item() <= read + 1e-12


def pairs(real, fake):
    """Every real sample beside every generated one."""
    return real.repeat_interleave(len(fake), 0), fake.repeat(len(real), 1)


@pytest.mark.parametrize("objective", [RelativisticPairing(), RelativisticAverage()], ids=lambda o: o.name)
def test_relativistic_critics_read_nothing_between_equal_sets_and_log_two_between_disjoint_ones(objective):
    value, scores = best(objective, *pairs(batch(REAL), batch(REAL)))
    assert value == pytest.approx(0, abs=1e-12)
    assert np.ptp(scores) < 1e-4
    apart, _ = best(objective, *pairs(batch([8, 0, 0]), batch([0, 4, 4])))
    assert math.log(2) - 1e-3 < apart < math.log(2)
