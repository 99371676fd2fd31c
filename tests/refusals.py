"""What errors and warnings say to a program: their types and fields. The wording is left to one test per command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ganbench.errors import GanbenchWarning


@contextmanager
def refused(kind: type[Exception], /, **fields: object) -> Iterator[pytest.ExceptionInfo[Any]]:
    """Expects an error of exactly this type, with these fields, whose sentence is one line."""
    with pytest.raises(kind) as caught:
        yield caught
    assert type(caught.value) is kind
    _compare(caught.value, fields)


@contextmanager
def remarked(**fields: object) -> Iterator[list[GanbenchWarning]]:
    """Expects warnings of ganbench's own, all with these fields and a sentence of one line; the list holds them."""
    remarks: list[GanbenchWarning] = []
    with pytest.warns(GanbenchWarning) as caught:
        yield remarks
    remarks += [w.message for w in caught if isinstance(w.message, GanbenchWarning)]
    assert remarks
    for remark in remarks:
        _compare(remark, fields)


def _compare(message: Exception, fields: dict[str, object]) -> None:
    wanted = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    assert {name: getattr(message, name) for name in fields} == wanted, message
    assert str(message).splitlines() == [str(message)]
