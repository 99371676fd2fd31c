"""The door: finds plugins through entry points, calls their hooks and returns what they offer.

A broken plugin is listed with its error and blocks nothing but itself. pluggy's own loader skips a second plugin of
the same name without a word and lets the first exception end everything, so loading is done here, plugin by plugin.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, is_dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from ganbench import hookspecs
from ganbench.dataset import Dataset
from ganbench.errors import PluginError, UnknownNameError
from ganbench.executor import Executor
from ganbench.measured import Metric
from ganbench.objective import Objective

T = TypeVar("T")
OWN = "ganbench"  # the distribution that GANBENCH_PLUGINS never turns off


@dataclass(frozen=True)
class Plugin:
    """One entry point, as ``ganbench plugins`` shows it."""

    name: str
    distribution: str
    version: str
    state: str = "loaded"  # or "broken" or "disabled"
    hooks: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Offers(Generic[T]):
    """Classes of one kind, by name; a name may be offered twice as long as nobody asks for it.

    Attributes:
        kind: ``objective``, ``dataset``, ``architecture``, ``metric`` or ``executor``.
        offered: (distribution, class) pairs.
    """

    kind: str
    offered: tuple[tuple[str, type[T]], ...] = ()

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
            raise UnknownNameError(self.kind, name, known, where)
        if len(matches) > 1:
            forms = " or ".join(f"{dist}:{wanted}" for dist, _ in matches)
            raise PluginError(f"{self.kind} {wanted!r} is offered by {len(matches)} distributions; say {forms}")
        return matches[0][1]


def _names(cls: Any) -> tuple[str, ...]:
    return (cls.name, *getattr(cls, "aliases", ()))


@dataclass(frozen=True)
class Registry:
    """All that the plugins offer, and how each of them fared."""

    plugins: tuple[Plugin, ...]
    objectives: Offers[Objective]
    datasets: Offers[Dataset]
    architectures: Offers[Any]
    metrics: Offers[Metric]
    executors: Offers[Executor]
    manager: pluggy.PluginManager = field(repr=False)


def load_plugins(found: Iterable[EntryPoint] | None = None, allowed: str | None = None) -> Registry:
    """Load every plugin and ask it what it offers.

    Args:
        found: entry points; those of the installed distributions unless given.
        allowed: ``off`` or a comma-separated list of distributions; ``GANBENCH_PLUGINS`` unless given.
    """
    from ganbench.networks.architecture import Architecture

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    entries = list(entry_points(group=hookspecs.PROJECT)) if found is None else list(found)
    allowed = os.environ.get("GANBENCH_PLUGINS", "") if allowed is None else allowed
    plugins = {_key(e): _register(manager, e, allowed) for e in sorted(entries, key=_key)}
    objectives = _collect(manager, plugins, "objective", Objective)
    datasets = _collect(manager, plugins, "dataset", Dataset)  # type: ignore[type-abstract]
    architectures = _collect(manager, plugins, "architecture", Architecture)  # type: ignore[type-abstract]
    metrics = _collect(manager, plugins, "metric", Metric)  # type: ignore[type-abstract]
    executors = _collect(manager, plugins, "executor", Executor)  # type: ignore[type-abstract]
    return Registry(tuple(plugins.values()), objectives, datasets, architectures, metrics, executors, manager)


def _key(entry: EntryPoint) -> str:
    return f"{_distribution(entry)[0]}:{entry.name}"


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "")


def _register(manager: pluggy.PluginManager, entry: EntryPoint, allowed: str) -> Plugin:
    plugin = Plugin(entry.name, *_distribution(entry))
    names = {n.strip() for n in allowed.split(",") if n.strip()}
    if names and plugin.distribution != OWN and not names & {plugin.name, plugin.distribution}:
        return replace(plugin, state="disabled", error="GANBENCH_PLUGINS leaves it out")
    try:
        module = entry.load()
        manager.register(module, _key(entry))
        hooks = tuple(sorted(h.name for h in manager.get_hookcallers(module) or ()))
        _check_hooks(module, set(hooks))
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything; it blocks nothing but itself
        manager.unregister(name=_key(entry))
        return replace(plugin, state="broken", error=_one_line(error))
    return replace(plugin, hooks=hooks)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _check_hooks(module: Any, hooks: set[str]) -> None:
    """A misspelt hook would never be called, and an argument with a default would never be passed: both are errors."""
    known = [name for name in vars(hookspecs) if name.startswith("ganbench_")]
    for name in sorted(hooks - set(known)):
        raise PluginError(str(UnknownNameError("hook", name, known)))
    for name in sorted(hooks):
        for parameter in inspect.signature(getattr(module, name)).parameters.values():
            if parameter.default is not parameter.empty:
                raise PluginError(
                    f"{name} gives its argument {parameter.name!r} a default, so it would never be passed"
                )


def _collect(manager: pluggy.PluginManager, plugins: dict[str, Plugin], kind: str, base: type[T]) -> Offers[T]:
    offered: list[tuple[str, type[T]]] = []
    for impl in reversed(getattr(manager.hook, f"ganbench_{kind}s").get_hookimpls()):
        plugin = plugins[impl.plugin_name]
        try:
            offered += [(plugin.distribution, _checked(cls, base)) for cls in _list(impl.function)]
        except Exception as error:  # as above: one plugin's fault is not the others'
            plugins[impl.plugin_name] = replace(plugin, state="broken", error=_one_line(error))
    return Offers(kind, tuple(offered))


def _list(function: Callable[[], Any]) -> list[Any]:
    found = function()
    if not isinstance(found, list | tuple):
        raise PluginError(f"{function.__name__} returned {type(found).__name__}, wanted a list of classes")
    return list(found)


def _checked(cls: Any, base: type[T]) -> type[T]:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"{cls!r} is not a subclass of ganbench.{base.__name__}")
    if not is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PluginError(f"{cls.__name__} is not a frozen dataclass")
    if not isinstance(getattr(cls, "name", None), str):
        raise PluginError(f"{cls.__name__} has no name")
    return cls  # type: ignore[return-value]
