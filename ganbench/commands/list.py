"""``ganbench list``: what is installed, by kind. Names and rows come from the cache where nothing has changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbench.commands.terminal import print_rows, say, tell, tell_document, warn_of_broken
from ganbench.errors import UnknownNameError
from ganbench.listing import KINDS, Rows, describe_all, recall, remember


def list_kinds(what: str | None, plugin: Sequence[Path], as_json: bool) -> None:
    """Print the rows of one kind, or the names of all.

    Raises:
        UnknownNameError: there is no such kind.
        UsageError, PluginError: a file is no plugin, or a broken one.
    """
    if what is not None and what not in KINDS:
        raise UnknownNameError("kind of thing", what, KINDS, "ganbench list")
    found = _rows(plugin)
    if what is not None:
        print_rows(found[what], as_json)
    elif as_json:
        import json

        tell_document(json.dumps(found, indent=1) + "\n")
    else:
        for kind, rows in found.items():
            tell(f"{kind}: {', '.join(_names(rows))}")
        say("`ganbench list KIND` shows settings, sources and summaries")


def names_of(kind: str) -> list[str]:
    """The names of one kind, aliases included."""
    rows = _rows(())[kind]
    return [*_names(rows), *(alias for row in rows for alias in row.get("aliases", ()))]


def _names(rows: Rows) -> list[str]:
    return [str(row.get("name", row.get("claim"))) for row in rows]


def _rows(plugin: Sequence[Path]) -> dict[str, Rows]:
    """By kind, from the cache or from the plugins themselves."""
    kept = None if plugin else recall()
    if kept is not None:
        return kept
    from ganbench.plugin_files import read_plugin_files
    from ganbench.plugins import load_plugins

    registry = load_plugins(files=read_plugin_files(plugin))
    warn_of_broken(registry.plugins)
    found = describe_all(registry)
    remember(registry, found)
    return found
