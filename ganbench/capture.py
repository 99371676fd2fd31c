"""A step captured once and replayed: on a GPU most of its kernels take longer to launch than to run.

What is captured are the kernels and the addresses that they read and write, so a captured function must write into
tensors that stay where they are, and its inputs are copied to where they stood. The kernels are the same: so are the
numbers.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

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


@dataclass(frozen=True)
class _Graph:
    inputs: list[Tensor]
    replay: Replay
    result: Tensor


class Captured:
    """A function of tensors, or trees of them, that is captured when it has been called a few times.

    Args:
        function: gives a tensor; what it changes besides, it changes in place. It looks at no value, and what Python
            does in it happens while it is captured and not in a replay.
        name: what a warning calls it.
        capture: does it.
    """

    def __init__(self, function: Callable[..., Tensor], name: str, capture: Capture) -> None:
        self._function = function
        self._name = name
        self._capture = capture
        self._calls: Counter[tuple[Any, ...]] = Counter()
        self._graphs: dict[tuple[Any, ...], _Graph | None] = {}

    def __call__(self, *args: Any) -> Tensor:
        """What the function gives, and does."""
        leaves, tree = pytree.tree_flatten(args)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        self._calls[shapes] += 1
        if self._calls[shapes] == WARM_UPS + 1:
            self._graphs[shapes] = self._try(leaves, tree)
        graph = self._graphs.get(shapes)
        if graph is None:
            return self._function(*args)
        torch._foreach_copy_(graph.inputs, leaves)
        graph.replay()
        return graph.result.clone()

    def _try(self, leaves: list[Tensor], tree: pytree.TreeSpec) -> _Graph | None:
        inputs = [leaf.clone() for leaf in leaves]
        try:
            replay, result = self._capture(lambda: self._function(*pytree.tree_unflatten(inputs, tree)))
        except Exception as error:  # whatever cannot be captured, such as waiting for a value; the function still runs
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"{self._name} cannot be captured and runs slower, with the same numbers: {reason}", stacklevel=3
            )
            return None
        return _Graph(inputs, replay, result)
