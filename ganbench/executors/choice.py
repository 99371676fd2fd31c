"""From the options of a request to the executor that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ganbench.components import build
from ganbench.errors import UsageError
from ganbench.executor import Executor
from ganbench.plugins import Registry
from ganbench.request import OPTIONS, Request

FILLED = ("jobs", "address", "gpus_per_cohort", "cpus_per_cohort")  # by the options of these names


def choose(request: Request, registry: Registry) -> Executor:
    """The executor with its settings.

    Raises:
        UsageError: there is none of this name, or it has no use for an option that was given.
    """
    cls = registry.executors.find(request.executor, "--executor")
    values = {name: getattr(request, name) for name in FILLED if getattr(request, name) != getattr(Request, name)}
    known = {field.name for field in fields(cls)}
    for name in values:
        if name not in known:
            raise UsageError(f"--{OPTIONS[name]} means nothing to the executor {cls.name!r}; {_who(registry, name)}")
    executor: Executor = build(cls, {**values, **_settings(cls, request.settings)}, "--set")
    return executor


def _who(registry: Registry, name: str) -> str:
    able = [c.name for c in registry.executors if name in {field.name for field in fields(c)}]
    return f"leave it out, or choose --executor {' or '.join(able)}" if able else "leave it out"


def _settings(cls: type[Executor], settings: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """What ``--set`` says about the executor."""
    found = {}
    for key, values in settings.items():
        head, _, name = key.partition(".")
        if not is_meant(cls, head):
            continue
        if name in FILLED:
            raise UsageError(f"--set {key}: say --{OPTIONS[name]} instead")
        if len(values) > 1:
            raise UsageError(f"--set {key} gives {len(values)} values; an executor takes one")
        found[name] = values[0]
    return found


def is_meant(cls: type[Executor], head: str) -> bool:
    """Whether the name in front of a setting is the executor's."""
    return head in (cls.name, *cls.aliases)
