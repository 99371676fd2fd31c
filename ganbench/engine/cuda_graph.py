"""A step captured once and replayed: on a GPU most of its kernels take longer to launch than to run.

What is captured are the kernels and the addresses that they read and write, so a captured function must write into
tensors that stay where they are, and its inputs are copied to where they stood. The kernels are the same: so are the
numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganbench.engine.tracing import TracedFunction

WARM_UPS = 3  # calls before capturing, in which libraries and optimizers make what they keep

Replay = Callable[[], object]
Capture = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]  # of a function: its replay, and where that writes


def cuda_graph(function: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """Capture a function as a CUDA graph. It is not run; every replay writes into the tensor that it returned."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()
    return graph.replay, result


def capture_for(device: torch.device) -> Capture | None:
    """How steps are captured on a device; None where a launch costs little."""
    return cuda_graph if device.type == "cuda" else None


def captured(function: Callable[..., Tensor], name: str, capture: Capture) -> TracedFunction:
    """A function of tensors, or trees of them, that is captured when it has been called a few times.

    Args:
        function: gives a tensor; what it changes besides, it changes in place. It looks at no value, and what Python
            does in it happens while it is captured and not in a replay.
        name: what a warning calls it.
        capture: does it.
    """

    def make(of_leaves: Callable[..., Tensor], leaves: list[Tensor]) -> Callable[..., Tensor]:
        inputs = [leaf.clone() for leaf in leaves]
        replay, result = capture(lambda: of_leaves(*inputs))

        def replayed(*given: Tensor) -> Tensor:
            torch._foreach_copy_(inputs, given)  # one kernel for all inputs
            replay()
            return result.clone()  # the next replay writes over it

        return replayed

    return TracedFunction(function, name, make, "captured", WARM_UPS)
