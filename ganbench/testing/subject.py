"""What is judged: an instance of a plugin's class, or a tracker's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ganbench.errors import GanbenchError
from ganbench.testing.defect import Defect, Unchecked, raised

LOSSES = ("critic_loss", "generator_loss")


@dataclass(frozen=True)
class Subject:
    """What is under judgement.

    Attributes:
        instance: of a subclass of ``base``; of a tracker the function itself.
        base: the contract: ``Objective``, ``Dataset``, ``Architecture`` or ``Metric``; ``object`` for a tracker.
        found: what an earlier check found for later ones, such as a loaded population.
    """

    instance: Any
    base: type[Any]
    found: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def cls(self) -> Any:
        """Its class."""
        return type(self.instance)

    @property
    def file(self) -> str:
        """The file that its source stands in; empty where there is none."""
        source = self.instance if inspect.isroutine(self.instance) else self.cls
        try:
            return inspect.getsourcefile(source) or ""
        except TypeError:
            return ""

    def overrides(self, method: str) -> bool:
        """Whether it has a method of its own instead of the base class's."""
        return getattr(self.cls, method) is not getattr(self.base, method)

    def attempt(self, check: str, where: str, function: Callable[[], Any]) -> Any:
        """What a third party's code gives, or a Defect that says how it failed."""
        try:
            return function()
        except GanbenchError as error:  # which says what to do
            reason, _, fix = str(error).partition(": ")
            kind = next((name for word, name in KINDS.items() if word in str(error)), check)
            return Defect(kind, f"{reason} for {where}", fix or f"see the contract in ganbench.{self.base.__name__}")
        except (Exception, SystemExit) as error:  # a third party's code may raise anything
            return Defect(check, f"{where}: {raised(error, self.file)}", FIX_RAISED)


KINDS = {"randomness": "randomness", "in place": "inputs"}  # checks that the engine itself does, by their words
FIX_RAISED = "write it with tensor operations that fit any batch and any sample shape"

Finding = Defect | Unchecked
Check = Callable[[Subject], Iterator[Finding]]
