"""Syntax trees as plain data, the same in every version of Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

# What a syntax tree holds besides the program: ``ctx`` follows from the place, and ``kind`` is the u of u"text".
IGNORED = ("ctx", "kind", "type_comment", "type_ignores")


def tree(source: str) -> Any:
    """A program's syntax tree as lists, the same in every version of Python.

    Docstrings, ``search_space`` of classes, and names that are imported only for it are left out.

    Raises:
        SyntaxError: it is no program.
    """
    if re.match(r"[ \t]+[^\s#]", source):  # of a class inside a function; dedenting would change its texts
        (block,) = ast.parse(f"if True:\n{source}").body
        assert isinstance(block, ast.If)
        program = ast.Module(block.body, [])
    else:
        program = ast.parse(source)
    _strip(program)
    return _plain(program)


def _strip(program: ast.Module) -> None:
    """Remove what changes nothing that is computed."""
    for node in ast.walk(program):
        if isinstance(node, ast.ClassDef):
            node.body = [statement for statement in node.body if "search_space" not in _defined(statement)]
    used = {node.id for node in ast.walk(program) if isinstance(node, ast.Name)}
    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in {"*", *used}]
    for node in ast.walk(program):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, [statement for statement in statements if not _does_nothing(statement)])


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement of a class defines."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether it is a docstring, another bare constant, ``pass``, or an import of nothing."""
    if isinstance(statement, ast.ImportFrom):
        return not statement.names
    bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return bare or isinstance(statement, ast.Pass)


def _plain(node: Any) -> Any:
    """A node as lists. Empty fields are left out, as later versions of Python have more of them."""
    if isinstance(node, ast.Constant):
        return ["Constant", type(node.value).__name__, _text(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["JoinedStr", list(_joined(node.values))]
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, ast.AST):
        return node
    found = {name: _plain(value) for name, value in ast.iter_fields(node) if name not in IGNORED}
    return [type(node).__name__, {name: value for name, value in found.items() if value not in (None, [])}]


def _text(value: Any) -> str:
    """A constant as text; whole numbers in hexadecimals, which have no limit of digits."""
    if isinstance(value, str):
        return value
    return hex(value) if type(value) is int else repr(value)


def _joined(values: list[ast.expr]) -> Iterator[Any]:
    """The parts of an f-string with neighbouring texts in one, as versions of Python divide them differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield text
        text = ""
        yield _plain(value)
    if text:
        yield text
