"""Precision of products of float32 numbers: a switch of the whole process.

PyTorch leaves TensorFloat-32 on for convolutions, whose products then keep ten bits. A tool that compares gradients
over many orders of magnitude must not: it is off unless a study asks for it.

PyTorch has an older interface (``allow_tf32``, ``set_float32_matmul_precision``) beside a newer one by backend and
operation (``fp32_precision``). Where the two contradict each other, reading the older one raises. So values are read
from the newer one, and set through the older one first, which keeps both in agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

SETTINGS = (
    ("generic", "all"), ("cuda", "all"), ("mkldnn", "all"),
    ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn"),
)  # fmt: skip
DEFAULTS = SETTINGS[:3]  # what operations without a setting of their own take
MATMUL, CONVOLUTION = SETTINGS.index(("cuda", "matmul")), SETTINGS.index(("cuda", "conv"))
OLDER_NAMES = {"tf32": "high", "bf16": "medium"}  # of set_float32_matmul_precision; all others are "highest"


def set_arithmetic(precision: str) -> None:
    """Let CUDA's products and convolutions of float32 numbers round their factors to TensorFloat-32, or not."""
    wanted = precision == "tf32"
    for setting in DEFAULTS:
        torch._C._set_fp32_precision_setter(*setting, "none")
    torch.set_float32_matmul_precision("highest")  # for all backends, so that what was set before cannot contradict
    torch.backends.cuda.matmul.allow_tf32 = wanted
    torch.backends.cudnn.allow_tf32 = wanted


def matmul_precision() -> str:
    """The precision of CUDA's products as ``torch.set_float32_matmul_precision`` calls it. Never raises."""
    return OLDER_NAMES.get(_newer()[MATMUL], "highest")


def convolution_tf32() -> bool:
    """Whether cuDNN's convolutions round to TensorFloat-32. Never raises."""
    return _newer()[CONVOLUTION] == "tf32"


def float32_precisions() -> tuple[Any, ...]:
    """All that PyTorch keeps on the precision of float32 numbers, of both interfaces; None where one can't be read."""
    older = torch.get_float32_matmul_precision, torch._C._get_cudnn_allow_tf32
    return *map(_readable, older), *_newer()


def set_float32_precisions(values: tuple[Any, ...]) -> None:
    """Set what ``float32_precisions`` gave."""
    matmul, cudnn, *newer = values
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if cudnn is not None:
        torch.backends.cudnn.allow_tf32 = cudnn
    for setting, value in zip(SETTINGS, newer, strict=True):
        torch._C._set_fp32_precision_setter(*setting, value)


def _newer() -> list[str]:
    return [torch._C._get_fp32_precision_getter(*setting) for setting in SETTINGS]


def _readable(getter: Callable[[], Any]) -> Any:
    with suppress(RuntimeError):  # the two interfaces contradict each other
        return getter()
    return None
