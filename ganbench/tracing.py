"""A function recorded once as a plain program of tensor operations, and replayed: the same kernels, the same numbers.

``vmap`` and ``grad`` cost tens of microseconds for every operation that passes through them. On networks as small as
those of a comparison that is as much as the operations themselves; a recorded program does not pay it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from ganbench.compilation import compiled as compile_program
from ganbench.quickened import Quickened

CALLS_BEFORE_RECORDING = 32  # recording takes as long as about a hundred calls save


class Replayed(Quickened):
    """A pure function of tensors that is recorded when it has been called often, for each set of shapes.

    Args:
        function: takes and returns tensors, or trees of them, and looks at nothing else. What Python does in it (a
            counter, a branch) happens while recording and not in a replay.
        name: what a warning calls it.
        compiled: whether what is recorded is compiled, too; it is recorded at the first call then, since a compiled
            program rounds differently.
    """

    def __init__(self, function: Callable[..., Any], name: str, compiled: bool = False) -> None:
        super().__init__(function, name, "recorded", 0 if compiled else CALLS_BEFORE_RECORDING)
        self._compiled = compiled

    def _try(self, leaves: list[Any], tree: pytree.TreeSpec) -> Callable[..., Any] | None:
        program = super()._try(leaves, tree)
        return compile_program(program) if program and self._compiled else program

    def _make(self, function: Callable[..., Any], leaves: list[Any]) -> Callable[..., Any]:
        from torch.fx.experimental.proxy_tensor import make_fx

        from ganbench.pruning import prune

        return prune(make_fx(function)(*leaves))
