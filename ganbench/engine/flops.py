"""The floating-point operations of matrix products and convolutions, counted while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def flops(work: Callable[[], object]) -> int:
    """What some work takes, by PyTorch's formulas. PyTorch's own counter stumbles over gradients inside losses."""
    counter = _Counter()
    with counter:
        work()
    return counter.operations


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=result)
        return result
