"""Every error that ganbench raises on purpose.

GanbenchError                 shown to the user as one sentence, never as a traceback
├── UsageError                bad input: an option, a file, a name                    exit code 2
│   ├── OptionError           a value that an option does not take
│   ├── UnknownNameError      a name that nothing answers to; carries the nearest valid one
│   ├── SettingError          a setting of a component that is out of its range
│   └── DamageError           a stored file that is not what was written
├── StorageError              the disk is full or failed while writing            exit code 1
│   └── ObstructedError       a link or another thing stands where a file belongs exit code 2
├── ProcessError              a process that does a part of the work was ended  exit code 1
├── PluginError               a plugin that is broken, clashes or breaks its contract exit code 2
│   └── OutdatedError         a plugin that was made for another ganbench
├── DataError                 a dataset that is missing, truncated or malformed       exit code 2
├── ObjectiveError            an objective that broke its contract while training     a failed trial
└── MetricError               a metric that cannot be computed                        a NaN with a reason
    └── SampleError           samples on which a metric is not defined

A person reads the sentence; a program reads the fields. ``code`` is stable, the wording is not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class GanbenchError(Exception):
    """Base of all errors that are meant to be read by a user.

    Args:
        sentence: what the user reads.
        subject: what is at fault: a file, an option, or the name of a dataset, an objective, a metric or a setting.
        code: the kind of fault, in a word.
        remedy: the option or the command that helps, where there is one.
    """

    def __init__(self, sentence: str = "", *, subject: object = "", code: str = "", remedy: str = "") -> None:
        super().__init__(sentence)
        self.subject, self.code, self.remedy = str(subject), code, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """The sentence and the fields: subclasses take other arguments, and errors cross processes."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[GanbenchError], args: tuple[Any, ...], state: Mapping[str, Any]) -> GanbenchError:
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class UsageError(GanbenchError):
    """Bad input from the command line, a study file or a results folder."""


class OptionError(UsageError):
    """A value that an option does not take.

    Args:
        option: as its user calls it: ``--steps``, or ``study.toml:3: steps``.
        got: the value.
        wanted: the values that it takes, in words.
        problem: what is wrong, such as ``names seed 5 twice``, where the value does not tell by itself.
    """

    def __init__(self, option: str, got: object, wanted: str, problem: str = "") -> None:
        self.option, self.got, self.wanted = option, got, wanted
        super().__init__(f"{option} {problem or f'is {got!r}'}; wanted {wanted}", subject=option, code="value")


class UnknownNameError(UsageError):
    """A name that nothing answers to.

    Args:
        kind: what was looked for, in the words of the user: ``objective``, ``key in [run]``.
        name: what was given.
        known: the valid names; the nearest one is suggested.
        option: the option, or the file and line, that the name came from.
        hint: what to do, where more is known than what the nearest name is.

    Attributes:
        suggestion: the nearest valid name, or None where none is near.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], option: str = "", hint: str = "") -> None:
        self.kind, self.name, self.known, self.option = kind, name, sorted(known), option
        self.suggestion = next(iter(difflib.get_close_matches(name.lower(), self.known, n=1, cutoff=0.5)), None)
        nearest = f"did you mean {self.suggestion!r}?" if self.suggestion else "known: " + ", ".join(self.known)
        sentence = f"{option + ': ' if option else ''}unknown {kind} {name!r}; {hint or nearest}"
        super().__init__(sentence, subject=option, code="unknown", remedy=hint)


class SettingError(UsageError):
    """A setting of a component that is out of its range.

    Args:
        component: the name of the dataset, the architecture or the like.
        field: the setting's name.
        got: its value.
        wanted: which values it may have, as a clause.
    """

    def __init__(self, component: str, field: str, got: object, wanted: str = "it must be at least 1") -> None:
        self.component, self.field, self.got = component, field, got
        super().__init__(f"{component}: {field} is {got}; {wanted}", subject=f"{component}.{field}", code="range")


class DamageError(UsageError):
    """A stored file that is not what was written: cut off, changed, or another trial's."""


class StorageError(GanbenchError, OSError):
    """A file could not be written: the disk is full, a limit is reached, or the device failed."""


class ObstructedError(StorageError):
    """A file could not be written, as a link, a folder or another thing stands where it or its folder belongs."""


class ProcessError(GanbenchError):
    """A process that does a part of the work was ended from outside: by the system for want of memory, say."""


class PluginError(GanbenchError):
    """A plugin that is broken, clashes with another one or breaks its contract."""


class OutdatedError(PluginError):
    """A plugin that was made for another version of ganbench."""


class DataError(GanbenchError):
    """A dataset that is missing, truncated or malformed."""


class ObjectiveError(GanbenchError):
    """An objective that broke its contract while training: the trial fails, the others run on."""


class MetricError(GanbenchError):
    """A metric that cannot be computed on these samples; the value becomes NaN with this reason."""


class SampleError(MetricError):
    """Samples on which a metric is not defined: too few of them, or some that are not finite.

    Args:
        sentence: what the user reads.
        metric: the metric's name.
        code: ``few`` or ``not-finite``.
        side: ``fake`` or ``real``.
        got: how many samples there are, or how many of them are not finite.
        wanted: how many are needed.
    """

    def __init__(self, sentence: str, metric: str, code: str, side: str, got: int, wanted: int = 0) -> None:
        super().__init__(sentence, subject=metric, code=code)
        self.side, self.got, self.wanted = side, got, wanted


class GanbenchWarning(UserWarning):
    """A remark about something that ganbench works around.

    Args:
        sentence: what the user reads.
        subject: what it is about: an objective, or the code of a plugin.
        code: the kind of remark, in a word.
        details: what else is known, in words.
    """

    def __init__(self, sentence: str, *, subject: str = "", code: str = "", details: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.subject, self.code, self.details = subject, code, tuple(details)
