"""Divergences of discrete distributions: by hand, against SciPy, and at their infinities."""

import math

import numpy as np
import pytest
from oracles.divergences import js, kl, tv
from oracles.f_divergences import F_DIVERGENCES
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from ganbench.errors import DataError

SEVEN = ([0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4])
APART = ([1.0, 0.0], [0.0, 1.0])
INSIDE = ([0.5, 0.5, 0.0], [0.25, 0.25, 0.5])  # the first one's support lies within the second one's


def random_pair(seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))


def test_a_pair_by_hand():
    p, q = SEVEN
    assert kl(p, q) == pytest.approx(0.4 * math.log(2), rel=1e-12)  # .6 log 2 − .2 log 2: .27726
    assert kl(q, p) == pytest.approx(0.5 * math.log(2), rel=1e-12)  # .8 log 2 − .3 log 2: .34657
    assert js(p, q) == pytest.approx(0.07367, abs=5e-6)
    assert tv(p, q) == pytest.approx(0.3, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_they_equal_scipys(seed):
    p, q = random_pair(seed)
    assert kl(p, q) == pytest.approx(entropy(p, q), rel=1e-12)
    assert js(p, q) == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-9)
    assert tv(p, q) == pytest.approx(max(abs((p - q)[m].sum()) for m in (p > q, p < q)), rel=1e-9)


def test_without_common_atoms_kl_is_infinite_and_js_is_log_2():
    assert (kl(*APART), js(*APART), tv(*APART)) == (math.inf, math.log(2), 1.0)


def test_kl_is_finite_only_where_the_second_covers_the_first():
    assert kl(*INSIDE) == pytest.approx(math.log(2), rel=1e-12)
    assert kl(*reversed(INSIDE)) == math.inf


def test_a_distribution_is_at_no_distance_from_itself():
    for divergence in (kl, js, tv, *F_DIVERGENCES.values()):
        wanted = -2 * math.log(2) if divergence is F_DIVERGENCES["gan"] else 0
        assert divergence(INSIDE[0], INSIDE[0]) == pytest.approx(wanted, abs=1e-15)


@pytest.mark.parametrize(
    ("p", "q", "says"),
    [
        ([0.5, 0.5], [1.0], "2 and 1 atoms"),
        ([0.5, 0.6], [0.5, 0.5], "sum to 1.1"),
        ([1.5, -0.5], [0.5, 0.5], "from -0.5"),
        ([math.nan, 1.0], [0.5, 0.5], "masses from nan"),
        ([[1.0]], [1.0], r"shape \(1, 1\)"),
        ([], [1.0], r"shape \(0,\)"),
    ],
)
def test_what_is_no_distribution_is_refused(p, q, says):
    with pytest.raises(DataError, match=says):
        kl(p, q)


@pytest.mark.parametrize("pair", [SEVEN, APART, INSIDE, INSIDE[::-1], random_pair(1)])
def test_the_f_divergences_that_have_other_names_agree_with_them(pair):
    p, q = pair
    named = {
        "kl": kl(p, q),
        "reverse-kl": kl(q, p),
        "js": 2 * js(p, q),
        "gan": 2 * js(p, q) - 2 * math.log(2),
        "tv": tv(p, q),
    }
    for name, wanted in named.items():
        assert F_DIVERGENCES[name](p, q) == pytest.approx(wanted, rel=1e-12, abs=1e-15), name


def test_the_others_by_hand():
    p, q = [0.5, 0.5], [0.2, 0.8]
    assert F_DIVERGENCES["pearson"](p, q) == pytest.approx(0.09 / 0.2 + 0.09 / 0.8, rel=1e-12)
    assert F_DIVERGENCES["neyman"](p, q) == pytest.approx(0.09 / 0.5 + 0.09 / 0.5, rel=1e-12)
    assert F_DIVERGENCES["squared-hellinger"](p, q) == pytest.approx(
        2 - 2 * (math.sqrt(0.1) + math.sqrt(0.4)), rel=1e-12
    )
    values = {name: F_DIVERGENCES[name](*APART) for name in ("pearson", "neyman", "squared-hellinger")}
    assert values == {"pearson": math.inf, "neyman": math.inf, "squared-hellinger": 2.0}


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_prices_are_the_limits_of_f(name):
    divergence = F_DIVERGENCES[name]
    near_zero, far = divergence.f(np.array([1e-12]))[0], divergence.f(np.array([1e12]))[0] / 1e12
    for got, limit in ((near_zero, divergence.at_zero), (far, divergence.slope)):
        assert got == pytest.approx(limit, abs=1e-5) if math.isfinite(limit) else got > 20


def sp(x):
    return np.logaddexp(0, x)


# Output activation T(v) and conjugate f*(T(v)): Nowozin et al. (2016), Tables 2 and 6, at a network's raw output v.
REPRESENTED = {
    "kl": (lambda v: v, lambda v: np.exp(v - 1)),
    "reverse-kl": (lambda v: -np.exp(-v), lambda v: v - 1),
    "pearson": (lambda v: v, lambda v: v * v / 4 + v),
    "neyman": (lambda v: 1 - np.exp(-v), lambda v: 2 - 2 * np.exp(-v / 2)),
    "squared-hellinger": (lambda v: 1 - np.exp(-v), lambda v: np.exp(v) - 1),
    "js": (lambda v: math.log(2) - sp(-v), lambda v: sp(v) - math.log(2)),
    "gan": (lambda v: -sp(-v), sp),
    "tv": (lambda v: np.tanh(v) / 2, lambda v: np.tanh(v) / 2),
}


@pytest.mark.parametrize("name", F_DIVERGENCES)
@pytest.mark.parametrize("u", [0.2, 0.9, 1.5, 4.0])
def test_f_is_the_most_that_a_network_can_say(name, u):
    """f(u) = sup_v u T(v) − f*(T(v)), the variational bound of Nowozin et al. (2016), eq. 4, at one ratio."""
    output, conjugate = REPRESENTED[name]
    best = minimize_scalar(
        lambda v: conjugate(v) - u * output(v), bounds=(-30, 30), method="bounded", options={"xatol": 1e-10}
    )
    assert F_DIVERGENCES[name].f(np.array([u]))[0] == pytest.approx(-best.fun, abs=1e-8)
