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


def prune(program: fx.GraphModule) -> fx.GraphModule:
    """Drop what changes nothing, what was computed before and what nobody reads; gives the program itself.

    A program that writes into a tensor is left as it is, since then the order of things matters.
    """
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    if any(_writes(node) for node in nodes):
        return program
    known: dict[str, fx.Node] = {}
    for node in nodes:
        same = node.args[0] if _is_its_argument(node) else known.setdefault(_formula(node), node)
        if same is not node:
            node.replace_all_uses_with(same)
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    program.recompile()
    return program


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _is_its_argument(node: fx.Node) -> bool:
    return node.target in VIEWS and _layout(node) == _layout(node.args[0])


def _layout(node: Any) -> tuple[object, ...]:
    value = node.meta["val"]
    return value.shape, value.stride(), value.dtype


def _formula(node: fx.Node) -> str:
    """What a node computes: the operation with its arguments, nodes by their names, which are unique."""
    return f"{node.target} {node.args} {dict(sorted(node.kwargs.items()))}"
