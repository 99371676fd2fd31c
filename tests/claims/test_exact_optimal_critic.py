"""The optimal critic, its value and the generator's gradients under it, against SciPy's adaptive quadrature."""

import math

import numpy as np
import pytest
import torch
from oracles.divergences import gaussian_quadrature
from scipy.integrate import quad
from scipy.stats import norm

from ganbench.claims.exact.optimal_critic import (
    Gaussian,
    GeneratorGradients,
    generator_gradients,
    js,
    kl,
    optimal_critic,
    optimal_score,
)
from ganbench.claims.exact.quadrature import piecewise_quadrature
from ganbench.interfaces.objective import softplus

REAL = Gaussian(0.0, 1.0)
FAKES = [
    Gaussian(0.0),
    Gaussian(0.5),
    Gaussian(1.0),
    Gaussian(2.0),
    Gaussian(4.0),
    Gaussian(-1.0, 0.5),
    Gaussian(1.0, 2.0),
]


def game_value(score, real, fake):
    """What the minimax game pays a critic with these scores, E_r log D + E_g log(1 − D), in nats."""
    paid = real.expectation(lambda x: -softplus(-score(x))) + fake.expectation(lambda x: -softplus(score(x)))
    return paid.item()


def over_the_line(f):
    return quad(f, -30, 30, points=[-1.0, 0.0, 1.0, 4.0], epsabs=1e-12, epsrel=1e-12, limit=400)[0]


def adaptive_js(first, second):
    p, q = norm(first.mean, first.sd), norm(second.mean, second.sd)

    def excess(of, x):
        log_mixture = np.logaddexp(p.logpdf(x), q.logpdf(x)) - math.log(2)
        return of.pdf(x) * (of.logpdf(x) - log_mixture)

    return over_the_line(lambda x: (excess(p, x) + excess(q, x)) / 2)


def test_quadratures_are_exact_for_polynomials():
    rule = piecewise_quadrature([2.0, 0.0, 1.0], nodes=3)
    assert len(rule.nodes) == 6
    assert (rule.weights * rule.nodes**5).sum() == pytest.approx(2**6 / 6, rel=1e-14)
    normal = gaussian_quadrature(20)
    moments = [(normal.weights * normal.nodes**k).sum() for k in (0, 1, 2, 4, 6)]
    assert moments == pytest.approx([1, 0, 1, 3, 15], rel=1e-12, abs=1e-12)


def test_a_jump_at_a_break_costs_no_accuracy():
    rule = piecewise_quadrature([-1.0, 0.3, 1.0], nodes=5)
    assert (rule.weights * (rule.nodes > 0.3)).sum() == pytest.approx(0.7, rel=1e-14)


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.7, 5.0])
def test_the_optimal_critic_is_the_share_of_the_real_density(x):
    got = optimal_critic(Gaussian(0.0, 1.0), Gaussian(1.0, 2.0))(torch.tensor(x, dtype=torch.float64)).item()
    p, q = norm.pdf(x), norm.pdf(x, 1, 2)
    assert got == pytest.approx(p / (p + q), rel=1e-12)


def test_half_way_between_equal_densities_it_cannot_tell():
    assert optimal_critic(REAL, Gaussian(3.0))(torch.tensor(1.5)).item() == 0.5


@pytest.mark.parametrize("fake", FAKES, ids=str)
def test_its_value_is_twice_js_less_twice_log_2(fake):
    value = game_value(optimal_score(REAL, fake), REAL, fake)
    assert value == pytest.approx(2 * adaptive_js(REAL, fake) - 2 * math.log(2), abs=1e-9)
    assert value == pytest.approx(2 * js(REAL, fake).item() - 2 * math.log(2), abs=1e-12)


def test_its_least_value_is_minus_log_4_where_the_densities_are_equal():
    values = [game_value(optimal_score(REAL, fake), REAL, fake) for fake in FAKES]
    assert values[0] == pytest.approx(-math.log(4), abs=1e-14)
    assert min(values[1:]) > values[0] + 0.05


def test_no_other_critic_is_worth_more():
    fake = Gaussian(1.0)
    score = optimal_score(REAL, fake)
    best = game_value(score, REAL, fake)
    for change in (lambda x: 0.1 + 0 * x, lambda x: 0.1 * x, lambda x: -0.1 * torch.sin(x), lambda x: -score(x)):
        assert game_value(lambda x, change=change: score(x) + change(x), REAL, fake) < best - 1e-4


def test_distant_densities_are_told_apart_without_overflow():
    assert game_value(optimal_score(REAL, Gaussian(1e3)), REAL, Gaussian(1e3)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("fake", FAKES, ids=str)
def test_kl_of_gaussians_is_the_closed_form(fake):
    closed = -math.log(fake.sd) + (fake.sd**2 + fake.mean**2) / 2 - 0.5
    assert kl(fake, REAL).item() == pytest.approx(closed, abs=1e-12)


@pytest.mark.parametrize("theta", [0.25, 1.5, -1.5, 3.0, 6.0])
def test_generator_gradients_are_those_of_the_divergences(theta):
    """Arjovsky & Bottou (2017), Theorem 2.5; asked for: 1e-4."""
    found = generator_gradients(theta)
    assert max(found.non_saturating_error, found.minimax_error) < 1e-12


def test_generator_gradients_at_one_and_a_half():
    found = generator_gradients(1.5)
    assert found.non_saturating == pytest.approx(1.03555, abs=5e-6)
    assert found.minimax == pytest.approx(0.46445, abs=5e-6)
    assert found.kl == pytest.approx(1.5, abs=1e-12)  # KL is θ²/2
    assert found.kl - 2 * found.js == pytest.approx(1.03555, abs=5e-6)


@pytest.mark.parametrize("theta", [0.25, 1.5])
def test_both_sides_are_what_adaptive_quadrature_says(theta):
    found, h = generator_gradients(theta), 1e-3
    q = norm(theta)
    # log D* has the derivative (1 − D*) (log p − log q)', and (log p − log q)' is −θ
    pulled = over_the_line(lambda x: q.pdf(x) * theta * q.pdf(x) / (q.pdf(x) + norm.pdf(x)))
    assert found.non_saturating == pytest.approx(pulled, abs=1e-10)
    slope = (adaptive_js(REAL, Gaussian(theta + h)) - adaptive_js(REAL, Gaussian(theta - h))) / (2 * h)
    assert found.js == pytest.approx(slope, abs=1e-6)


def test_the_errors_are_differences_of_the_two_sides():
    made_up = GeneratorGradients(theta=1.0, non_saturating=3.0, minimax=0.5, kl=2.0, js=0.5)
    assert (made_up.non_saturating_error, made_up.minimax_error) == (2.0, 0.5)
