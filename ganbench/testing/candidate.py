"""What is judged, and what is found: a candidate plugin and its defects."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ganbench.errors import GanbenchError

# -- defects -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Defect:
    """One thing in which a plugin does not keep its contract.

    Attributes:
        check: the check that found it.
        reason: what was found.
        fix: what to do.
        code: the kind of fault in a word, unlike those that the same check tells apart from it; where the plugin
            raised, the code or the type of its exception.
    """

    check: str
    reason: str
    fix: str
    code: str = ""

    def __str__(self) -> str:
        """One line, whatever the reason holds."""
        return " ".join(f"{self.check}: {self.reason}; {self.fix}".split())


@dataclass(frozen=True)
class Unchecked:
    """A check that was not made, or not to its end.

    Attributes:
        check: its name.
        reason: why not.
        needs: the check that has to pass first.
    """

    check: str
    reason: str
    needs: str = ""

    def __str__(self) -> str:
        """One line, whatever the reason holds."""
        return " ".join(f"{self.check} ({self.reason})".split())


@dataclass(frozen=True)
class Examination:
    """All that the kit says of one objective, dataset, architecture, metric or tracker.

    Attributes:
        kind: ``objective``, ``dataset``, ``architecture``, ``metric`` or ``tracker``.
        name: its name.
        defects: what is wrong; empty where nothing is.
        checked: the names of the checks that were made.
        unchecked: those that were not, and what no check can tell.
    """

    kind: str
    name: str
    defects: tuple[Defect, ...]
    checked: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def raised(error: BaseException, file: str) -> str:
    """An exception in a few words, with the last line of ``file`` that it came through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    place = f" (line {lines[-1]})" if lines else ""
    message = str(error).strip().partition("\n")[0]
    return f"raised {type(error).__name__}{': ' if message else ''}{message}{place}"


def code_of(error: BaseException) -> str:
    """The code of an error of ganbench's, or the type of any other."""
    return getattr(error, "code", "") if isinstance(error, GanbenchError) else type(error).__name__


# -- candidates --------------------------------------------------------------------------------------------------------

LOSSES = ("critic_loss", "generator_loss")


@dataclass(frozen=True)
class Candidate:
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
            fix = fix or f"see the contract in ganbench.{self.base.__name__}"
            return Defect(KINDS.get(error.code, check), f"{reason} for {where}", fix, code_of(error))
        except (Exception, SystemExit) as error:  # a third party's code may raise anything
            return Defect(check, f"{where}: {raised(error, self.file)}", FIX_RAISED, code_of(error))


KINDS = {"randomness": "randomness", "in-place": "inputs"}  # checks that the engine itself does, by their codes
FIX_RAISED = "write it with tensor operations that fit any batch and any sample shape"

Finding = Defect | Unchecked
Check = Callable[[Candidate], Iterator[Finding]]
