"""What a class says of itself: its name, its source, its fields and the form of its methods."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.metric import Metric
from ganbench.interfaces.objective import Objective
from ganbench.plugins.build import build
from ganbench.plugins.loading import refusal, valid_name
from ganbench.spec import canonical
from ganbench.testing.candidate import LOSSES, Candidate, Defect

SOURCE = re.compile(r"\b(1[89]|20)\d\d\b|https?://|\bdoi\b|\barxiv\b", re.IGNORECASE)
SOURCED = (Objective, Metric)  # formulas, which come from somewhere
LOSS = ("critic", "real", "fake", "draw")
SHAPE = ("sample_shape",)
ARGUMENTS: dict[type, dict[str, tuple[str, ...]]] = {
    Objective: {
        "critic_loss": LOSS,
        "generator_loss": LOSS,
        "estimate": ("critic", "real", "fake"),
        "constrain": ("weights", "draw"),
        "critic_steps": ("step",),
        "init_state": ("critic", "draw"),
        "update_state": LOSS,
    },
    Dataset: {"load": ("root",)},
    Architecture: {"generator": SHAPE, "critic": SHAPE, "check": SHAPE},
    Metric: {"value": ("fake", "real")},
}
FEWER = {"constrain": ("weights",)}  # forms that take less


def instance_of(target: Any, base: type[Any] = Objective) -> Any | Defect:
    """What a class's defaults make; an instance is taken as it is."""
    cls = target if isinstance(target, type) else type(target)
    if not issubclass(cls, base):
        return Defect(
            "class",
            f"{cls.__name__} is no subclass of ganbench.{base.__name__}",
            f"write {_example(base)}",
            "no-subclass",
        )
    if not vars(cls).get("__dataclass_params__") or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return Defect(
            "class", f"{cls.__name__} is not a frozen dataclass", "put @dataclass(frozen=True) above it", "not-frozen"
        )
    if isinstance(target, base):
        return target
    absent = sorted(getattr(cls, "__abstractmethods__", ()))
    if absent:
        return Defect("class", f"{cls.__name__} has no {absent[0]}", f"write {_header(base, absent[0])}", "abstract")
    missing = [f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
    if missing:
        return Defect("class", f"field {missing[0]!r} has no default", "give it the paper's value", "no-default")
    try:
        return cls()
    except Exception as error:  # a third party's constructor may raise anything
        return Defect(
            "class", f"{cls.__name__}() raised {type(error).__name__}: {error}", "mend its defaults", "raises"
        )


def _example(base: type[Any]) -> str:
    return f"class X({base.__name__})"


def _header(base: type[Any], method: str) -> str:
    return f"def {method}(self, {', '.join(ARGUMENTS[base].get(method, ()))})"


def name(subject: Candidate) -> Iterator[Defect]:
    """Names that can be typed behind ``--objectives``, ``--datasets`` and the like, and before a setting."""
    cls = subject.cls
    if not isinstance(getattr(cls, "name", None), str):
        yield Defect("name", f"{cls.__name__} has no name", 'write name = "..." below its docstring', "no-name")
        return
    aliases = getattr(cls, "aliases", ())
    if isinstance(aliases, str) or not all(isinstance(alias, str) for alias in aliases):
        yield Defect("name", f"aliases is {aliases!r}", 'write a tuple of names: aliases = ("...",)', "aliases")
        return
    for text in (cls.name, *aliases):
        if not valid_name(text):
            yield Defect("name", f"{text!r} cannot be asked for", refusal(text), "invalid-name")


def docstring(subject: Candidate) -> Iterator[Defect]:
    """A docstring of its own; a formula's says where it comes from."""
    text, cls = vars(subject.cls).get("__doc__") or "", subject.cls
    if not text.strip() or text.startswith(f"{cls.__name__}("):  # the one that dataclass makes
        yield Defect(
            "docstring", f"{cls.__name__} has none", "say what it is and where it comes from: paper, equation", "none"
        )
    elif issubclass(cls, SOURCED) and not SOURCE.search(text):
        yield Defect(
            "docstring", "it names no source", "add author and year, or a link, of where it is defined", "no-source"
        )


def fields(subject: Candidate) -> Iterator[Defect]:
    """Every hyper-parameter is a field, and documented."""
    inherited = {f.name for f in dataclasses.fields(subject.base)}
    documented = {word for cls in subject.cls.__mro__ for word in _documented(cls.__doc__ or "")}
    for field in dataclasses.fields(subject.cls):
        if field.name not in inherited | documented:
            fix = f"add a line '{field.name}: ...' below 'Attributes:' in the docstring"
            yield Defect("fields", f"{field.name!r} is not documented", fix, "undocumented")
    for key in _no_fields(subject.cls, subject.base):
        fix = f"write {_declared(key, getattr(subject.cls, key))}"
        yield Defect(
            "fields", f"{key!r} has no annotation, so it is no field and cannot be swept", fix, "no-annotation"
        )


def _declared(key: str, value: Any) -> str:
    """A field with its annotation and a default that cannot be changed."""
    if isinstance(value, list | tuple):
        inner = sorted({type(v).__name__ for v in value}) or ["float"]
        return f"{key}: tuple[{' | '.join(inner)}, ...] = {tuple(value)!r}"
    if isinstance(value, dict):
        return f"a field for each entry of {key}"
    return f"{key}: {type(value).__name__} = {value!r}"


def _documented(text: str) -> set[str]:
    """The names in front of the colons of a docstring."""
    lines = [line.partition(":")[0] for line in text.splitlines()[1:] if ":" in line]
    return {word.strip(" `*") for line in lines for word in line.split(",")}


def _no_fields(cls: type[Any], base: type[Any]) -> list[str]:
    """Plain values that stand in a class without an annotation."""
    annotated = {name for c in cls.__mro__ for name in vars(c).get("__annotations__", {})}
    found = [key for c in cls.__mro__ if issubclass(c, base) and c is not base for key in vars(c)]
    plain = [key for key in found if isinstance(vars(cls).get(key), int | float | str | tuple | list | dict)]
    return [key for key in plain if not key.startswith("_") and key not in annotated]


def serialisable(subject: Candidate) -> Iterator[Defect]:
    """Fields survive being written to ``trial.json`` and read again."""
    fix = "use numbers, text, True, False, and tuples of them, with an annotation that says which"
    for field in dataclasses.fields(subject.cls):
        value = getattr(subject.instance, field.name)
        if isinstance(value, list | dict | set):
            kind = type(value).__name__
            reason = f"{field.name} is a {kind}, which can be changed in place and has no hash"
            yield Defect("serialisable", reason, f"write {_declared(field.name, value)}", "mutable")
            continue
        plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
        try:
            again = json.loads(canonical(plain))
            same = getattr(build(subject.cls, {field.name: again}), field.name) == value
        except Exception as error:
            yield Defect(
                "serialisable",
                f"{field.name} = {value!r} cannot be recorded ({type(error).__name__})",
                fix,
                "unrecordable",
            )
            continue
        if not same:
            yield Defect(
                "serialisable",
                f"{field.name} = {value!r} comes back from JSON as another value",
                fix,
                "changed-by-json",
            )


def methods(subject: Candidate) -> Iterator[Defect]:
    """All methods are there, and every one takes what it is given."""
    for method, inputs in ARGUMENTS[subject.base].items():
        fix = f"write {_header(subject.base, method)}"
        if method in LOSSES and not subject.overrides(method):
            yield Defect("methods", f"there is no {method}", fix, "absent")
            continue
        signature = inspect.signature(getattr(subject.instance, method))
        try:
            signature.bind(*inputs)
        except TypeError as error:
            if not _takes(signature, FEWER.get(method)):
                yield Defect("methods", f"{method}: {error}", fix, "arguments")


def _takes(signature: inspect.Signature, inputs: tuple[str, ...] | None) -> bool:
    try:
        return inputs is not None and bool(signature.bind(*inputs))
    except TypeError:
        return False
