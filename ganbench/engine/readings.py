"""Readings: the numbers taken inside a step, from live gradients and scores."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class CriticReadings(NamedTuple):
    """Readings of a critic update, one a seed. The names and their order are those of the steps table."""

    critic_loss: Tensor
    critic_grad_norm: Tensor
    score_real: Tensor
    score_fake: Tensor
    critic_accuracy: Tensor
    estimate: Tensor


class GeneratorReadings(NamedTuple):
    """Readings of a generator update, one a seed."""

    generator_loss: Tensor
    generator_grad_norm: Tensor


READINGS = CriticReadings._fields + GeneratorReadings._fields

# A seed has diverged when one of these is not finite. An estimate may be anything the objective likes.
VITAL = tuple(i for i, name in enumerate(READINGS) if name != "estimate")


def to_float64(x: Tensor) -> Tensor:
    """``x`` in float64, where the device has it: squares of tiny gradients underflow in float32 (below 1e-23)."""
    return x if x.device.type == "mps" else x.double()


def gradient_norm(gradient: Tensor) -> Tensor:
    """L2 norm over all parameters of one player, for each seed: (seeds,).

    Args:
        gradient: flattened gradients, one row a seed: (seeds, size).
    """
    # The padding between parameters in a row is zeros and adds nothing.
    norm: Tensor = torch.linalg.vector_norm(to_float64(gradient), dim=1)
    return norm


def accuracy(real_scores: Tensor, fake_scores: Tensor, classifier: bool) -> Tensor:
    """Share of samples on their own side of the critic's threshold, real and fake weighted equally: a scalar.

    The threshold is zero for a classifier. Where scores have no natural zero, it is the middle between the two means.
    """
    threshold = 0.0 if classifier else 0.5 * (real_scores.mean() + fake_scores.mean())
    right_real = (real_scores > threshold).to(real_scores.dtype).mean()
    right_fake = (fake_scores < threshold).to(fake_scores.dtype).mean()
    return 0.5 * (right_real + right_fake)
