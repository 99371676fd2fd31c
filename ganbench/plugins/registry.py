"""The door: finds plugins through entry points, calls their hooks and returns what they offer.

A broken plugin is listed with its error and blocks nothing but itself. pluggy's own loader skips a second plugin of
the same name without a word and lets the first exception end everything, so loading is done here, plugin by plugin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from ganbench.errors import PluginError, UnknownNameError
from ganbench.interfaces import hookspecs
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.executor import Executor
from ganbench.interfaces.metric import Metric
from ganbench.interfaces.objective import Objective
from ganbench.plugins.isolation import isolated
from ganbench.plugins.loading import (
    Plugin,
    PluginFile,
    failed_plugins,
    keep_for_later,
    key_of,
    load_entry_point,
    load_file,
    refusal,
    valid_name,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Catalogue(Generic[T]):
    """Classes of one kind, by name; a name may be offered twice as long as nobody asks for it.

    Attributes:
        kind: ``objective``, ``dataset``, ``architecture``, ``metric`` or ``executor``.
        offered: (distribution, class) pairs.
        elsewhere: what to do about names that people look for here and that are something else.
    """

    kind: str
    offered: tuple[tuple[str, type[T]], ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Any:
        return iter(cls for _, cls in self.offered)

    def names(self) -> list[str]:
        """The names that may be asked for, without aliases."""
        return sorted({cls.name for cls in self})

    def origin(self, cls: type[T]) -> str:
        """The distribution that offers a class."""
        return next(dist for dist, other in self.offered if other is cls)

    def find(self, name: str, where: str = "") -> type[T]:
        """The class that answers to a name, an alias or ``dist:name``.

        Raises:
            UnknownNameError: nothing answers; the nearest valid name is suggested.
            PluginError: two distributions answer.
        """
        wanted_dist, _, wanted = name.rpartition(":")
        known = {n: True for cls in self for n in _names(cls)}
        matches = [(d, c) for d, c in self.offered if wanted in _names(c) and wanted_dist in ("", d)]
        if not matches:
            raise UnknownNameError(self.kind, name, known, where, self.elsewhere.get(name.lower(), ""))
        if len(matches) > 1:
            forms = " or ".join(sorted({f"{dist}:{wanted}" for dist, _ in matches}))
            if " or " not in forms:
                sentence = f"{matches[0][0]} offers {len(matches)} {self.kind}s called {wanted!r}; rename one"
                raise PluginError(sentence, subject=matches[0][0], code="twice")
            sentence = f"{self.kind} {wanted!r} is offered by {len(matches)} distributions; say {forms}"
            raise PluginError(sentence, subject=wanted, code="clash", remedy=forms)
        return matches[0][1]


def _names(cls: Any) -> tuple[str, ...]:
    return (cls.name, *getattr(cls, "aliases", ()))


@dataclass(frozen=True)
class PluginRegistry:
    """All that the plugins offer, and how each of them fared."""

    plugins: tuple[Plugin, ...]
    objectives: Catalogue[Objective]
    datasets: Catalogue[Dataset]
    architectures: Catalogue[Any]
    metrics: Catalogue[Metric]
    executors: Catalogue[Executor]
    manager: pluggy.PluginManager = field(repr=False)


def load_plugins(
    found: Iterable[EntryPoint] | None = None, allowed: str | None = None, files: Iterable[PluginFile] = ()
) -> PluginRegistry:
    """Load every plugin and ask it what it offers.

    Args:
        found: entry points; those of the installed distributions unless given.
        allowed: ``off`` or a comma-separated list of distributions; ``GANBENCH_PLUGINS`` unless given.
        files: plugins that nobody installed.

    Raises:
        PluginError: one of the files is broken; nobody names a file that is not wanted.
    """
    from ganbench.interfaces.architecture import Architecture

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    entries = list(entry_points(group=hookspecs.PROJECT)) if found is None else list(found)
    allowed = os.environ.get("GANBENCH_PLUGINS", "") if allowed is None else allowed
    plugins = {key_of(e): load_entry_point(manager, e, allowed) for e in sorted(entries, key=key_of)}
    plugins |= {file.name: load_file(manager, file) for file in files}
    architectures = _collect(manager, plugins, "architecture", Architecture)  # type: ignore[type-abstract]
    techniques = _techniques(architectures)
    objectives = replace(_collect(manager, plugins, "objective", Objective), elsewhere=techniques)
    datasets = _collect(manager, plugins, "dataset", Dataset)  # type: ignore[type-abstract]
    metrics = _collect(manager, plugins, "metric", Metric)  # type: ignore[type-abstract]
    executors = _collect(manager, plugins, "executor", Executor)  # type: ignore[type-abstract]
    for plugin in plugins.values():
        if plugin.file and plugin.state != "loaded":
            raise PluginError(f"{plugin.file} is {plugin.state}: {plugin.error}", subject=plugin.file, code=plugin.code)
    kinds = (objectives, datasets, architectures, metrics, executors)
    return PluginRegistry(_with_clashes(plugins.values(), kinds), *kinds, manager)


def _collect(manager: pluggy.PluginManager, plugins: dict[str, Plugin], kind: str, base: type[T]) -> Catalogue[T]:
    offered: list[tuple[str, type[T]]] = []
    for impl in reversed(getattr(manager.hook, f"ganbench_{kind}s").get_hookimpls()):
        plugin = plugins[impl.plugin_name]
        changed: list[str] = []
        try:
            with isolated(impl.plugin_name, keep_for_later) as changed:
                offered += [(plugin.distribution, _checked(cls, base)) for cls in _list(impl.function)]
        except (Exception, SystemExit) as error:  # as above: one plugin's fault is not the others'
            plugin = failed_plugins(plugin, error)
        plugins[impl.plugin_name] = plugin.with_changes(changed)
    return Catalogue(kind, tuple(offered))


def _with_clashes(plugins: Iterable[Plugin], kinds: Iterable[Catalogue[Any]]) -> tuple[Plugin, ...]:
    """Plugins with a word on the names that another distribution offers, too."""
    remarks: dict[str, list[str]] = {}
    for offers in kinds:
        for name in offers.names():
            origins = {dist for dist, cls in offers.offered if name in _names(cls)}
            for dist in origins if len(origins) > 1 else ():
                others = ", ".join(sorted(origins - {dist}))
                remarks.setdefault(dist, []).append(f"{offers.kind} {name!r} is in {others}, too: say {dist}:{name}")
    remark_of = {p: "; ".join(remarks.get(p.distribution, [])) for p in plugins if p.state == "loaded"}
    return tuple(replace(p, error=remark_of[p], code="clash") if remark_of.get(p) else p for p in plugins)


def _list(function: Callable[[], Any]) -> list[Any]:
    found = function()
    if not isinstance(found, list | tuple):
        sentence = f"{function.__name__} returned {type(found).__name__}, wanted a list of classes"
        raise PluginError(sentence, subject=function.__name__, code="no-list")
    return list(found)


def _checked(cls: Any, base: type[T]) -> type[T]:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"{cls!r} is not a subclass of ganbench.{base.__name__}", code="no-subclass")
    if not is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PluginError(f"{cls.__name__} is not a frozen dataclass", code="not-frozen")
    if not isinstance(getattr(cls, "name", None), str):
        raise PluginError(f"{cls.__name__} has no name", code="no-name")
    for name in _names(cls):
        if not valid_name(name):
            sentence = f"{cls.__name__} is called {name!r}, which cannot be asked for; {refusal(name)}"
            raise PluginError(sentence, subject=name, code="invalid-name")
    return cls  # type: ignore[return-value]


def _techniques(architectures: Catalogue[Any]) -> dict[str, str]:
    """What to say to who looks among the objectives for something that lives in the networks."""
    found: dict[str, list[str]] = {}
    for cls in architectures:
        for technique in cls.techniques:
            found.setdefault(technique, []).append(cls.name)
    return {
        technique: f"it is no loss but part of the networks: say --architectures {' or '.join(sorted(names))}"
        for technique, names in found.items()
    }
