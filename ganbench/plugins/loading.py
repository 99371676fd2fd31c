"""Import plugins: from installed distributions and from single files."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ganbench import __version__
from ganbench.errors import OutdatedError, PluginError, UnknownNameError, UsageError
from ganbench.interfaces import hookspecs
from ganbench.plugins.isolation import isolated
from ganbench.spec import printable

# -- single files ------------------------------------------------------------------------------------------------------

PREFIX = "ganbench_file_"  # of the names of the modules that files become
TEXT = "__ganbench_source__"  # the attribute of such a module that holds what stood in its file


@dataclass(frozen=True)
class PluginFile:
    """A plugin in one file, as it stood when it was read.

    Attributes:
        path: where it lies, absolute.
        source: what stands in it.
    """

    path: str
    source: str

    @property
    def name(self) -> str:
        """The file's name: what stands before the colon in ``file.py:objective``."""
        return Path(self.path).name

    @property
    def digest(self) -> str:
        """A fingerprint of all that stands in it."""
        return hashlib.blake2b(self.source.encode(), digest_size=6).hexdigest()

    @property
    def module_name(self) -> str:
        """The same for the same text in the same file, in every process."""
        return f"{PREFIX}{re.sub(r'[^0-9a-zA-Z_]', '_', Path(self.path).stem)}_{self.digest}"

    def load(self) -> ModuleType:
        """Run it as a module. Raises whatever it raises."""
        if self.module_name in sys.modules:
            return sys.modules[self.module_name]
        module = ModuleType(self.module_name)
        module.__file__ = self.path
        linecache.cache[self.path] = (len(self.source), None, self.source.splitlines(keepends=True), self.path)
        vars(module)[TEXT] = self.source
        sys.modules[self.module_name] = module  # where dataclasses look for the names in annotations
        try:
            exec(compile(self.source, self.path, "exec"), vars(module))
        except BaseException:
            del sys.modules[self.module_name]
            raise
        return module


def read_plugin_files(paths: Iterable[str | Path], where: str = "--plugin") -> tuple[PluginFile, ...]:
    """The plugins in some files; a file that is named twice counts once.

    Raises:
        UsageError: there is no such file, it is no readable Python file, or two of them have one name.
    """
    files = tuple(_read(Path(path).absolute(), where) for path in dict.fromkeys(map(str, paths)))
    files = tuple(dict.fromkeys(files))
    names = [file.name for file in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        sentence = f"{where}: two files are called {twice}, so that nothing could tell them apart; rename one"
        raise UsageError(sentence, subject=twice, code="twice")
    return files


def _read(path: Path, where: str) -> PluginFile:
    if not str(path).isprintable():
        sentence = f"{where}: {str(path)!r} has characters that cannot be shown; rename it"
        raise UsageError(sentence, subject=path, code="unprintable")
    if not path.is_file():
        code, what = ("folder", "is a folder") if path.is_dir() else ("missing", "does not exist")
        sentence = f"{where}: {path} {what}; name a Python file with an objective and its hook"
        raise UsageError(sentence, subject=path, code=code)
    if path.suffix != ".py":
        sentence = f"{where}: {path} is no Python file; its name has to end with .py"
        raise UsageError(sentence, subject=path, code="ending")
    try:
        return PluginFile(str(path), decode_source(path.read_bytes()))  # as Python: with a byte-order mark or a cookie
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise UsageError(f"{where}: {path} cannot be read ({error})", subject=path, code="unreadable") from error


def digest_of(module_name: str) -> str | None:
    """The fingerprint of the file that became a module; None where the module came from no such file."""
    return module_name.rpartition("_")[2] if module_name.startswith(PREFIX) else None


def source_of(module_name: str) -> str | None:
    """What stood in the file that became a module; None where the module came from no such file."""
    text = getattr(sys.modules.get(module_name), TEXT, None) if module_name.startswith(PREFIX) else None
    return None if text is None else str(text)


# -- checks of what plugins offer --------------------------------------------------------------------------------------

NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
LONGEST_NAME = 80  # characters
OWN = "ganbench"  # the distribution that GANBENCH_PLUGINS never turns off


@dataclass(frozen=True)
class Plugin:
    """One entry point or one file, as ``ganbench plugins`` shows it.

    Attributes:
        distribution, version: of a file its name, and a fingerprint of what stands in it.
        state: ``loaded``, or why it is left out: ``broken``, ``outdated`` (made for another ganbench), ``disabled``.
        hooks: what it implements.
        error: what is the matter with it; of a loaded plugin, which names another one offers too.
        file: where it lies, if nobody installed it.
        changed: what global state its import changed; it was put back.
        code: the kind of fault in a word, or the type of the exception that its code raised.
    """

    name: str
    distribution: str
    version: str
    state: str = "loaded"
    hooks: tuple[str, ...] = ()
    error: str = ""
    file: str = ""
    changed: tuple[str, ...] = ()
    code: str = ""

    def remark(self) -> str:
        """All that there is to say of it; empty where it is as it should be."""
        changed = f"its import changed {', '.join(self.changed)}; ganbench has put it back" if self.changed else ""
        return "; ".join(filter(None, (changed, self.error)))

    def with_changes(self, names: Iterable[str]) -> Plugin:
        """The same plugin, whose code has also changed this global state. Libraries that ganbench imports may."""
        added = () if self.distribution == OWN else tuple(names)
        return replace(self, changed=tuple(dict.fromkeys((*self.changed, *added))))


def valid_name(name: object) -> bool:
    """Whether something may be called so: small letters and digits, single hyphens and underscores between them.

    A dot would divide a name from its setting in ``--set NAME.FIELD=VALUE``.
    """
    return isinstance(name, str) and len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def refusal(name: object) -> str:
    """What to do about a name that is not valid."""
    nearest = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-")[:LONGEST_NAME].strip("-")
    return f"use small letters, digits, single hyphens and underscores, such as {nearest or 'my-loss'}"


def key_of(entry: EntryPoint) -> str:
    """What pluggy knows a plugin by."""
    return f"{_distribution(entry)[0]}:{entry.name}"


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name or "unknown", entry.dist.version or "") if entry.dist else ("unknown", "")


