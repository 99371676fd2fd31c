"""A function of one seed, run for all seeds of a cohort: as one vectorised program, or as a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree


def least_seeds(sample_shape: tuple[int, ...]) -> int:
    """The seeds that a vectorised program is padded to, so that a seed's numbers do not depend on its company.

    Kernels of few and of many seeds differ in rounding: of one, and for images of several channels of two.
    """
    return 3 if len(sample_shape) == 3 and sample_shape[0] > 1 else 2


def over_seeds(function: Callable[..., Any], loop: bool = False) -> Callable[..., Any]:
    """``function`` with a leading seed axis on every tensor of its arguments and results.

    Args:
        function: takes and returns tensors, or trees of them, of one seed.
        loop: run the seeds one after the other instead of through ``torch.func.vmap``.
    """
    return _looped(function) if loop else torch.func.vmap(function, randomness="error")


def in_turn(function: Callable[..., Any], tree: Any) -> Any:
    """What a function of several seeds gives, computed for one seed after the other.

    Args:
        function: of a tree of tensors that all have a leading seed axis, as those have that it gives.
        tree: its argument.
    """
    n_seeds = len(pytree.tree_leaves(tree)[0])
    results = [function(pytree.tree_map(lambda leaf, k=k: leaf[k : k + 1], tree)) for k in range(n_seeds)]
    return pytree.tree_map(lambda *leaves: torch.cat(leaves), *results)


def _looped(function: Callable[..., Any]) -> Callable[..., Any]:
    def alone(args: Any) -> Any:
        result = function(*pytree.tree_map(lambda leaf: leaf[0], args))
        return pytree.tree_map(lambda leaf: leaf[None], result)

    return lambda *args: in_turn(alone, args)
