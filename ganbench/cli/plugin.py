"""``ganbench plugin``: check a plugin, or make a new one."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ganbench import __version__
from ganbench.cli.terminal import echo_err, print_rows, tell
from ganbench.errors import PluginError, UnknownNameError, UsageError
from ganbench.interfaces.objective import Objective
from ganbench.plugins.isolation import guarded, isolated
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.project import entries_of
from ganbench.plugins.registry import Catalogue, PluginRegistry, load_plugins
from ganbench.testing import Examination, Unchecked, examine

# -- ganbench plugin check ---------------------------------------------------------------------------------------------

FORMATS = (".png", ".svg", ".pdf")
KINDS = ("objective", "dataset", "architecture", "metric")


class Candidate(NamedTuple):
    """What is checked: a class of one of KINDS, a tracker's function, or an executor, for which there are no checks."""

    kind: str
    target: Any


def check_plugin(target: str, plot: Path | None, as_json: bool) -> bool:
    """Check all that a target offers; print defects and what was not checked. Returns whether there are no defects.

    Raises:
        UsageError, PluginError: there is no such target, it cannot be loaded, or it offers nothing.
    """
    candidates = _find(target)
    if plot is not None and plot.suffix not in FORMATS:
        raise UsageError(f"--plot is {plot}; wanted a file that ends with {', '.join(FORMATS)}")
    examinations = [_examine(candidate) for candidate in candidates]
    if as_json:
        print_rows([row for examination in examinations for row in _rows(examination)], as_json=True)
    for examination in examinations:
        _print(examination, tell if not as_json else None)
    if plot is not None:
        _draw([c.target for c in candidates if c.kind == "objective"], plot)
    return not any(examination.defects for examination in examinations)


def _examine(candidate: Candidate) -> Examination:
    kind, target = candidate
    if kind == "executor":
        return Examination(kind, target.name, (), (), (Unchecked("executor", "the kit has no checks of executors"),))
    with guarded(target, "checking"):
        return examine(target, kind)


def _rows(examination: Examination) -> list[dict[str, str]]:
    """Its defects, one a row; the key that names what is judged is its kind."""
    return [
        {
            examination.kind: examination.name,
            "check": d.check,
            "reason": d.reason,
            "fix": d.fix,
            "kind": examination.kind,
        }
        for d in examination.defects
    ]


def _print(examination: Examination, answer: Callable[[str], object] | None) -> None:
    """Defects and their number as the answer; what was and was not checked as a remark."""
    if answer is not None:
        for defect in examination.defects:
            answer(f"{examination.name}: {defect}")
        answer(f"{examination.name}: {_count(len(examination.defects))}")
    echo_err(f"{examination.kind} {examination.name}: checked: {', '.join(examination.checked) or 'nothing'}")
    echo_err(f"{examination.kind} {examination.name}: not checked: {'; '.join(map(str, examination.unchecked))}")


def _count(n: int) -> str:
    return "no defect" if n == 0 else f"{n} defect{'s' if n > 1 else ''}"


def _find(target: str) -> list[Candidate]:
    path = Path(target)
    if path.is_dir() and (path / "pyproject.toml").exists():
        return _in_folder(path)
    if path.suffix == ".py" or path.is_file():
        (file,) = read_plugin_files([path], "plugin check")
        return _offered(load_plugins([], files=[file]), file.name, target)
    registry = load_plugins()
    try:
        return [_by_name(registry, target)]
    except UnknownNameError as error:
        return _of_plugin(registry, target, path, error)


def _catalogues(registry: PluginRegistry) -> list[Catalogue[Any]]:
    return [registry.objectives, registry.datasets, registry.architectures, registry.metrics]


def _by_name(registry: PluginRegistry, name: str) -> Candidate:
    """The first of its kind that answers to a name. Raises UnknownNameError with all names that do."""
    for catalogue in _catalogues(registry):
        try:
            return Candidate(catalogue.kind, catalogue.find(name, "plugin check"))
        except UnknownNameError as error:
            if error.known and catalogue.elsewhere.get(name.lower()):
                raise
    known = [name for catalogue in _catalogues(registry) for name in catalogue.names()]
    raise UnknownNameError(" or ".join(KINDS), name, known, "plugin check")


def _in_folder(path: Path) -> list[Candidate]:
    """What a plugin's folder offers, installed or not."""
    registry = load_plugins(entries_of(path), allowed="")
    for plugin in registry.plugins:
        if plugin.state != "loaded":
            raise PluginError(f"{path}: {plugin.name} is {plugin.state}: {plugin.error}")
    return _offered(registry, None, str(path))


