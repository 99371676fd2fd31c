"""What is judged: a class of objectives, and the one that its defaults make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ganbench.errors import GanbenchError
from ganbench.objective import Objective
from ganbench.testing.defect import Defect, raised

LOSSES = ("critic_loss", "generator_loss")


@dataclass(frozen=True)
class Subject:
    """An objective under judgement.

    Attributes:
        objective: an instance.
    """

    objective: Objective

    @property
    def cls(self) -> type[Objective]:
        """Its class."""
        return type(self.objective)

    @property
    def file(self) -> str:
        """The file that its class stands in; empty where there is none."""
        try:
            return inspect.getsourcefile(self.cls) or ""
        except TypeError:
            return ""

    def overrides(self, method: str) -> bool:
        """Whether it has a method of its own instead of the base class's."""
        return getattr(self.cls, method) is not getattr(Objective, method)

    def attempt(self, check: str, where: str, function: Callable[[], Any]) -> Any:
        """What a stranger's code gives, or a Defect that says how it failed."""
        try:
            return function()
        except GanbenchError as error:  # which says what to do
            reason, _, fix = str(error).partition(": ")
            kind = next((name for word, name in KINDS.items() if word in str(error)), check)
            return Defect(kind, f"{reason} for {where}", fix or "see the contract in ganbench.Objective")
        except (Exception, SystemExit) as error:  # a stranger's code may raise anything
            return Defect(check, f"{where}: {raised(error, self.file)}", FIX_RAISED)


KINDS = {"randomness": "randomness", "in place": "inputs"}  # checks that the engine itself does, by their words
FIX_RAISED = "write it with tensor operations that fit any batch and any sample shape"

Check = Callable[[Subject], Iterator[Defect]]
