"""TensorFloat-32 on or off: a switch of the whole process.

PyTorch leaves it on for convolutions, whose products then keep ten bits. A tool that compares gradients over many
orders of magnitude must not: it is off unless a study asks for it.
"""

from __future__ import annotations

import torch


def set_arithmetic(precision: str) -> None:
    """Let CUDA's products and convolutions of float32 numbers round their factors to TensorFloat-32, or not."""
    wanted = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = wanted
    torch.backends.cudnn.allow_tf32 = wanted
