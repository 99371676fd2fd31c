"""What a CUDA graph does, on a processor: kernels and addresses are recorded once, and every replay runs them again.

No Python of the recorded function runs in a replay, recording changes nothing, and waiting for a value is an error: as
with a graph. What Python decided while recording stays decided, and a tensor that was put in another's place is not
seen, so a step that would go wrong in a graph goes wrong here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass
class Tape(TorchDispatchMode):
    """The kernels of a function, with the very tensors that they read and write."""

    calls: list = field(default_factory=list)
    before: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing: it waits for a value")
        if func._schema.is_mutable:
            for tensor in tensors_in((args, kwargs)):
                self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        result = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, result))
        return result

    def undo(self):
        """Put back what was written while recording, the last first, since views overlap."""
        for tensor, value in reversed(self.before.values()):
            tensor.copy_(value)

    def replay(self):
        """Run the kernels; what they gave is written over, where it stands."""
        for func, args, kwargs, result in self.calls:
            again = func(*args, **kwargs)
            if not func._schema.is_mutable:
                for old, new in zip(tensors_in(result), tensors_in(again), strict=True):
                    if old.data_ptr() != new.data_ptr():  # else it is a view
                        old.copy_(new)


def tensors_in(tree) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def record(function: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
    """Stands in for ``ganbench.engine.cuda_graph.cuda_graph``."""
    tape = Tape()
    try:
        with tape:
            result = function()
    finally:
        tape.undo()
    return tape.replay, result
