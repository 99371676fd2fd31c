"""Plates as files, and as SVG text that a page can hold."""

from __future__ import annotations

import io
import multiprocessing
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.executors.server import socket_fits
from ganbench.figures.canvas import style
from ganbench.figures.palette import COLOURS, INK, LINE, PAPER, QUIET
from ganbench.figures.plates import Plate, plate_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

DPI = 130
MANY = 12  # panels: so many are worth further processes
_METADATA = {  # without dates and versions
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    **{colour: f"var(--c{number})" for number, colour in enumerate(COLOURS)},
}


@dataclass(frozen=True)
class Rendered:
    """A plate as the page needs it.

    Attributes:
        panels: one ``svg`` element a panel.
        glyphs: outlines of the letters in them, by name: a page keeps each once, however many figures use it.
    """

    panels: tuple[str, ...]
    glyphs: Mapping[str, str]


def render_all(plates: Sequence[Plate], folder: Path, jobs: int = 1) -> Iterator[Rendered]:
    """Write the files of all plates, and give them as the page needs them, in their order.

    Args:
        plates: what to draw.
        folder: where ``<name>.png``, ``.svg`` and ``.pdf`` go.
        jobs: processes to share the work where it is large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if jobs < 2 or sum(len(plate.panels) for plate in plates) < MANY:
        yield from (render(plate, folder) for plate in plates)
        return
    forks = sys.platform == "linux" and socket_fits()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(render, plates, [folder] * len(plates))


def render(plate: Plate, folder: Path) -> Rendered:
    """Write one plate as PNG, SVG and PDF; the same plate gives the same bytes."""
    with style(), _no_word_on_glyphs():
        figure, parts = plate_figure(plate)
        _lay_out(figure, parts)
        for kind, metadata in _METADATA.items():
            figure.savefig(folder / f"{plate.name}.{kind}", dpi=DPI, metadata=metadata)
        texts = [_panel_svg(figure, part) for part in parts]
    glyphs: dict[str, str] = {}
    alts = [f"{plate.title}: {panel.title}" if panel.title else plate.title for panel in plate.panels]
    names = [f"{plate.name}-{number}" for number in range(1, len(texts) + 1)]
    svgs = [_for_page(text, name, alt, glyphs) for text, name, alt in zip(texts, names, alts, strict=True)]
    return Rendered(tuple(svgs), glyphs)


def _lay_out(figure: Figure, parts: Sequence[SubFigure]) -> None:
    """Lay a figure out once, to be drawn several times.

    The solver's results differ in their last digits from process to process; rounded they do not.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # "none" would leave a placeholder, for which every figure is drawn twice
    for part in parts:
        part.bbox_relative.p0, part.bbox_relative.p1 = part.bbox_relative.p0.round(4), part.bbox_relative.p1.round(4)
    for ax in figure.axes:
        left, bottom, width, height = (round(value, 4) for value in ax.get_position().bounds)
        ax.set_position((left, bottom, width, height))


@contextmanager
def _no_word_on_glyphs() -> Iterator[None]:
    """A letter that the font lacks is drawn as a box; the page's tables show it as it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _panel_svg(figure: Figure, part: SubFigure) -> str:
    """One panel of a figure that has been laid out, without the others."""
    hidden = [other for other in (*figure.subfigs, figure._suptitle) if other not in (part, None)]  # type: ignore[attr-defined]
    for other in hidden:
        other.set_visible(False)
    figure.patch.set_visible(False)
    sink = io.StringIO()
    box = part.bbox.transformed(figure.dpi_scale_trans.inverted())
    figure.savefig(sink, format="svg", metadata=_METADATA["svg"], bbox_inches=box, dpi=DPI)
    for other in (*hidden, figure.patch):
        other.set_visible(True)
    return sink.getvalue()


_GLYPH = re.compile(r'<path id="(?P<id>DejaVu[^"]+)"[^>]*/>\s*')
_ID = re.compile(r'(\bid="|xlink:href="#|url\(#)(?!DejaVu)([^")]+)')
_DATA = re.compile(r' d="([^"]*)"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_NOT_SHOWN = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*</defs>", re.DOTALL)


def _for_page(svg: str, name: str, alt: str, glyphs: dict[str, str]) -> str:
    """An SVG document as an element without colours of its own for ink and paper, and with names that are its own.

    Args:
        svg: as matplotlib wrote it.
        name: put before every name inside, so that no two figures of a page share one.
        alt: the text alternative.
        glyphs: takes the outlines of letters.
    """

    def keep(match: re.Match[str]) -> str:
        glyphs[match["id"]] = match[0].strip()
        return ""

    svg = _NOT_SHOWN.sub("", _GLYPH.sub(keep, svg[svg.index("<svg") :]))
    svg = _ID.sub(rf"\g<1>{name}-\g<2>", svg)
    svg = _DATA.sub(lambda m: f' d="{_NUMBER.sub(_rounded, m[1])}"', svg)
    svg = by_theme(svg)
    head = f'<svg role="img" aria-label="{escape(alt, quote=True)}"'
    svg = re.sub(r'<svg xmlns:xlink="[^"]*" width="[^"]*" height="[^"]*"', lambda _: head, svg, count=1)
    return re.sub(r"\n\s*", "\n", svg).strip()


def by_theme(text: str) -> str:
    """The same text with every colour of ganbench's as the variable that the page sets for light or dark."""
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
