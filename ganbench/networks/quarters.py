"""The halving of 4x4 images, written as four products: one for each pixel of the 2x2 image.

Each of them sees 3x3 of the 16 pixels (the other taps lie in the padding), so one matrix for all of them would be zeros
to seven parts in sixteen. With many channels four smaller products are the quicker form.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALL = 2  # pixels, the side of the halved image
_SEEN = ((slice(0, 3), slice(1, 4)), (slice(1, 4), slice(0, 3)))  # along one axis: pixels, and the taps that meet them


def halve_by_quarters(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with stride 2 and padding 1.

    Args:
        x: (n, 4, 4, i), pixels before channels.
        weight: (4, 4, i, o).
        bias: (o,), or none.

    Returns:
        (n, 2, 2, o).
    """
    n, outputs = len(x), weight.shape[3]
    quarters = [(rows, columns) for rows in _SEEN for columns in _SEEN]
    seen = torch.stack([x[:, rows[0], columns[0]].reshape(n, -1) for rows, columns in quarters])
    taps = torch.stack([weight[rows[1], columns[1]].reshape(-1, outputs) for rows, columns in quarters])
    y = torch.bmm(seen, taps) if bias is None else torch.baddbmm(bias.expand(1, 1, outputs), seen, taps)
    return y.view(SMALL, SMALL, n, outputs).permute(2, 0, 1, 3)
