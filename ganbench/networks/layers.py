"""Layers that run fast for many seeds: convolutions as bilinear maps, channels last, and normalisation.

Every layer computes what PyTorch's own does, to rounding. What each gains is in its docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import conv2d, conv_transpose2d, pad

# -- channels last -----------------------------------------------------------------------------------------------------


def pixels_as_rows(x: Tensor) -> Tensor:
    """(n, c, h, w) to (n, h, w, c): a view where the memory is channels last already, and wherever c is 1."""
    return x.permute(0, 2, 3, 1)


class ChannelsLastFlatten(nn.Module):
    """(n, c, h, w) to (n, h * w * c), the channels of a pixel side by side."""

    def forward(self, x: Tensor) -> Tensor:
        """The vectors of some images."""
        return pixels_as_rows(x).reshape(x.shape[0], -1)


class ChannelsLastUnflatten(nn.Module):
    """(n, side * side * channels) to (n, channels, side, side): the inverse of ChannelsLastFlatten."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.channels, self.side = channels, side

    def forward(self, x: Tensor) -> Tensor:
        """The images of some vectors."""
        return x.reshape(x.shape[0], self.side, self.side, self.channels).permute(0, 3, 1, 2)


# -- batch normalisation -----------------------------------------------------------------------------------------------


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
        # Two passes, mean first: the one-pass formula E x^2 - (E x)^2 cancels where the mean is large.
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


# -- weights by output position ----------------------------------------------------------------------------------------

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
    # Each of the four output pixels meets nine of the sixteen input pixels: four small products of a batched call do
    # 36 of the 64 multiplications that the whole matrix of taps would, and build no matrix.
    n, outputs = len(x), weight.shape[3]
    quarters = [(rows, columns) for rows in _SEEN for columns in _SEEN]
    seen = torch.stack([x[:, rows[0], columns[0]].reshape(n, -1) for rows, columns in quarters])
    taps = torch.stack([weight[rows[1], columns[1]].reshape(-1, outputs) for rows, columns in quarters])
    y = torch.bmm(seen, taps) if bias is None else torch.baddbmm(bias.expand(1, 1, outputs), seen, taps)
    return y.view(SMALL, SMALL, n, outputs).permute(2, 0, 1, 3)


# -- convolution as sums of products -----------------------------------------------------------------------------------

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
    # The matrix can be laid out in two ways. Copying every tap to its places costs per place, so it pays where a tap is
    # a large block of channels; a product with a 0/1 matrix costs per entry, so it pays where there are few channels.
    # Both are differentiable, and a product's gradient is a product: gradients by the weight need no scatter.
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


# -- convolution to few channels as one product ------------------------------------------------------------------------

CELL = 2  # pixels


def double_by_columns(y: Tensor, weight: Tensor) -> Tensor:
    """Images (n, s, s, o), weight (4, 4, i, o): (n, 2s, 2s, i).

    With its padding the large image is (s + 1) x (s + 1) cells of 2x2 pixels, and every small pixel gives to 2x2 cells:
    by tap 2a + p to pixel p of its neighbour a, along each axis.
    """
    n, side, channels = len(y), y.shape[1], weight.shape[2]
    # PyTorch's transposed convolution to one channel reaches 5 GFLOP/s a core, as its kernels block over channels. The
    # product with all sixteen taps at once reaches the rate of matrix products; four shifted sums put it together.
    taps = weight.reshape(CELL, CELL, CELL, CELL, channels, -1).transpose(1, 2).reshape(TAPS**2 * channels, -1)
    given = (y.reshape(n * side**2, -1) @ taps.T).view(n, side, side, CELL, CELL, CELL, CELL, channels)
    shifted = [pad(given[:, :, :, a, b], (0,) * 6 + (b, 1 - b, a, 1 - a)) for a in range(CELL) for b in range(CELL)]
    cells = sum(shifted[1:], shifted[0]).transpose(2, 3)
    return cells.reshape(n, *[CELL * (side + 1)] * 2, channels)[:, 1:-1, 1:-1]


# -- 4x4 convolution of stride 2 as a bilinear map ---------------------------------------------------------------------

STRIDE, PADDING = 2, 1


def halve(x: Tensor, weight: Tensor) -> Tensor:
    """Images (n, 2s, 2s, i), weight (4, 4, i, o): (n, s, s, o)."""
    return cast(Tensor, _Halve.apply(*_alike(x, weight)))


def double(y: Tensor, weight: Tensor) -> Tensor:
    """Images (n, s, s, o), weight (4, 4, i, o): (n, 2s, 2s, i); the transpose of ``halve``."""
    return cast(Tensor, _Double.apply(*_alike(y, weight)))


