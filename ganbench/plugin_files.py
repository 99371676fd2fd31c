"""Plugins in one file that nobody installed: ``--plugin path/to/file.py``.

A file is read once, when a command begins. What was read goes to the processes that train, so that an edit in the
middle of a run, or a machine without the file, changes nothing.
"""

from __future__ import annotations

import hashlib
import linecache
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType

from ganbench.errors import UsageError

PREFIX = "ganbench_file_"  # of the names of the modules that files become


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
        raise UsageError(f"{where}: two files are called {twice}, so that nothing could tell them apart; rename one")
    return files


def _read(path: Path, where: str) -> PluginFile:
    if not str(path).isprintable():
        raise UsageError(f"{where}: {str(path)!r} has characters that cannot be shown; rename it")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"{where}: {path} {what}; name a Python file with an objective and its hook")
    if path.suffix != ".py":
        raise UsageError(f"{where}: {path} is no Python file; its name has to end with .py")
    try:
        return PluginFile(str(path), decode_source(path.read_bytes()))  # as Python: with a byte-order mark or a cookie
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise UsageError(f"{where}: {path} cannot be read ({error})") from error


def digest_of(module_name: str) -> str | None:
    """The fingerprint of the file that became a module; None where the module came from no such file."""
    return module_name.rpartition("_")[2] if module_name.startswith(PREFIX) else None
