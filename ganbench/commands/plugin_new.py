"""``ganbench plugin new``: an installable plugin with one objective, its test and its README."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from ganbench import __version__
from ganbench.commands.terminal import tell
from ganbench.errors import UsageError

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
    from ganbench.plugins import load_plugins

    if Path(distribution).exists():
        raise UsageError(f"{Path(distribution).absolute()} is there already; take another name or remove it")
    for offers in (registry := load_plugins()).objectives, registry.datasets, registry.architectures:
        for cls in offers:
            if name in (cls.name, *cls.aliases):
                raise UsageError(
                    f"{offers.kind} {name!r} is there already, from {offers.origin(cls)}; take another name"
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
    template = files("ganbench.commands") / "plugin_template"
    paths = ("pyproject.toml", "README.md", OBJECTIVE, "tests/test_objective.py")
    texts = {path: (template / f"{path}.j2").read_text(encoding="utf-8") for path in paths}
    final = {path: f"{values['module']}.py" if path == OBJECTIVE else path for path in paths}
    return {final[path]: environment.from_string(text).render(values) for path, text in texts.items()}
