"""From this processor to a device, without waiting for what the device has still to do."""

from __future__ import annotations

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of the CPU on a device. A CUDA device takes it from pinned memory when it gets there.

    Args:
        tensor: on the CPU.
        device: where it is to be.
        dtype: of the result; none keeps the tensor's own.
    """
    converted = tensor if dtype is None else tensor.to(dtype)
    if device.type == "cuda":
        converted = converted.pin_memory()
    return converted.to(device, non_blocking=True)
