"""A function with a quicker form for every set of shapes, made when it has been called often enough."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree


class Quickened:
    """What recording and capturing have in common. What cannot be done is said once and runs as it is written.

    Args:
        function: of tensors, or trees of them.
        name: what a warning calls it.
        done: what is done to it, in a word, for the warning.
        patience: how many calls are waited for.

    Attributes:
        patience: the same; it may be lowered.
        made: the quicker forms by shapes, functions of the arguments' leaves; None where there can be none.
    """

    def __init__(self, function: Callable[..., Any], name: str, done: str, patience: int) -> None:
        self._function = function
        self._name, self._done = name, done
        self.patience = patience
        self._calls: Counter[tuple[Any, ...]] = Counter()
        self.made: dict[tuple[Any, ...], Callable[..., Any] | None] = {}

    def __call__(self, *args: Any) -> Any:
        """What the function gives, and does."""
        leaves, tree = pytree.tree_flatten(args)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if shapes not in self.made:
            self._calls[shapes] += 1
            if self._calls[shapes] <= self.patience:
                return self._function(*args)
            self.made[shapes] = self._try(leaves, tree)
        quick = self.made[shapes]
        return self._function(*args) if quick is None else quick(*leaves)

    def _try(self, leaves: list[Any], tree: pytree.TreeSpec) -> Callable[..., Any] | None:
        def function(*given: Any) -> Any:
            return self._function(*pytree.tree_unflatten(given, tree))

        try:
            return self._make(function, leaves)
        except Exception as error:  # whatever cannot be followed, such as waiting for a value; the function still runs
            reason = str(error).partition("\n")[0]
            said = f"{self._name} cannot be {self._done} and runs slower, with the same numbers: {reason}"
            warnings.warn(said, stacklevel=4)
            return None

    def _make(self, function: Callable[..., Any], leaves: list[Any]) -> Callable[..., Any]:
        """The quicker form of a function of leaves."""
        raise NotImplementedError
