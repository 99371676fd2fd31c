"""The family of objectives against closed forms on the Dirac-GAN (Mescheder et al. 2018), in double precision.

Real mass at ρ, generator at θ, critic ψx, so that the scores are a = ψρ and b = ψθ. The design's table has ρ = 0, where
the real term has no gradient; elsewhere each objective is given by the slopes of its losses by a and b, worked out by
hand, and by what its penalty adds.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from ganbench_objectives.dragan import Dragan
from ganbench_objectives.feature_matching import FeatureMatching
from ganbench_objectives.fgan_hellinger import FGanHellinger
from ganbench_objectives.fgan_js import FGanJS
from ganbench_objectives.fgan_kl import FGanKL
from ganbench_objectives.fgan_neyman import FGanNeyman
from ganbench_objectives.fgan_pearson import FGanPearson
from ganbench_objectives.fgan_reverse_kl import FGanReverseKL
from ganbench_objectives.fgan_tv import FGanTV
from ganbench_objectives.gan import Minimax
from ganbench_objectives.hinge import Hinge
from ganbench_objectives.historical_averaging import HistoricalAveraging
from ganbench_objectives.label_smoothing import LabelSmoothing
from ganbench_objectives.lecam import LeCam
from ganbench_objectives.lsgan import LeastSquares
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.nsgan_r1 import NonSaturatingR1
from ganbench_objectives.r3gan import RegularisedRelativistic
from ganbench_objectives.ragan import RelativisticAverage
from ganbench_objectives.rpgan import RelativisticPairing
from ganbench_objectives.wgan_gp import WassersteinPenalty

from ganbench.interfaces.draw import RecordingDraw
from ganbench.testing.toys import DiracCritic

POINTS = [(1.0, 1.0), (-2.0, 0.5), (0.3, -4.0), (1.0, 25.0), (50.0, 1.0), (-50.0, 1.0), (2.0, -25.0), (0.01, 50.0)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def sign(x):
    return math.copysign(1, x)


def squared_sech(x):
    tail = math.exp(-2 * abs(x))
    return 4 * tail / (1 + tail) ** 2


def number(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def gradients(objective, psi, theta, rho=0.0, state=None):
    """∂ critic loss/∂ψ and ∂ generator loss/∂θ at one point; an objective's draws are halves."""
    p, t, real = number(psi), number(theta), torch.full((1, 1), rho, dtype=torch.float64)
    state = {name: torch.tensor(value, dtype=torch.float64) for name, value in (state or {}).items()}

    def draw():
        return RecordingDraw(torch.tensor(1), torch.tensor(0.0, dtype=torch.float64), state, {"theta": t})

    critic = objective.critic_loss(DiracCritic(p), real, t.detach().reshape(1, 1), draw())
    generator = objective.generator_loss(DiracCritic(p.detach()), real, t.reshape(1, 1), draw())
    return torch.autograd.grad(critic, p)[0].item(), torch.autograd.grad(generator, t)[0].item()


def assert_equal(got, terms, where=None):
    """A sum to twelve digits of its largest term: of the sum itself where there is one term only."""
    wanted = pytest.approx(math.fsum(terms), rel=1e-12, abs=1e-12 * max(map(abs, terms)) * (len(terms) > 1))
    assert (where, got) == (where, wanted)


# -- the table of the design: real mass at zero ---------------------------------------------------------------------

W, GAMMA = 10.0, 0.3

TABLE = {
    "lsgan": (LeastSquares(), lambda p, t: (p * t**2, p * (p * t - 1))),
    "hinge": (Hinge(), lambda p, t: (t * (1 + p * t > 0), -p)),
    "wgan-gp": (WassersteinPenalty(weight=W), lambda p, t: (t + 2 * W * (abs(p) - 1) * sign(p), -p)),
    "rpgan": (RelativisticPairing(), lambda p, t: (t * sigmoid(p * t), -p * sigmoid(-p * t))),
    "nsgan-r1": (
        NonSaturatingR1(gamma=GAMMA),
        lambda p, t: (t * sigmoid(p * t) + GAMMA * p, -p * sigmoid(-p * t)),
    ),
}


@pytest.mark.parametrize(("objective", "exact"), TABLE.values(), ids=TABLE)
def test_gradients_equal_the_table_of_the_dirac_gan(objective, exact):
    for point in POINTS:
        for got, wanted in zip(gradients(objective, *point), exact(*point), strict=True):
            assert (point, got) == (point, pytest.approx(wanted, rel=1e-12, abs=0))


# -- all of them, by the slopes of their losses ---------------------------------------------------------------------


@dataclass
class Slopes:
    """∂ critic loss/∂a, ∂ critic loss/∂b and ∂ generator loss/∂b at scores (a, b), and what a penalty adds by ψ."""

    objective: object
    real: Callable[[float, float], float]
    fake: Callable[[float, float], float]
    generator: Callable[[float, float], float]
    penalty: Callable[[float], float] | None = None
    state: dict | None = None


