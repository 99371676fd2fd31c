"""The page: one file that holds text, tables, figures and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from ganbench.report.downloads import Download
from ganbench.report.tables import Grid


@dataclass(frozen=True)
class Picture:
    """A panel as SVG, and how many inches wide it is at most."""

    svg: Markup
    width: float


@dataclass(frozen=True)
class Figure:
    """A figure of the page: its plate's words, its panels as SVG, the command that makes it."""

    name: str
    title: str
    caption: str
    alt: str
    panels: Sequence[Picture]
    command: str


@dataclass(frozen=True)
class Chapter:
    """A part of the page: results, figures and gaps of one dataset and architecture, say."""

    name: str
    title: str
    size: str
    results: Sequence[str]
    failures: Sequence[str]
    leaderboard: Grid | None
    figures: Sequence[Figure]
    missing: Sequence[str]


@dataclass(frozen=True)
class Page:
    """Everything that the page says."""

    title: str
    lead: Sequence[str]
    chapters: Sequence[Chapter]
    claims: Sequence[str]
    verdicts: Grid | None
    shared: Sequence[Figure]
    losses: Grid | None
    provenance: Sequence[Grid]
    commands: Sequence[str]
    downloads: Sequence[Download]
    missing: Sequence[str]
    colours: Mapping[str, str]
    definitions: Markup
    version: str


def render(page: Page) -> str:
    """The page as HTML. All text is escaped; what is ``Markup`` was made by ganbench itself."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _asset(name)), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    parts = {"style": Markup(_asset("style.css")), "script": Markup(_asset("sort.js"))}
    return environment.get_template("page.html").render(page=page, **parts)


def _asset(name: str) -> str:
    return (files("ganbench.report") / name).read_text(encoding="utf-8")
