"""A recorded program without the operations that change nothing: the same kernels on the same numbers, fewer calls.

About half of what ``vmap`` and ``grad`` leave behind are views of what is there already, and values computed twice.
Each costs a few microseconds in every call.
"""

from __future__ import annotations

from typing import Any

from torch import fx, ops

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