def logistic(objective, generator=lambda a, b: -sigmoid(-b), **more):
    """The minimax critic."""
    return Slopes(objective, lambda a, b: -sigmoid(-a), lambda a, b: sigmoid(b), generator, **more)


def pairing(objective, scale=1.0, **more):
    real, fake = (lambda a, b: -scale * sigmoid(b - a)), (lambda a, b: scale * sigmoid(b - a))
    return Slopes(objective, real, fake, lambda a, b: -scale * sigmoid(a - b), **more)


def f_gan(cls, activation, conjugate):
    """Both generators of an f-GAN, from the derivatives of T and of f*(T)."""
    real, fake = (lambda a, b: -activation(a)), (lambda a, b: conjugate(b))
    yield Slopes(cls(), real, fake, lambda a, b: -conjugate(b))
    yield Slopes(cls(saturating=False), real, fake, lambda a, b: -activation(b))


def unit_norm(weight):
    return lambda psi: 2 * weight * (abs(psi) - 1) * sign(psi)


SLOPES = [
    Slopes(WassersteinPenalty(), lambda a, b: -1, lambda a, b: 1, lambda a, b: -1, unit_norm(10)),
    Slopes(
        WassersteinPenalty(weight=0.1, one_sided=True),
        *(lambda a, b: -1, lambda a, b: 1, lambda a, b: -1),
        lambda psi: 0.2 * max(abs(psi) - 1, 0) * sign(psi),
    ),
    logistic(NonSaturatingR1(), penalty=lambda psi: 10 * psi),
    logistic(NonSaturatingR1(variant="code"), penalty=lambda psi: 20 * psi),
    Slopes(LeastSquares(), lambda a, b: a - 1, lambda a, b: b, lambda a, b: b - 1),
    Slopes(LeastSquares(fake_target=-1, generator_target=0), lambda a, b: a - 1, lambda a, b: b + 1, lambda a, b: b),
    Slopes(Hinge(), lambda a, b: -(a < 1), lambda a, b: b > -1, lambda a, b: -1),
    logistic(LabelSmoothing(real_label=1.0)),
    Slopes(
        LabelSmoothing(),
        lambda a, b: -0.9 * sigmoid(-a) + 0.1 * sigmoid(a),
        lambda a, b: sigmoid(b),
        lambda a, b: -sigmoid(-b),
    ),
    Slopes(
        LabelSmoothing(real_label=0.75, generator_label=0.375),
        lambda a, b: 0.25 * sigmoid(a) - 0.75 * sigmoid(-a),
        lambda a, b: sigmoid(b),
        lambda a, b: 0.625 * sigmoid(b) - 0.375 * sigmoid(-b),
    ),
    pairing(RelativisticPairing()),
    pairing(RegularisedRelativistic(gamma=0.3), penalty=lambda psi: 0.6 * psi),
    pairing(RegularisedRelativistic(gamma=0.3, r2=False), penalty=lambda psi: 0.3 * psi),
    pairing(RelativisticAverage(), scale=2.0),
    pairing(RelativisticAverage(variant="code"), scale=1.0),
    logistic(Dragan(), penalty=unit_norm(10)),
    logistic(Dragan(variant="code", weight=3.0), penalty=unit_norm(3)),
    *f_gan(FGanKL, lambda v: 1, lambda v: math.exp(v - 1)),
    *f_gan(FGanReverseKL, lambda v: math.exp(-v), lambda v: 1),
    *f_gan(FGanPearson, lambda v: 1, lambda v: v / 2 + 1),
    *f_gan(FGanNeyman, lambda v: math.exp(-v), lambda v: math.exp(-v / 2)),
    *f_gan(FGanHellinger, lambda v: math.exp(-v), math.exp),
    *f_gan(FGanJS, lambda v: sigmoid(-v), sigmoid),
    *f_gan(FGanTV, lambda v: squared_sech(v) / 2, lambda v: squared_sech(v) / 2),
    Slopes(
        LeCam(),
        lambda a, b: -(a < 1) + 0.6 * (a + 3),
        lambda a, b: (b > -1) - 0.6 * (2 - b),
        lambda a, b: -1,
        state={"real": 1.0, "fake": -1.5, "share": 0.5},
    ),
    Slopes(
        LeCam(variant="code"),
        lambda a, b: -(a < 1) + 0.6 * max(a + 3, 0),
        lambda a, b: (b > -1) - 0.6 * max(2 - b, 0),
        lambda a, b: -1,
        state={"real": 1.0, "fake": -1.5, "share": 0.5},
    ),
    Slopes(
        LeCam(),
        lambda a, b: -(a < 1),
        lambda a, b: b > -1,
        lambda a, b: -1,
        state={"real": 0.0, "fake": 0.0, "share": 0.0},
    ),
]


