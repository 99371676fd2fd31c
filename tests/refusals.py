"""What an error says to a program: its type and its fields. The wording is left to one test per command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def refused(kind: type[Exception], /, **fields: object) -> Iterator[pytest.ExceptionInfo[Any]]:
    """Expects an error of exactly this type, with these fields, whose sentence is one line."""
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    wanted = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    assert (type(error), {name: getattr(error, name) for name in fields}) == (kind, wanted), error
    assert str(error).splitlines() == [str(error)]
