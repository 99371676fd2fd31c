"""The transposed convolution of 4x4 taps, stride 2 and padding 1, to images of few channels, as one product.

A processor's convolution wants many channels to fill its kernels. With one, the product of all small pixels with all
taps, added up where they overlap, takes a fifth of the time.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

from ganbench.networks.taps import TAPS

CELL = 2  # pixels


def double_by_columns(y: Tensor, weight: Tensor) -> Tensor:
    """Images (n, s, s, o), weight (4, 4, i, o): (n, 2s, 2s, i).

    With its padding the large image is (s + 1) x (s + 1) cells of 2x2 pixels, and every small pixel gives to 2x2 cells:
    by tap 2a + p to pixel p of its neighbour a, along each axis.
    """
    n, side, channels = len(y), y.shape[1], weight.shape[2]
    taps = weight.reshape(CELL, CELL, CELL, CELL, channels, -1).transpose(1, 2).reshape(TAPS**2 * channels, -1)
    given = (y.reshape(n * side**2, -1) @ taps.T).view(n, side, side, CELL, CELL, CELL, CELL, channels)
    shifted = [pad(given[:, :, :, a, b], (0,) * 6 + (b, 1 - b, a, 1 - a)) for a in range(CELL) for b in range(CELL)]
    cells = sum(shifted[1:], shifted[0]).transpose(2, 3)
    return cells.reshape(n, *[CELL * (side + 1)] * 2, channels)[:, 1:-1, 1:-1]
