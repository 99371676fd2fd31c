"""A strided convolution as a matrix: where each of its taps stands.

Two ways to lay the matrix out, with the same numbers: by copies, one for each small pixel, which is quick where a tap
has many channels; and by a product with a constant matrix of zeros and ones, which is quick where it has few.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

TAPS = 4
FEW_CHANNELS = 8


def matrix_of_taps(weight: Tensor, small: int) -> Tensor:
    """The matrix that halves images; its transpose doubles them.

    Args:
        weight: (4, 4, a, b): a channels of the large image, b of the small one.
        small: the side s of the small image.

    Returns:
        (4 s^2 a, s^2 b), pixels before channels.
    """
    large, (a, b) = 2 * small, weight.shape[-2:]
    if min(a, b) >= FEW_CHANNELS and not torch.compiler.is_compiling():  # a compiler fuses the product, not the copies
        spread = _spread(weight, small)
        return spread.reshape(large**2 * a, small**2 * b)
    chosen: Tensor = tap_selection(small, weight.dtype, weight.device) @ weight.reshape(TAPS**2, a * b)
    return chosen.view(large**2, small**2, a, b).transpose(1, 2).reshape(large**2 * a, small**2 * b)


def _spread(weight: Tensor, small: int) -> Tensor:
    """Taps (4, 4, a, b) to (2s, 2s, a, s * s, b): every tap where it stands, zeros elsewhere."""
    large, shifted = 2 * small, []
    for _, rows, tap_rows in _overlaps(small):
        for _, columns, tap_columns in _overlaps(small):
            margins = (columns.start, large - columns.stop, rows.start, large - rows.stop)
            shifted.append(pad(weight[tap_rows, tap_columns], (0, 0, 0, 0, *margins)))
    return torch.stack(shifted, dim=3)


def _overlaps(small: int) -> Iterator[tuple[int, slice, slice]]:
    """Along one axis: each small pixel s, the large ones that it is joined with, and by which taps: 2s + tap - 1."""
    for s in range(small):
        first, last = max(0, 1 - 2 * s), min(TAPS, 2 * small + 1 - 2 * s)
        yield s, slice(2 * s + first - 1, 2 * s + last - 1), slice(first, last)


def tap_selection(small: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Which tap joins which pixels, large ones before small ones: (4 s^2 * s^2, 16) of zeros and ones.

    Args:
        small: the side s of the small image; the large one's is twice that.
        dtype: of the result.
        device: of the result.
    """
    if torch.compiler.is_compiling():  # a compiled program computes it itself: a cache is nothing that it could follow
        return _selection(small, dtype, device)
    return _kept_selection(small, dtype, device)


@lru_cache(maxsize=64)
def _kept_selection(small: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    # A tensor made inside a torch.func transform is wrapped at that transform's level, and would outlive it here.
    # Transforms are per thread: on a fresh one there are none.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_selection, small, dtype, device).result()


def _selection(small: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    large, s, tap = (torch.arange(n, device=device) for n in (2 * small, small, TAPS))
    joined = (large[:, None, None] == 2 * s[:, None] + tap - 1).to(dtype)  # along one axis: (2s, s, 4)
    both = joined[:, None, :, None, :, None] * joined[None, :, None, :, None, :]
    return both.reshape(-1, TAPS**2)
