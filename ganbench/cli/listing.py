"""``ganbench list`` and ``ganbench plugins``: what is installed."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import __version__
from ganbench.cli.terminal import echo_err, print_rows, tell, tell_document, warn_of_broken
from ganbench.errors import UnknownNameError
from ganbench.interfaces.hookspecs import PROJECT
from ganbench.interfaces.paths import cache_folder
from ganbench.store.files import write_bytes

if TYPE_CHECKING:
    from ganbench.plugins.loading import Plugin
    from ganbench.plugins.registry import Catalogue, PluginRegistry


# -- what is installed -------------------------------------------------------------------------------------------------

KINDS = ("objectives", "datasets", "architectures", "metrics", "executors", "claims")


Rows = list[dict[str, Any]]


def describe_plugins(plugins: Iterable[Plugin]) -> Rows:
    """One row a plugin: where it comes from, what it implements, its state and the reason."""
    return [_plugin_row(plugin) for plugin in plugins]


def _plugin_row(plugin: Plugin) -> dict[str, Any]:
    row = {**asdict(plugin), "hooks": list(plugin.hooks), "error": plugin.remark()}
    del row["changed"], row["code"]  # parts of the remark
    return row


def describe_all(registry: PluginRegistry) -> dict[str, Rows]:
    """The rows of every kind."""
    from ganbench.claims.catalogue import CLAIMS

    claims = [{"number": c.number, "claim": c.id, "sentence": c.sentence, "source": c.source} for c in CLAIMS]
    return {**{kind: describe(getattr(registry, kind)) for kind in KINDS if kind != "claims"}, "claims": claims}


def describe(catalogue: Catalogue[Any]) -> Rows:
    """One row a name: aliases, distribution, hyper-parameters with their defaults, first line of the docstring."""
    return [_row(catalogue, cls) for cls in sorted(catalogue, key=lambda c: str(c.name))]


def _row(catalogue: Catalogue[Any], cls: type[Any]) -> dict[str, Any]:
    from ganbench.plugins.build import setting_defaults

    row: dict[str, Any] = {"name": getattr(cls, "name", ""), "aliases": list(getattr(cls, "aliases", ()))}
    if catalogue.kind == "metric":
        row = {"name": cls.name, "direction": cls.direction, "unit": cls.unit}
    summary = (inspect.getdoc(cls) or "").splitlines()[:1]
    return {
        **row,
        "distribution": catalogue.origin(cls),
        "settings": [f"{name}={value}" for name, value in setting_defaults(cls).items()],
        "summary": summary[0] if summary else "",
    }


# -- the user's cache --------------------------------------------------------------------------------------------------


def read_cache() -> dict[str, Rows] | None:
    """The cached rows of every kind; None where there are none, or a plugin has changed since."""
    try:
        kept = json.loads(_file().read_bytes())
        if kept["key"] == _key() and kept["files"] == _stamps(kept["files"]):
            return {kind: list(kept["rows"][kind]) for kind in KINDS}
    except (OSError, ValueError, KeyError, TypeError):  # absent, cut off or of another version
        pass
    return None


def write_cache(registry: PluginRegistry, rows: Mapping[str, Rows]) -> None:
    """Cache the rows of every kind, unless a plugin is broken, which every call reports, or docstrings are off."""
    if sys.flags.optimize > 1 or any(plugin.error or plugin.file for plugin in registry.plugins):
        return
    kept = {"key": _key(), "files": _stamps(_sources()), "rows": rows}
    with suppress(OSError):  # no room or no right: the plugins are loaded again the next time
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_bytes(_file(), json.dumps(kept, default=str).encode())


def _file() -> Path:
    return cache_folder() / f"listing-{sys.version_info.major}.{sys.version_info.minor}.json"


def _key() -> list[Any]:
    """What is installed, and what of it is wanted."""
    entries = sorted([e.name, e.value, *((e.dist.name, e.dist.version) if e.dist else ("", ""))] for e in _entries())
    return [__version__, __file__, sys.prefix, os.environ.get("GANBENCH_PLUGINS", ""), entries]


def _entries() -> Iterable[Any]:
    return entry_points(group=PROJECT)


def _sources() -> list[str]:
    """The files of all loaded modules of ganbench and of the plugins' packages."""
    packages = {"ganbench", *(entry.value.partition(":")[0].partition(".")[0] for entry in _entries())}
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages]
    return sorted({file for module in modules if (file := getattr(module, "__file__", None))})


def _stamps(files: Iterable[str]) -> dict[str, list[int]]:
    """Time of the last change in nanoseconds and size in bytes, by file. Raises OSError where one is gone."""
    stats = {file: os.stat(file) for file in files}
    return {file: [stat.st_mtime_ns, stat.st_size] for file, stat in stats.items()}


# -- commands ----------------------------------------------------------------------------------------------------------


def list_kinds(what: str | None, plugin: Sequence[str], as_json: bool) -> None:
    """Print the rows of one kind, or the names of all.

    Raises:
        UnknownNameError: there is no such kind.
        UsageError, PluginError: a file is no plugin, or a broken one.
    """
    if what is not None and what not in KINDS:
        raise UnknownNameError("kind of thing", what, KINDS, "ganbench list")
    kinds = _rows(plugin)
    if what is not None:
        print_rows(kinds[what], as_json)
    elif as_json:
        import json

        tell_document(json.dumps(kinds, indent=1) + "\n")
    else:
        for kind, rows in kinds.items():
            tell(f"{kind}: {', '.join(_names(rows))}")
        echo_err("`ganbench list KIND` shows settings, sources and summaries")


def list_plugins(plugin: Sequence[str], as_json: bool) -> None:
    """Print one row a plugin.

    Raises:
        UsageError: a file is no plugin.
    """
    from ganbench.plugins.loading import read_plugin_files
    from ganbench.plugins.registry import load_plugins

    print_rows(describe_plugins(load_plugins(files=read_plugin_files(plugin)).plugins), as_json)


def names_of(kind: str) -> list[str]:
    """The names of one kind, aliases included."""
    rows = _rows(())[kind]
    return [*_names(rows), *(alias for row in rows for alias in row.get("aliases", ()))]


def _names(rows: Rows) -> list[str]:
    return [str(row.get("name", row.get("claim"))) for row in rows]


def _rows(plugin: Sequence[str]) -> dict[str, Rows]:
    """By kind, from the cache or from the plugins themselves."""
    kept = None if plugin else read_cache()
    if kept is not None:
        return kept
    from ganbench.plugins.loading import read_plugin_files
    from ganbench.plugins.registry import load_plugins

    registry = load_plugins(files=read_plugin_files(plugin))
    warn_of_broken(registry.plugins)
    kinds = describe_all(registry)
    write_cache(registry, kinds)
    return kinds
