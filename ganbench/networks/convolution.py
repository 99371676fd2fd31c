"""The two convolutions of DCGAN: 4x4 taps, stride 2, padding 1, halving or doubling an image.

Under vmap over seeds a convolution becomes a grouped one, which is slow on tiny images. There a convolution is
written as one matrix product: pixels and channels flattened, the matrix laid out from the weight (``taps.py``). On
larger ones a processor is quickest where seeds take turns (``strided.py``).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ganbench.networks.layout import pixels_as_rows
from ganbench.networks.quarters import SMALL, halve_by_quarters
from ganbench.networks.strided import double, halve
from ganbench.networks.taps import FEW_CHANNELS, TAPS, matrix_of_taps

DENSE_SIDE = 8  # pixels; above, most of the matrix would be zeros
DENSE_ENTRIES = 2**18  # above, laying out the matrix costs more than the grouped convolution does


class Down(nn.Module):
    """(n, i, h, w) to (n, o, h/2, w/2): ``F.conv2d(x, weight.permute(3, 2, 0, 1), bias, stride=2, padding=1)``.

    Attributes:
        weight: (4, 4, i, o), from N(0, .02^2) as Radford, Metz & Chintala (2016), section 4.
        bias: (o,), zeros; or None.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(TAPS, TAPS, inputs, outputs), std=0.02))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """The images at half the size."""
        if not _dense(self.weight, x.shape[2], x.shape[3]):
            return _strided(halve, conv2d, x, self.weight, self.bias)
        side = x.shape[2] // 2
        if side == SMALL and min(self.weight.shape[2:]) >= FEW_CHANNELS:
            return halve_by_quarters(pixels_as_rows(x), self.weight, self.bias).permute(0, 3, 1, 2)
        return _product(x, matrix_of_taps(self.weight, side), self.bias, side)


class Up(nn.Module):
    """(n, i, h, w) to (n, o, 2h, 2w): ``F.conv_transpose2d(x, weight.permute(3, 2, 0, 1), bias, stride=2, padding=1)``.

    Attributes:
        weight: (4, 4, o, i), from N(0, .02^2) as Radford, Metz & Chintala (2016), section 4.
        bias: (o,), zeros; or None.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(TAPS, TAPS, outputs, inputs), std=0.02))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """The images at twice the size."""
        if not _dense(self.weight, 2 * x.shape[2], 2 * x.shape[3]):
            return _strided(double, conv_transpose2d, x, self.weight, self.bias)
        side = x.shape[2] * 2
        return _product(x, matrix_of_taps(self.weight, x.shape[2]).T, self.bias, side)


def _dense(weight: Tensor, height: int, width: int) -> bool:
    """Whether the matrix product is the quicker form, for the larger of the two images."""
    entries = height**4 // 4 * weight.shape[2] * weight.shape[3]
    return height == width <= DENSE_SIDE and height % 2 == 0 and entries <= DENSE_ENTRIES


def _strided(
    in_turn: Callable[..., Tensor], torchs: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """The convolution itself, in the form that the device is quick at."""
    if x.device.type != "cpu":
        return torchs(x, weight.permute(3, 2, 0, 1), bias, stride=2, padding=1)
    y = in_turn(pixels_as_rows(x), weight)
    return (y if bias is None else y + bias).permute(0, 3, 1, 2)


def _product(x: Tensor, matrix: Tensor, bias: Tensor | None, side: int) -> Tensor:
    """Images (n, i, s, s) times a matrix (s * s * i, side * side * o): (n, o, side, side), channels last."""
    n, outputs = len(x), matrix.shape[1] // side**2
    rows = pixels_as_rows(x).reshape(n, matrix.shape[0])
    y = rows @ matrix if bias is None else torch.addmm(bias.expand(side**2, outputs).reshape(-1), rows, matrix)
    return y.view(n, side, side, outputs).permute(0, 3, 1, 2)