@pytest.mark.parametrize("slopes", SLOPES, ids=lambda s: f"{s.objective.name}-{SLOPES.index(s)}")
def test_gradients_equal_the_slopes_worked_out_by_hand(slopes):
    for rho, (psi, theta) in itertools.product([0.0, 0.7, -1.0], POINTS):
        critic, generator = gradients(slopes.objective, psi, theta, rho, slopes.state)
        a, b = psi * rho, psi * theta
        terms = [theta * slopes.fake(a, b)]
        terms += [rho * slopes.real(a, b)] if rho else []
        terms += [slopes.penalty(psi)] if slopes.penalty else []
        assert_equal(critic, terms, (psi, theta, rho))
        assert_equal(generator, [psi * slopes.generator(a, b)], (psi, theta, rho))


# -- those that are not a function of the scores --------------------------------------------------------------------


def test_feature_matching_moves_the_generator_to_the_mean_whatever_the_score():
    """The Dirac critic's features are the points themselves."""
    for rho, (psi, theta) in itertools.product([0.0, 0.7], POINTS):
        for variant, wanted in (("paper", 2 * (theta - rho)), ("code", sign(theta - rho))):
            critic, generator = gradients(FeatureMatching(variant=variant), psi, theta, rho)
            assert_equal(critic, [theta * sigmoid(psi * theta), -rho * sigmoid(-psi * rho)], (psi, theta, rho))
            assert (rho, psi, theta, generator) == (rho, psi, theta, pytest.approx(wanted, rel=1e-12))


def test_feature_matching_compares_means_and_not_samples():
    real, fake = torch.tensor([[0.0, 1.0], [4.0, 1.0]]), torch.tensor([[1.0, 4.0], [1.0, 4.0]])  # means (2,1), (1,4)
    critic = DiracCritic(torch.tensor(1.0))
    assert FeatureMatching().generator_loss(critic, real, fake, None).item() == 1 + 9
    assert FeatureMatching(variant="code").generator_loss(critic, real, fake, None).item() == (1 + 3) / 2


def test_historical_averaging_draws_both_players_to_their_past():
    past = {"critic.psi": 0.2, "generator.theta": -0.4, "count": 3.0}
    for psi, theta in POINTS:
        critic, generator = gradients(HistoricalAveraging(weight=0.5), psi, theta, state=past)
        assert_equal(critic, [theta * sigmoid(psi * theta), psi - 0.2], (psi, theta))
        assert_equal(generator, [-psi * sigmoid(-psi * theta), theta + 0.4], (psi, theta))


def test_the_relativistic_average_compares_each_score_with_the_other_kinds_mean():
    a, b = [3.0, -1.0, 0.5], [0.25, 2.0, -4.0]
    real, fake = (torch.tensor(x, dtype=torch.float64)[:, None] for x in (a, b))

    def softplus(x):
        return math.log1p(math.exp(x))

    mean_a, mean_b = sum(a) / 3, sum(b) / 3
    critic_loss = sum(softplus(mean_b - x) for x in a) / 3 + sum(softplus(x - mean_a) for x in b) / 3
    generator_loss = sum(softplus(x - mean_b) for x in a) / 3 + sum(softplus(mean_a - x) for x in b) / 3
    for objective, scale in ((RelativisticAverage(), 1), (RelativisticAverage(variant="code"), 0.5)):
        critic = DiracCritic(torch.tensor(1.0, dtype=torch.float64))
        assert objective.critic_loss(critic, real, fake, None).item() == pytest.approx(scale * critic_loss, rel=1e-12)
        got = objective.generator_loss(critic, real, fake, None).item()
        assert got == pytest.approx(scale * generator_loss, rel=1e-12)


def test_the_f_gan_of_js_is_the_gan():
    for point in POINTS:
        assert gradients(FGanJS(), *point, 0.7) == gradients(Minimax(), *point, 0.7), point
        assert gradients(FGanJS(saturating=False), *point, 0.7) == gradients(NonSaturating(), *point, 0.7), point


# -- settings -------------------------------------------------------------------------------------------------------


def test_an_unknown_variant_is_refused():
    for cls in (NonSaturatingR1, RelativisticAverage, Dragan, FeatureMatching, LeCam):
        assert cls().variant == "paper"
        with pytest.raises(ValueError, match="variant is 'released'; it must be 'paper' or 'code'"):
            cls(variant="released")


def test_defaults_are_those_of_the_papers():
    gp, r1, r3, dragan = WassersteinPenalty(), NonSaturatingR1(), RegularisedRelativistic(), Dragan()
    assert (gp.n_critic, gp.weight) == (5, 10)
    assert (r1.n_critic, r1.gamma, r1.optimizer.name, r1.optimizer.lr) == (1, 10, "rmsprop", 1e-4)
    adam = [(o.optimizer.name, o.optimizer.lr, o.optimizer.beta1, o.optimizer.beta2) for o in (gp, r3, dragan)]
    assert adam == [("adam", 1e-4, 0, 0.9), ("adam", 2e-4, 0, 0.9), ("adam", 1e-4, 0.5, 0.9)]
    assert (dragan.weight, LabelSmoothing().real_label, LeCam().weight, LeCam().decay) == (10, 0.9, 0.3, 0.99)
