"""Trace a function of tensors once to a graph, prune it, and optionally compile it."""

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

from ganbench.errors import GanbenchWarning, UsageError

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


# Operations that undo themselves. vmap and grad leave pairs of them: a batched product transposes what autograd has
# transposed before.
INVOLUTIONS = frozenset({aten.neg.default, aten.transpose.int})


def prune(program: fx.GraphModule) -> fx.GraphModule:
    """Drop what changes nothing, what was computed before and what nobody reads; gives the program itself.

    A program that writes into a tensor is left as it is, since then the order of things matters.
    """
    # Only rewrites that cannot change a bit: equal expressions are computed once, and a view that is its argument is
    # replaced by it. Nothing is reassociated or fused, so a traced run equals an eager one exactly.
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
    """A traced program, compiled when it is first called, for these shapes alone.

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
        sentence = f"--compile on needs a C++ compiler, and there is no {lacks} here; install it or say off"
        raise UsageError(sentence, subject="--compile", code="no-compiler", remedy="--compile off")


# -- traced functions --------------------------------------------------------------------------------------------------

# What tracing saves is the time of Python: of vmap's and autograd's dispatch, a large part of a step of small networks.
# The kernels are the same, so the numbers are.
CALLS_BEFORE_TRACING = 32  # tracing takes as long as about a hundred calls save

Make = Callable[[Callable[..., Any], list[Any]], Callable[..., Any]]  # of a function of leaves, and leaves


class TracedFunction:
    """A function of tensors with a quicker form for each set of shapes. What has none is warned of once and runs as is.

    Args:
        function: of tensors, or trees of them.
        name: what a warning calls it.
        make: gives the quicker form of a function of the arguments' leaves.
        verb: what ``make`` does to it, as a participle, for the warning.
        patience: calls before it is made.
        then: applied to what ``make`` gave; what this raises is raised.

    Attributes:
        made: the quicker forms by shapes, functions of the arguments' leaves; None where there can be none.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        make: Make,
        verb: str,
        patience: int,
        then: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda made: made,
    ) -> None:
        self._function, self._make, self._then = function, make, then
        self._name, self._verb, self._patience = name, verb, patience
        self._calls: Counter[tuple[Any, ...]] = Counter()
        self.made: dict[tuple[Any, ...], Callable[..., Any] | None] = {}

    def __call__(self, *args: Any) -> Any:
        """What the function gives, and does."""
        # Shapes and types are the key, as a graph holds for these alone; strides follow from how inputs are made.
        leaves, tree = pytree.tree_flatten(args)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if shapes not in self.made:
            self._calls[shapes] += 1
            if self._calls[shapes] <= self._patience:
                return self._function(*args)
            self.made[shapes] = self._try(leaves, tree)
        quick = self.made[shapes]
        return self._function(*args) if quick is None else quick(*leaves)

    def _try(self, leaves: list[Any], tree: pytree.TreeSpec) -> Callable[..., Any] | None:
        def of_leaves(*given: Any) -> Any:
            return self._function(*pytree.tree_unflatten(given, tree))

        try:
            made = self._make(of_leaves, leaves)
        except Exception as error:  # whatever cannot be followed, such as waiting for a value; the function still runs
            reason = str(error).partition("\n")[0]
            message = f"{self._name} cannot be {self._verb} and runs slower, with the same numbers: {reason}"
            remark = GanbenchWarning(message, subject=self._name, code=f"not-{self._verb}")
            warnings.warn(remark, stacklevel=4)
            return None
        return self._then(made)


def traced(function: Callable[..., Any], name: str, compiled: bool = False) -> TracedFunction:
    """A pure function of tensors that is traced when it has been called often, for each set of shapes.

    Args:
        function: takes and returns tensors, or trees of them, and looks at nothing else. What Python does in it (a
            counter, a branch) happens while it is traced and never again.
        name: what a warning calls it.
        compiled: whether the traced program is compiled, too; it is traced at the first call then, since a compiled
            program rounds differently.
    """
    if compiled:
        return TracedFunction(function, name, trace, "traced", 0, compile_program)
    return TracedFunction(function, name, trace, "traced", CALLS_BEFORE_TRACING)


def trace(function: Callable[..., Any], leaves: list[Any]) -> Callable[..., Any]:
    """A function's program for tensors of these shapes, pruned."""
    from torch.fx.experimental.proxy_tensor import make_fx

    return prune(make_fx(function)(*leaves))