def load_entry_point(manager: pluggy.PluginManager, entry: EntryPoint, allowed: str) -> Plugin:
    """Load the plugin behind an entry point, unless ``allowed`` leaves it out."""
    distribution, version = _distribution(entry)
    plugin = Plugin(printable(entry.name), printable(distribution), printable(version))
    names = {n.strip() for n in allowed.split(",") if n.strip()}
    if names and plugin.distribution != OWN and not names & {plugin.name, plugin.distribution}:
        return replace(plugin, state="disabled", error="GANBENCH_PLUGINS leaves it out")

    def load() -> Any:
        _check_requirements((entry.dist.requires if entry.dist else None) or ())
        return entry.load()

    return _admit(manager, key_of(entry), plugin, load, entry.module)


def load_file(manager: pluggy.PluginManager, file: PluginFile) -> Plugin:
    """Load the plugin in a file."""
    plugin = Plugin(file.name.removesuffix(".py"), file.name, file.digest, file=file.path)
    return _admit(manager, file.name, plugin, file.load, file.module_name)


def _admit(manager: pluggy.PluginManager, key: str, plugin: Plugin, load: Callable[[], Any], name: str) -> Plugin:
    changed: list[str] = []
    try:
        with isolated(key, keep_for_later, name) as changed:
            module = load()
        manager.register(module, key)
        hooks = tuple(sorted(h.name for h in manager.get_hookcallers(module) or ()))
        _check_hooks(module, set(hooks))
    except (Exception, SystemExit) as error:  # third-party code may raise anything; it blocks nothing but itself
        if manager.has_plugin(key):
            manager.unregister(name=key)
        return failed_plugins(plugin.with_changes(changed), error)
    return replace(plugin.with_changes(changed), hooks=hooks)


def keep_for_later(sentence: str) -> None:
    """Say nothing of what a plugin changes, as its ``Plugin`` lists it."""


def failed_plugins(plugin: Plugin, error: BaseException) -> Plugin:
    """A plugin that failed, with the reason in one line."""
    state = "outdated" if isinstance(error, OutdatedError) else "broken"
    code, sentence = _fault(error)
    return replace(plugin, state=state, error=printable(" ".join(sentence.split())), code=code)


def _fault(error: BaseException) -> tuple[str, str]:
    """What is wrong with a plugin, as a code and in words; PyTorch's and Python's own errors keep their type."""
    if isinstance(error, PluginError):
        return error.code, str(error)
    for words, (code, advice) in ADVICE.items():
        if words in str(error):
            return code, f"{error}{_line(error)}; {advice}"
    return type(error).__name__, f"{type(error).__name__}: {error}"


# What Python's dataclasses say while a class is made, before anything of ganbench can look at it, and what to do.
ADVICE = {
    "cannot inherit non-frozen dataclass": ("not-frozen", "write @dataclass(frozen=True) above the class"),
    "mutable default": ("mutable-default", "write a tuple, as in slopes: tuple[float, ...] = (0.2, 0.5)"),
    "non-default argument": ("no-default", "give every field a default, the paper's value"),
}


def _line(error: BaseException) -> str:
    """The place in the plugin that an error came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != dataclasses.__file__]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _check_requirements(requirements: Iterable[str]) -> None:
    """Raises OutdatedError where a distribution says that it needs another ganbench than this one."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for text in requirements:
        wanted = Requirement(text)
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if canonicalize_name(wanted.name) != OWN or not applies:
            continue
        if not wanted.specifier.contains(__version__, prereleases=True):
            raise OutdatedError(
                f"it needs ganbench{wanted.specifier} and this is ganbench {__version__}: install versions of both "
                "that go together",
                code="version",
            )


def _check_hooks(module: Any, hooks: set[str]) -> None:
    """A misspelt hook would never be called, and an argument with a default would never be passed: both are errors."""
    known = [name for name in vars(hookspecs) if name.startswith("ganbench_")]
    for name in sorted(hooks - set(known)):
        if name in hookspecs.RETIRED:
            sentence = f"the hook {name} is no more since this ganbench; {hookspecs.RETIRED[name]}"
            raise OutdatedError(sentence, subject=name, code="retired-hook", remedy=hookspecs.RETIRED[name])
        raise PluginError(str(UnknownNameError("hook", name, known)), subject=name, code="unknown-hook")
    for name in known:
        if callable(getattr(module, name, None)) and name not in hooks:
            sentence = f"{name} is never called; put @ganbench.hookimpl above it"
            raise PluginError(sentence, subject=name, code="unmarked-hook")
    if not hooks:
        sentence = "it has no hook; write a function ganbench_objectives with @ganbench.hookimpl above it"
        raise PluginError(sentence, code="no-hook")
    for name in sorted(hooks):
        for parameter in inspect.signature(getattr(module, name)).parameters.values():
            if parameter.default is not parameter.empty:
                raise PluginError(
                    f"{name} gives its argument {parameter.name!r} a default, so it would never be passed",
                    subject=name,
                    code="hook-default",
                )
