"""Between vectors and images, channels last in memory, so that consecutive layers need no copies.

Images have torch's shape (n, channels, height, width) everywhere; only their memory is ordered (n, height, width,
channels). A linear layer then reads and writes them as they lie.
"""

from __future__ import annotations

from torch import Tensor, nn


def pixels_as_rows(x: Tensor) -> Tensor:
    """(n, c, h, w) to (n, h, w, c): a view where the memory is channels last already, and wherever c is 1."""
    return x.permute(0, 2, 3, 1)


class Flatten(nn.Module):
    """(n, c, h, w) to (n, h * w * c), the channels of a pixel side by side."""

    def forward(self, x: Tensor) -> Tensor:
        """The vectors of some images."""
        return pixels_as_rows(x).reshape(x.shape[0], -1)


class Unflatten(nn.Module):
    """(n, side * side * channels) to (n, channels, side, side): the inverse of Flatten."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.channels, self.side = channels, side

    def forward(self, x: Tensor) -> Tensor:
        """The images of some vectors."""
        return x.reshape(x.shape[0], self.side, self.side, self.channels).permute(0, 3, 1, 2)
