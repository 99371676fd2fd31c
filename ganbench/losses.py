"""Functions that several objectives are built from."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import logsigmoid


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), elementwise, exact to rounding everywhere, and so is its gradient σ(x).

    ``torch.nn.functional.softplus`` turns linear above 20, which bends the gradient by 2e-9; forming σ and then its
    logarithm loses it altogether in float32 beyond 17, which looks like a vanishing gradient and is none.
    """
    return -logsigmoid(-x)


def js_lower_bound(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """A classifier's lower bound on the Jensen-Shannon divergence, in nats: at most log 2, a scalar.

    ½ (E log D(x) + E log(1 − D(G(z)))) + log 2, Goodfellow et al. (2014), Theorem 1, divided by two.

    Args:
        real_scores: raw scores of real samples, (batch,).
        fake_scores: raw scores of generated samples, (batch,).
    """
    return math.log(2.0) - 0.5 * (softplus(-real_scores).mean() + softplus(fake_scores).mean())
