"""What a class says of itself: its name, its source, its fields and the form of its methods."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from ganbench.components import build
from ganbench.objective import Objective
from ganbench.testing.defect import Defect
from ganbench.testing.subject import LOSSES, Subject
from ganbench.trials import canonical

NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
SOURCE = re.compile(r"\b(1[89]|20)\d\d\b|https?://|\bdoi\b|\barxiv\b", re.IGNORECASE)
OWN = {"name", "aliases", "classifier", "traceable", "vectorised"}  # class attributes that are no hyper-parameters
ARGUMENTS = {
    "critic_loss": ("critic", "real", "fake", "draw"),
    "generator_loss": ("critic", "real", "fake", "draw"),
    "estimate": ("critic", "real", "fake"),
    "constrain": ("weights",),
    "critic_steps": ("step",),
    "init_state": ("critic", "draw"),
    "update_state": ("critic", "real", "fake", "draw"),
}


def instance_of(target: Any) -> Objective | Defect:
    """The objective that a class's defaults make; an instance is taken as it is."""
    cls = target if isinstance(target, type) else type(target)
    if not issubclass(cls, Objective):
        return Defect("class", f"{cls.__name__} is no subclass of ganbench.Objective", "write class X(Objective)")
    if not vars(cls).get("__dataclass_params__") or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return Defect("class", f"{cls.__name__} is not a frozen dataclass", "put @dataclass(frozen=True) above it")
    if isinstance(target, Objective):
        return target
    missing = [f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        return Defect("class", f"field {missing[0]!r} has no default", "give it the paper's value")
    try:
        return cls()
    except Exception as error:  # a stranger's constructor may raise anything
        return Defect("class", f"{cls.__name__}() raised {type(error).__name__}: {error}", "mend its defaults")


def name(subject: Subject) -> Iterator[Defect]:
    """Names that can be typed behind ``--objectives``."""
    cls = subject.cls
    if not isinstance(getattr(cls, "name", None), str):
        yield Defect("name", f"{cls.__name__} has no name", 'write name = "..." below its docstring')
        return
    if isinstance(cls.aliases, str) or not all(isinstance(alias, str) for alias in cls.aliases):
        yield Defect("name", f"aliases is {cls.aliases!r}", 'write a tuple of names: aliases = ("...",)')
        return
    for text in (cls.name, *cls.aliases):
        if not NAME.fullmatch(text):
            yield Defect("name", f"{text!r} cannot be asked for", "use small letters, digits and single hyphens")


def docstring(subject: Subject) -> Iterator[Defect]:
    """A docstring of its own, which says where the objective comes from."""
    text, cls = vars(subject.cls).get("__doc__") or "", subject.cls
    if not text.strip() or text.startswith(f"{cls.__name__}("):  # the one that dataclass makes
        yield Defect("docstring", f"{cls.__name__} has none", "say what it is and where it comes from: paper, equation")
    elif not SOURCE.search(text):
        yield Defect("docstring", "it names no source", "add author and year, or a link, of where it is defined")


def fields(subject: Subject) -> Iterator[Defect]:
    """Every hyper-parameter is a field, and documented."""
    inherited = {f.name for f in dataclasses.fields(Objective)}
    documented = {word for cls in subject.cls.__mro__ for word in _documented(cls.__doc__ or "")}
    for field in dataclasses.fields(subject.cls):
        if field.name not in inherited | documented:
            fix = f"add a line '{field.name}: ...' below 'Attributes:' in the docstring"
            yield Defect("fields", f"{field.name!r} is not documented", fix)
    for key in _no_fields(subject.cls):
        value = getattr(subject.cls, key)
        fix = f"write {key}: {type(value).__name__} = {value!r}"
        yield Defect("fields", f"{key!r} has no annotation, so it is no field and cannot be swept", fix)


def _documented(text: str) -> set[str]:
    """The names in front of the colons of a docstring."""
    lines = [line.partition(":")[0] for line in text.splitlines()[1:] if ":" in line]
    return {word.strip(" `*") for line in lines for word in line.split(",")}


def _no_fields(cls: type[Objective]) -> list[str]:
    """Plain values that stand in a class without an annotation."""
    annotated = {name for c in cls.__mro__ for name in vars(c).get("__annotations__", {})}
    found = [key for c in cls.__mro__ if issubclass(c, Objective) and c is not Objective for key in vars(c)]
    plain = [key for key in found if isinstance(vars(cls).get(key), int | float | str | tuple | list | dict)]
    return [key for key in plain if not key.startswith("_") and key not in annotated | OWN]


def serialisable(subject: Subject) -> Iterator[Defect]:
    """Fields survive being written to ``trial.json`` and read again."""
    fix = "use numbers, text, True, False, and tuples of them, with an annotation that says which"
    for field in dataclasses.fields(subject.cls):
        value = getattr(subject.objective, field.name)
        plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
        try:
            again = json.loads(canonical(plain))
            same = getattr(build(subject.cls, {field.name: again}), field.name) == value
        except Exception as error:
            yield Defect("serialisable", f"{field.name} = {value!r} cannot be recorded ({type(error).__name__})", fix)
            continue
        if not same:
            yield Defect("serialisable", f"{field.name} = {value!r} comes back from JSON as another value", fix)


def methods(subject: Subject) -> Iterator[Defect]:
    """Both losses are there, and every method takes what it is given."""
    for method, arguments in ARGUMENTS.items():
        if method in LOSSES and not subject.overrides(method):
            yield Defect("methods", f"there is no {method}", f"write def {method}(self, {', '.join(arguments)})")
            continue
        try:
            inspect.signature(getattr(subject.objective, method)).bind(*arguments)
        except TypeError as error:
            yield Defect("methods", f"{method}: {error}", f"write def {method}(self, {', '.join(arguments)})")
