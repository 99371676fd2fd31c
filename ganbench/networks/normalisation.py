"""Batch normalisation by the statistics of the batch at hand, with nothing remembered."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench.networks.layout import pixels_as_rows


class BatchNorm(nn.Module):
    """``nn.BatchNorm2d(channels, track_running_stats=False)``: Ioffe & Szegedy (2015), algorithm 1.

    Attributes:
        weight: (channels,), from N(1, .02^2) as DCGAN's code has it.
        bias: (channels,), zeros.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(channels), mean=1.0, std=0.02))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, channels, h, w), each channel at mean ``bias`` and standard deviation ``weight``."""
        n, channels, height, width = x.shape
        rows = pixels_as_rows(x).reshape(-1, channels)
        centred = rows - _mean_of_rows(rows)
        variance = _mean_of_rows(centred.square())
        scaled = torch.addcmul(self.bias, centred, self.weight * torch.rsqrt(variance + self.eps))
        return scaled.view(n, height, width, channels).permute(0, 3, 1, 2)


def _mean_of_rows(rows: Tensor) -> Tensor:
    """(n, channels) to (1, channels)."""
    if rows.device.type != "cpu":
        return rows.mean(dim=0, keepdim=True)
    # On the CPU, and under vmap, a product with a row of 1/n is far quicker than a reduction over the leading axis.
    return rows.new_full((1, rows.shape[0]), 1 / rows.shape[0]) @ rows
