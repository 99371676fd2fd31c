"""Gradients of a critic with respect to its samples, and what penalties make of them."""

import torch


def gradient_squares(critic, x):
    """‖∇_x D(x)‖² of every sample, summed over its own axes: (batch,).

    A sample's gradient is that of its own score as long as scores do not depend on the batch; with a critic that
    couples samples it is that of the sum of all scores.

    Args:
        critic: scores (batch,) of samples (batch, *sample).
        x: where: (batch, *sample).
    """
    gradients = torch.func.grad(lambda samples: critic(samples).sum())(x)
    return gradients.square().flatten(1).sum(1)


def gradient_norms(critic, x):
    """‖∇_x D(x)‖₂ of every sample: (batch,); see ``gradient_squares``.

    The norm is exact. Many implementations add a small number (1e-12, 1e-4) inside the square root, because its
    derivative is infinite where the gradient is exactly zero; here that derivative is taken as zero, which is what
    they arrive at, and no other value is changed.
    """
    squares = gradient_squares(critic, x)
    there = squares > 0
    return torch.where(there, squares, 1.0).sqrt() * there


def between(real, fake, draw):
    """A uniformly drawn point on the line from each real sample to its generated partner: (batch, *sample).

    x̂ = x + ε (G(z) − x) with one ε ~ U[0, 1) a pair: Gulrajani et al. (2017), Algorithm 1, line 6, with ε for 1 − ε.
    """
    return real + draw.uniform(len(real), *[1] * (real.ndim - 1)) * (fake - real)


def distance_from_one(norms, one_sided=False):
    """E (‖∇D‖ − 1)², a scalar.

    Args:
        norms: of the gradients, (batch,).
        one_sided: only norms above one are penalised.
    """
    excess = norms - 1
    return (excess.clamp(min=0) if one_sided else excess).square().mean()
