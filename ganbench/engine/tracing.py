"""Record a function of tensors once as a graph, prune it, and optionally compile it."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, ops
from torch.utils import _pytree as pytree

from ganbench.errors import UsageError

# -- pruning of graphs -------------------------------------------------------------------------------------------------

aten = ops.aten

# Views of their first argument. One that has its argument's shape and strides is its argument.
VIEWS = frozenset(
    {
        aten.alias.default,
        aten.detach.default,
        aten.expand.default,
        aten.permute.default,
        aten.slice.Tensor,
        aten.transpose.int,
        aten._unsafe_view.default,
        aten.view.default,
    }
)


INVOLUTIONS = frozenset({aten.neg.default, aten.transpose.int})


def prune(program: fx.GraphModule) -> fx.GraphModule:
    """Drop what changes nothing, what was computed before and what nobody reads; gives the program itself.

    A program that writes into a tensor is left as it is, since then the order of things matters.
    """
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    if any(_writes(node) for node in nodes):
        return program
    known: dict[str, fx.Node] = {}
    for node in nodes:
        same = _found_in_it(node) or known.setdefault(_formula(node), node)
        if same is not node:
            node.replace_all_uses_with(same)
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    program.recompile()
    return program


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _found_in_it(node: fx.Node) -> fx.Node | None:
    """The argument, or the argument's own argument, that a node is the same as."""
    argument = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
    if argument is None or "val" not in argument.meta:
        return None
    kept = node.target in VIEWS or (node.target is aten.mul.Scalar and node.args[1] == 1)
    if kept and _layout(node) == _layout(argument):
        return argument
    return _undone(node, argument)


def _undone(node: fx.Node, argument: fx.Node) -> fx.Node | None:
    """What an operation that is done twice with the same arguments began with."""
    twice = node.target in INVOLUTIONS and argument.target is node.target and argument.args[1:] == node.args[1:]
    first: Any = argument.args[0] if twice else None
    return first if isinstance(first, fx.Node) and _layout(first) == _layout(node) else None


def _layout(node: Any) -> tuple[object, ...]:
    value = node.meta["val"]
    return value.shape, value.stride(), value.dtype


def _formula(node: fx.Node) -> str:
    """What a node computes: the operation with its arguments, nodes by their names, which are unique."""
    return f"{node.target} {node.args} {dict(sorted(node.kwargs.items()))}"


# -- compilation -------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {"cpp.threads": 1, "compile_threads": 1}


def compile_program(program: Callable[..., Any]) -> Callable[..., Any]:
    """A recorded program, compiled when it is first called, for these shapes alone.

    On a processor this needs a C++ compiler; what it writes is kept in the folder that TORCHINDUCTOR_CACHE_DIR names,
    by default one in the system's temporary folder, so that compiling the same program again is quicker.
    """
    quick: Callable[..., Any] = torch.compile(program, dynamic=False, fullgraph=True, options=OPTIONS)
    return quick


def missing_compiler() -> str:
    """The C++ compiler that PyTorch would look for and not find here; empty where it is there."""
    name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return "" if shutil.which(name) else name


def require_compiler() -> None:
    """Raises UsageError where there is no C++ compiler."""
    if lacks := missing_compiler():
        raise UsageError(f"--compile on needs a C++ compiler, and there is no {lacks} here; install it or say off")


# -- traced functions --------------------------------------------------------------------------------------------------


class TracedFunction:
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


# -- tracing -----------------------------------------------------------------------------------------------------------

CALLS_BEFORE_RECORDING = 32  # recording takes as long as about a hundred calls save


class Replayed(TracedFunction):
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

        return prune(make_fx(function)(*leaves))