def _of_plugin(registry: PluginRegistry, target: str, path: Path, unknown: UnknownNameError) -> list[Candidate]:
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


def _offered(registry: PluginRegistry, distribution: str | None, target: str) -> list[Candidate]:
    """Candidates of one distribution; of all, where none is named."""
    candidates = [
        Candidate(catalogue.kind, cls)
        for catalogue in (*_catalogues(registry), registry.executors)
        for dist, cls in catalogue.offered
        if distribution in (None, dist)
    ]
    candidates += [
        Candidate("tracker", tracker.function)
        for tracker in registry.manager.hook.ganbench_trial_finished.get_hookimpls()
        if distribution in (None, tracker.plugin_name.partition(":")[0])
    ]
    if not candidates:
        raise PluginError(f"{target} offers nothing that could be checked")
    return candidates


def _draw(classes: Sequence[type[Objective]], path: Path) -> None:
    from ganbench.report.figures.dirac import draw_dirac

    if not classes:
        raise UsageError("--plot: there is no objective, and nothing else has a Dirac-GAN; leave it out")
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
    except (Exception, SystemExit) as error:  # a third party's code may raise anything
        names = ", ".join(cls.name for cls in classes)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"--plot: {names} cannot be drawn ({reason}); mend the defects first") from error
    echo_err(f"figure: {path}")


# -- ganbench plugin new -----------------------------------------------------------------------------------------------

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60
OBJECTIVE = "objective.py"  # becomes the module


def write_plugin(name: str) -> None:
    """Write the folder ``ganbench-NAME`` and say what to do with it.

    Raises:
        UsageError: the name cannot be used, or is taken; nothing has been written.
    """
    _check_name(name)
    distribution, module = f"ganbench-{name}", f"ganbench_{name.replace('-', '_')}"
    _check_free(name, distribution, module)
    values = {
        "name": name,
        "distribution": distribution,
        "module": module,
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "ganbench": ".".join(__version__.split(".")[:2]),
    }
    folder = Path(distribution)
    try:
        for path, text in _render(values).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder.absolute()} cannot be written ({error}); go to a folder of your own") from error
    tell(f"{folder}/ is written: the loss is in {module}.py. Next:")
    for command in (f"pip install ./{folder}", f"ganbench plugin check {name}", f"ganbench run --objectives {name}"):
        tell(f"  {command}{' --quick' if command.startswith('ganbench run') else ''}")


def _check_name(name: str) -> None:
    if name.startswith("ganbench-"):
        short = name.removeprefix("ganbench-")
        raise UsageError(
            f"NAME is {name!r}; the distribution is called ganbench-NAME by itself, so say {short or 'NAME'}"
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        nearest = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST]
        hint = f", such as {nearest}" if NAME.fullmatch(nearest) else ""
        wanted = f"at most {LONGEST} small letters, digits and single hyphens, a letter first"
        raise UsageError(f"NAME is {name!r}; wanted {wanted}{hint}")


def _check_free(name: str, distribution: str, module: str) -> None:
    from ganbench.plugins.registry import load_plugins

    if Path(distribution).exists():
        raise UsageError(f"{Path(distribution).absolute()} is there already; take another name or remove it")
    for catalogue in (registry := load_plugins()).objectives, registry.datasets, registry.architectures:
        for cls in catalogue:
            if name in (cls.name, *cls.aliases):
                raise UsageError(
                    f"{catalogue.kind} {name!r} is there already, from {catalogue.origin(cls)}; take another name"
                )
    if importlib.util.find_spec(module) is not None:
        raise UsageError(f"a module {module} is installed already; take another name")
    try:
        raise UsageError(f"{distribution} {version(distribution)} is installed already; take another name")
    except PackageNotFoundError:
        return


def _render(values: dict[str, str]) -> dict[str, str]:
    """Path to content."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    template = files("ganbench.cli") / "plugin_template"
    paths = ("pyproject.toml", "README.md", OBJECTIVE, "tests/test_objective.py")
    texts = {path: (template / f"{path}.j2").read_text(encoding="utf-8") for path in paths}
    final = {path: f"{values['module']}.py" if path == OBJECTIVE else path for path in paths}
    return {final[path]: environment.from_string(text).render(values) for path, text in texts.items()}
