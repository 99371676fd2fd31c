"""Command-line options out of the fields of ``StudyConfig``, and what options of other commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ganbench.study.config import OPTIONS, default_in_words

Given = dict[str, Any]  # the options that a command line gives, by field of StudyConfig
Command = Callable[..., None]


def study_options(*names: str, **descriptions: str) -> Callable[[Command], Command]:
    """Put options of ``ganbench run`` in the place of a command's parameter ``given``.

    The command is called with those of them that the command line gives, as ``make_config`` takes them.

    Args:
        names: fields of StudyConfig, in the order of the help; none means all.
        descriptions: help by field, with the default, where a command means less by an option than ``run`` does.
    """
    chosen = names or tuple(OPTIONS)

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        options = [_parameter(name, descriptions.get(name, "")) for name in chosen]
        own = signature.parameters.values()
        parameters = [q for p in own for q in (options if p.name == "given" else [p])]

        @wraps(command)
        def with_given(**values: Any) -> None:
            given = {name: value for name in chosen if (value := values.pop(name)) not in (None, [])}
            command(**values, given=given)

        in_order = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        with_given.__signature__ = signature.replace(parameters=in_order)  # type: ignore[attr-defined]
        with_given.__annotations__ = {p.name: p.annotation for p in in_order}
        return with_given

    return decorate


def _parameter(name: str, description: str) -> inspect.Parameter:
    """A parameter as typer reads it; None means that its option was not given."""
    option, default = OPTIONS[name], default_in_words(name)
    value_type: Any = option.type if option.type in (bool, int, float) else list[str] if option.repeatable else str
    switch = f"--{option.name}/--no-{option.name}" if option.type is bool else f"--{option.name}"
    shown = typer.Option(
        switch,
        help=description or (f"{option.help.rstrip('.')} [default: {default}]." if default else option.help),
        metavar=option.metavar,
        autocompletion=complete(option.complete) if option.complete else None,
    )
    annotation = Annotated[value_type | None, shown]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def complete(kind: str) -> Callable[[str], list[str]]:
    """Completes a comma-separated list of names: what was typed, with every name that its last part may become."""

    def completions(incomplete: str) -> list[str]:
        from ganbench.cli.listing import names_of

        typed, comma, last = incomplete.rpartition(",")
        return [typed + comma + name for name in names_of(kind) if name.startswith(last)]

    return completions


def path(text: str) -> Path:
    """A path as it was typed, with the home folder in the place of ``~``."""
    from ganbench.interfaces.paths import expand_home

    return Path(expand_home(text))
