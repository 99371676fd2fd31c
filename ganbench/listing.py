"""What the plugins offer, as plain rows for people and programs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import MISSING, asdict, fields
from typing import Any

from ganbench.plugins import Offers, Plugin


def describe_plugins(plugins: Iterable[Plugin]) -> list[dict[str, Any]]:
    """One row a plugin: where it comes from, what it implements, how it fared and why."""
    return [_plugin_row(plugin) for plugin in plugins]


def _plugin_row(plugin: Plugin) -> dict[str, Any]:
    row = {**asdict(plugin), "hooks": list(plugin.hooks), "error": plugin.remark()}
    del row["changed"]  # a part of the remark
    return row


def describe(offers: Offers[Any]) -> list[dict[str, Any]]:
    """One row a name: aliases, distribution, hyper-parameters with their defaults, first line of the docstring."""
    return [_row(offers, cls) for cls in sorted(offers, key=lambda c: str(c.name))]


def _row(offers: Offers[Any], cls: type[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": getattr(cls, "name", ""), "aliases": list(getattr(cls, "aliases", ()))}
    if offers.kind == "metric":
        row = {"name": cls.name, "direction": cls.direction, "unit": cls.unit}
    settings = {f.name: f.default for f in fields(cls) if f.default is not MISSING}
    summary = (inspect.getdoc(cls) or "").splitlines()[:1]
    return {
        **row,
        "distribution": offers.origin(cls),
        "settings": [f"{name}={value}" for name, value in settings.items()],
        "summary": summary[0] if summary else "",
    }