def _alike(images: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type that autocast computes products in, which it cannot see to here."""
    if torch.is_autocast_enabled(images.device.type):
        kind = torch.get_autocast_dtype(images.device.type)
        return images.to(kind), weight.to(kind)
    return images, weight


# A convolution, its transpose and its gradient by the weight are three bilinear maps, each the derivative of the other
# two. With a Function for each, derivatives of any order stay among the three, so a gradient penalty meets no slow
# kernel. vmap would else turn a convolution with a weight a seed into a grouped one, which runs at 58 to 78 GFLOP/s a
# core where one convolution after the other, channels last, runs at 88 to 120.


class _Bilinear(Function):
    """A map of two tensors, linear in each. Under vmap it runs once for all images of one weight, or once a weight."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @classmethod
    def jvp(cls, ctx: Any, a: Tensor | None, b: Tensor | None) -> Tensor:
        """The directional derivative, by the rule for products."""
        first, second = ctx.saved_tensors
        parts = [cls.apply(a, second)] if a is not None else []
        parts += [cls.apply(first, b)] if b is not None else []
        return cast(Tensor, sum(parts[1:], parts[0]))

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
        """All seeds', stacked."""
        first, second = (_parts(x, dim, info.batch_size) for x, dim in zip((a, b), in_dims, strict=True))
        return torch.stack([cls.apply(x, y) for x, y in zip(first, second, strict=True)]), 0


def _parts(x: Tensor, dim: int | None, size: int) -> tuple[Tensor, ...]:
    return (x,) * size if dim is None else x.unbind(dim)


class _OfImages(_Bilinear):
    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
        """All seeds', stacked; batches that share a weight, such as single samples, are one batch."""
        images, weight = in_dims
        if images is None or weight is not None:
            return super().vmap(info, in_dims, a, b)
        return cls.apply(a.movedim(images, 0).flatten(0, 1), b).unflatten(0, (info.batch_size, -1)), 0


class _Halve(_OfImages):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return _pixels(torch.conv2d(_channels(x), _filters(weight), None, STRIDE, PADDING))

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (x, weight), (of_x, of_weight) = ctx.saved_tensors, ctx.needs_input_grad
        return _Double.apply(y, weight) if of_x else None, _Join.apply(x, y) if of_weight else None


class _Double(_OfImages):
    @staticmethod
    def forward(y: Tensor, weight: Tensor) -> Tensor:
        if weight.shape[2] < FEW_CHANNELS:
            return double_by_columns(y, weight).contiguous()
        return _pixels(torch.conv_transpose2d(_channels(y), _filters(weight), None, STRIDE, PADDING))

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (y, weight), (of_y, of_weight) = ctx.saved_tensors, ctx.needs_input_grad
        return _Halve.apply(x, weight) if of_y else None, _Join.apply(x, y) if of_weight else None


class _Join(_Bilinear):
    """Images (n, 2s, 2s, i) and (n, s, s, o): (4, 4, i, o)."""

    @staticmethod
    def forward(x: Tensor, y: Tensor) -> Tensor:
        x, y = _channels(x), _channels(y)
        like = x.new_empty(()).expand(y.shape[1], x.shape[1], TAPS, TAPS)  # of which only the shape is looked at
        geometry = [STRIDE] * 2, [PADDING] * 2, [1, 1], False, [0, 0], 1
        found = torch.ops.aten.convolution_backward(y, x, like, None, *geometry, (False, True, False))
        return cast(Tensor, found[1].permute(2, 3, 1, 0).contiguous())

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (x, y), (of_x, of_y) = ctx.saved_tensors, ctx.needs_input_grad
        return _Double.apply(y, weight) if of_x else None, _Halve.apply(x, weight) if of_y else None


def _channels(x: Tensor) -> Tensor:
    """(n, s, s, c) to torch's (n, c, s, s), channels last in memory."""
    return x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _pixels(x: Tensor) -> Tensor:
    """(n, c, s, s) to (n, s, s, c) as it lies."""
    return x.permute(0, 2, 3, 1).contiguous()


def _filters(weight: Tensor) -> Tensor:
    """(4, 4, i, o) to torch's (o, i, 4, 4), channels last in memory."""
    return weight.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


# -- layers ------------------------------------------------------------------------------------------------------------

# On images of few pixels a convolution's own overhead outweighs its arithmetic. As a product of flattened images with a
# matrix of taps it becomes one ``bmm`` over all seeds, although a part of the matrix is zeros.
DENSE_SIDE = 8  # pixels; above, most of the matrix would be zeros
DENSE_ENTRIES = 2**18  # above, laying out the matrix costs more than the grouped convolution does


class StridedConv2d(nn.Module):
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


class StridedConvTranspose2d(nn.Module):
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
