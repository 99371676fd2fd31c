"""``ganbench plugin check``: the conformance kit on an installed objective, a plugin's folder or one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from ganbench.commands.terminal import print_rows, say
from ganbench.errors import PluginError, UnknownNameError, UsageError
from ganbench.isolation import guarded, isolated
from ganbench.objective import Objective
from ganbench.plugin_files import read_plugin_files
from ganbench.plugins import Registry, load_plugins
from ganbench.testing import check_objective
from ganbench.testing.folder import entries_of

FORMATS = (".png", ".svg", ".pdf")
Found = list[type[Objective]]


def check_plugin(target: str, plot: Path | None, as_json: bool) -> bool:
    """Judge every objective of a target and print its defects. Returns whether there are none.

    Raises:
        UsageError, PluginError: there is no such target, it cannot be loaded, or it offers no objective.
    """
    classes = _find(target)
    if plot is not None and plot.suffix not in FORMATS:
        raise UsageError(f"--plot is {plot}; wanted a file that ends with {', '.join(FORMATS)}")
    rows, sound = [], True
    for cls in classes:
        with guarded(cls, "checking"):
            defects = check_objective(cls)
        sound &= not defects
        rows += [{"objective": cls.name, "check": d.check, "reason": d.reason, "fix": d.fix} for d in defects]
        if not as_json:
            for defect in defects:
                typer.echo(f"{cls.name}: {defect}")
            typer.echo(f"{cls.name}: {_count(len(defects))}")
    if as_json:
        print_rows(rows, as_json=True)
    if plot is not None:
        _draw(classes, plot)
    return sound


def _count(n: int) -> str:
    return "no defect" if n == 0 else f"{n} defect{'s' if n > 1 else ''}"


def _find(target: str) -> Found:
    path = Path(target)
    if path.is_dir() and (path / "pyproject.toml").exists():
        return _in_folder(path)
    if path.suffix == ".py" or path.is_file():
        (file,) = read_plugin_files([path], "plugin check")
        return _offered(load_plugins([], files=[file]), file.name, target)
    registry = load_plugins()
    try:
        return [registry.objectives.find(target, "plugin check")]
    except UnknownNameError as error:
        return _of_plugin(registry, target, path, error)


def _in_folder(path: Path) -> Found:
    """What a plugin's folder offers, installed or not."""
    registry = load_plugins(entries_of(path), allowed="")
    for plugin in registry.plugins:
        if plugin.state != "loaded":
            raise PluginError(f"{path}: {plugin.name} is {plugin.state}: {plugin.error}")
    return _offered(registry, None, str(path))


def _of_plugin(registry: Registry, target: str, path: Path, unknown: UnknownNameError) -> Found:
    """What a plugin offers that is called so, or whose distribution is."""
    plugins = [p for p in registry.plugins if target in (p.name, p.distribution)]
    for plugin in plugins:
        if plugin.state != "loaded":
            raise PluginError(f"plugin {plugin.name} of {plugin.distribution} is {plugin.state}: {plugin.error}")
    if plugins:
        return _offered(registry, plugins[0].distribution, target)
    if path.is_dir():
        raise UsageError(f"plugin check: {target} has no pyproject.toml; name a plugin's folder or a Python file")
    if len(path.parts) > 1:
        raise UsageError(
            f"plugin check: {target} does not exist; name a plugin's folder, a Python file or an objective"
        )
    raise unknown


def _offered(registry: Registry, distribution: str | None, target: str) -> Found:
    found = [cls for dist, cls in registry.objectives.offered if distribution in (None, dist)]
    if not found:
        raise PluginError(f"{target} offers no objective, and nothing else can be checked")
    return found


def _draw(classes: Sequence[type[Objective]], path: Path) -> None:
    from ganbench.figures.dirac import draw_dirac

    carries = [cls.name for cls in classes if cls.init_state is not Objective.init_state]
    if carries:
        raise UsageError(
            f"--plot: {carries[0]} carries state, so that where its players move is no plane; leave it out"
        )
    try:
        with isolated(f"drawing {', '.join(cls.name for cls in classes)}"):
            draw_dirac([cls() for cls in classes]).savefig(path)
    except OSError as error:
        raise UsageError(f"--plot: {path} cannot be written ({error})") from error
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything
        names = ", ".join(cls.name for cls in classes)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"--plot: {names} cannot be drawn ({reason}); mend the defects first") from error
    say(f"figure: {path}")
