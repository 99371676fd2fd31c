"""A function recorded once as a plain program of tensor operations, and replayed: the same kernels, the same numbers.

``vmap`` and ``grad`` cost tens of microseconds for every operation that passes through them. On networks as small as
those of a comparison that is as much as the operations themselves; a recorded program does not pay it again.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from ganbench.compilation import compiled as compile_program

CALLS_BEFORE_RECORDING = 32  # recording takes as long as about a hundred calls save


class Replayed:
    """A pure function of tensors that is recorded when it has been called often, for each set of shapes.

    Args:
        function: takes and returns tensors, or trees of them, and looks at nothing else. What Python does in it (a
            counter, a branch) happens while recording and not in a replay.
        name: what a warning calls it.
        compiled: whether what is recorded is compiled, too; it is recorded at the first call then, since a compiled
            program rounds differently.

    Attributes:
        patience: how many calls are waited for.
    """

    def __init__(self, function: Callable[..., Any], name: str, compiled: bool = False) -> None:
        self._function = function
        self._name = name
        self._compiled = compiled
        self.patience = 0 if compiled else CALLS_BEFORE_RECORDING
        self._calls: Counter[tuple[Any, ...]] = Counter()
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        """What the function gives."""
        leaves, tree = pytree.tree_flatten(args)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if shapes not in self._programs:
            self._calls[shapes] += 1
            if self._calls[shapes] <= self.patience:
                return self._function(*args)
            self._programs[shapes] = self._record(leaves, tree)
        return self._programs[shapes](*leaves)

    def _record(self, leaves: list[Any], tree: pytree.TreeSpec) -> Callable[..., Any]:
        from torch.fx.experimental.proxy_tensor import make_fx

        from ganbench.pruning import prune

        def function(*given: Any) -> Any:
            return self._function(*pytree.tree_unflatten(given, tree))

        try:
            program: Callable[..., Any] = prune(make_fx(function)(*leaves))
        except Exception as error:  # whatever recording could not follow; the function itself still runs
            reason = str(error).partition("\n")[0]
            warnings.warn(
                f"{self._name} cannot be recorded and runs slower, with the same numbers: {reason}", stacklevel=4
            )
            return function
        return compile_program(program) if self._compiled else program
