"""Keyed randomness: every random number descends from (seed, purpose, indices) and from nothing else.

Nothing is carried from step to step, so resuming needs no saved generator. The objective's name is in no key, so every
objective sees the same initial weights, the same real batches and the same latents: comparisons are paired.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream(seed: int, purpose: str, *indices: int) -> int:
    """A 63-bit seed that is a function of its arguments on every machine and in every process.

    Args:
        seed: the trial's seed.
        purpose: what the numbers are for: ``generator-init``, ``real``, ``critic-latent`` ...
        indices: block number, critic update within the step ...; each tuple gives an unrelated stream.
    """
    key = "/".join([str(seed), purpose, *map(str, indices)])
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """A CPU generator at the start of a stream. The CPU's numbers are used on every device, so devices agree."""
    import torch

    return torch.Generator().manual_seed(stream(seed, purpose, *indices))
