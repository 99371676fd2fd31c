import math

import pytest
import torch

from ganbench.interfaces.objective import js_lower_bound, softplus


@pytest.mark.parametrize("x", [-800.0, -500.0, -50.0, -1.0, 0.0, 1.0, 19.9, 20.1, 25.0, 50.0, 500.0])
def test_softplus_and_its_gradient_are_exact_in_double_precision(x):
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = softplus(at)
    (slope,) = torch.autograd.grad(value, at)
    assert value.item() == pytest.approx(math.log1p(math.exp(-abs(x))) + max(x, 0), rel=1e-14, abs=0)
    assert slope.item() == pytest.approx(1 / (1 + math.exp(-x)) if x > -700 else math.exp(x), rel=1e-14, abs=0)


def test_torchs_own_softplus_would_not_do():
    at = torch.tensor(20.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.nn.functional.softplus(at), at)
    assert abs(slope.item() - 1 / (1 + math.exp(-20.5))) > 1e-10


def test_js_bound_of_two_known_distributions():
    """On a two-point space with p = (.8, .2), q = (.2, .8), D* gives exactly the JS divergence."""
    p, q = (0.8, 0.2), (0.2, 0.8)
    optimal = [math.log(a / b) for a, b in zip(p, q, strict=True)]
    real = torch.tensor([optimal[0]] * 8 + [optimal[1]] * 2, dtype=torch.float64)
    fake = torch.tensor([optimal[0]] * 2 + [optimal[1]] * 8, dtype=torch.float64)
    js = sum(0.5 * (a * math.log(2 * a / (a + b)) + b * math.log(2 * b / (a + b))) for a, b in zip(p, q, strict=True))
    assert js_lower_bound(real, fake).item() == pytest.approx(js, rel=1e-12)
