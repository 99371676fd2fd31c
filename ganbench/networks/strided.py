"""The 4x4 convolution of stride 2 and padding 1, its transpose, and what their gradients need: seed after seed.

Under vmap, PyTorch makes one grouped convolution of all seeds' own, which on a processor is slower than those are in
turn, the more so as it leaves the memory's order, channels last, in which they are quickest. Images have pixels before
channels here, as they lie.

With x an image, y one of half its size and w the weight, <y, halve(x, w)> = <x, double(y, w)> = <w, join(x, y)>: each
map's derivatives are the other two, so gradients of any order need no fourth.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from ganbench.networks.columns import double_by_columns
from ganbench.networks.taps import FEW_CHANNELS, TAPS

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
