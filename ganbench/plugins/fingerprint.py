"""Fingerprints of the code of plugins: trials of another code are other trials.

A fingerprint is a hash of the syntax tree, so that docstrings, comments and layout do not count. Up to version 0.1.0
it was a hash of the text; the addresses of trials that were stored then are still found by ``former_hashes``.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from ganbench.plugins.former import FORMER
from ganbench.plugins.isolation import is_own
from ganbench.plugins.loading import digest_of, source_of
from ganbench.plugins.syntax import tree
from ganbench.spec import canonical


def source_hash(cls: type[Any]) -> str:
    """A fingerprint of a class's code: an objective whose loss was edited must not be given its old results.

    The class and its bases count by their syntax trees, and of a plugin in one file all that stands in it: its
    functions are edited as often as its classes. A class of ganbench itself counts by its name and ``code_version``,
    and as a base of others from the second version on.
    """
    try:
        return _digest(canonical([getattr(cls, "name", "") if is_own(cls) else cls.__qualname__, *_parts(cls)]))
    except (OSError, TypeError, SyntaxError, RecursionError):  # no source, as in a notebook, or too deeply nested
        return _digest(canonical([cls.__module__, cls.__qualname__]))


def former_hashes(cls: type[Any]) -> tuple[str, ...]:
    """The fingerprints that earlier versions gave this code: by its text as it stands, or as it is recorded."""
    now, name = source_hash(cls), getattr(cls, "name", "")
    recorded = [old for (known, old), new in FORMER.items() if (known, new) == (name, now)]
    return tuple(found for found in dict.fromkeys([*recorded, text_hash(cls)]) if found != now)


def is_made_by(cls: type[Any], code: str) -> bool:
    """Whether a class has the code that a stored fingerprint stands for."""
    return code == source_hash(cls) or code in former_hashes(cls)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _parts(cls: type[Any]) -> Iterator[Any]:
    """What a class and its bases are known by. Raises OSError or TypeError where there is no source."""
    files = set()
    for base in cls.__mro__:
        text = source_of(base.__module__)
        if is_own(base):
            version = vars(base).get("code_version", 1)  # of this class alone: a base has its own
            if base is cls or version != 1:
                yield ["version", "" if base is cls else base.__qualname__, version]
        elif text is None and base.__module__.partition(".")[0] not in sys.stdlib_module_names:
            yield tree(inspect.getsource(base))
        elif text is not None and base.__module__ not in files:
            files.add(base.__module__)
            yield tree(text)


# -- earlier versions --------------------------------------------------------------------------------------------------


def text_hash(cls: type[Any]) -> str:
    """The fingerprint that versions before syntax trees gave a class: of its text, and of ganbench's own of nothing."""
    file = digest_of(cls.__module__)
    if file is not None:
        return _digest(canonical([file, cls.__qualname__]))
    counting = [base for base in cls.__mro__ if base.__module__ not in ("builtins", "abc")]
    try:
        return _digest("".join(_version_of(base) if is_own(base) else inspect.getsource(base) for base in counting))
    except (OSError, TypeError):
        return _digest(canonical([cls.__module__, cls.__qualname__]))


def _version_of(cls: type[Any]) -> str:
    version = vars(cls).get("code_version", 1)
    return f"{cls.__qualname__} {version}\n" if version != 1 else ""
