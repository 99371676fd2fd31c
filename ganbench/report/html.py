"""The page: figures as SVG, and the template that they are put into."""

from __future__ import annotations

import base64
import hashlib
import io
import multiprocessing as mp
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree as Tree

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure as Picture
from matplotlib.figure import SubFigure
from PIL import Image

from ganbench.errors import ProcessError
from ganbench.report.figures.figure import Figure, Missing, compose
from ganbench.report.figures.style import COLOURS, INK, LINE, PAPER, QUIET, style
from ganbench.runner.executors.forkserver import context_for, end_with_parent
from ganbench.store.files import make_folder, write_bytes

# -- SVG inside the page -----------------------------------------------------------------------------------------------

SHADES = 64  # of a see-through picture: lines of one colour over each other

_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    **{colour: f"var(--c{number})" for number, colour in enumerate(COLOURS)},
}
_GLYPH = re.compile(r"#DejaVu")
_REFERENCE = re.compile(r"#([^)\"]+)")
_LONG = re.compile(r"-?\d+\.\d{2,}")
_NOT_SHOWN = ("defs", "metadata", "style")  # definitions and style rules are the page's


def inline(document: str, parts: Mapping[str, Mapping[str, str]]) -> tuple[list[str], dict[str, str]]:
    """Parts of a document as elements without colours of their own for ink and paper.

    What is not seen goes: comments, names that nothing refers to, groups that say nothing, digits beyond a tenth of a
    point. What they refer to (letters, words, markers, clip paths) is kept once by the page, however many figures use
    it; its names are made of its content, so equal names are equal things.

    Args:
        document: as matplotlib wrote it.
        parts: by the name of a group, the attributes of the ``svg`` element that it becomes.

    Returns:
        The elements, and by name the definitions that they refer to.
    """
    root = Tree.fromstring(document)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): value for key, value in element.attrib.items()}
    groups = {element.get("id"): element for element in root.iter("g")}
    defined = {e.attrib["id"]: _without_breaks(e) for defs in root.iter("defs") for e in defs if "id" in e.attrib}
    words: dict[str, str] = {}
    drawn = []
    for name, attributes in parts.items():
        _trim(groups[name], words)
        element = Tree.Element("svg", {"role": "img", **attributes})
        element.extend(groups[name])
        drawn.append(_text(element))
    wanted = {name for text in (*drawn, *words.values()) for name in _REFERENCE.findall(text)}
    used = {**{name: _text(defined[name]) for name in sorted(wanted & set(defined))}, **words}
    return [by_theme(text) for text in drawn], {name: by_theme(text) for name, text in used.items()}


def by_theme(text: str) -> str:
    """The same text with every colour of ganbench's as the variable that the page sets for light or dark."""
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _text(element: Tree.Element) -> str:
    return Tree.tostring(element, encoding="unicode")


def _without_breaks(element: Tree.Element) -> Tree.Element:
    """A definition as it is, without the line breaks around it."""
    for child in element.iter():
        child.text = child.tail = None
    return element


def _trim(element: Tree.Element, words: dict[str, str]) -> None:
    """Shorten an element and all below it; texts become references to ``words``."""
    element.text = element.tail = None
    element.attrib.pop("id", None)
    kept: list[Tree.Element] = []
    for child in element:
        if child.tag not in _NOT_SHOWN:
            _trim(child, words)
            kept += child if child.tag == "g" and not child.attrib else [child]
    element[:] = kept
    _shorten(element)
    if element.tag == "g" and kept and all(_is_letter(child) for child in kept):
        _refer_to_word(element, words)


def _is_letter(element: Tree.Element) -> bool:
    return element.tag == "use" and _GLYPH.match(element.get("href", "")) is not None


def _refer_to_word(group: Tree.Element, words: dict[str, str]) -> None:
    """A group of letters becomes a reference to their word."""
    word = "".join(_text(letter) for letter in group)
    name = "w" + hashlib.blake2b(word.encode(), digest_size=6).hexdigest()
    words[name] = f'<g id="{name}">{word}</g>'
    group[:] = []
    group.tag, group.attrib["href"] = "use", f"#{name}"


def _shorten(element: Tree.Element) -> None:
    """Numbers, styles and pictures in fewer letters."""
    for key, digits in (("d", 1), ("x", 2), ("y", 2), ("width", 2), ("height", 2), ("transform", 4)):
        if key in element.attrib:
            rounded = _LONG.sub(lambda m, digits=digits: f"{float(m[0]):.{digits}f}", element.attrib[key])  # type: ignore[misc]
            element.attrib[key] = " ".join(re.sub(r"\.0+(?!\d)", "", rounded).split())
    if "style" in element.attrib:
        element.attrib["style"] = element.attrib["style"].replace(": ", ":").replace("; ", ";")
    if element.tag == "image":
        element.attrib["href"] = _compressed(element.attrib["href"])


def _compressed(address: str) -> str:
    """A picture's data address with the same picture in fewer bytes; a see-through one in fewer shades."""
    picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    if picture.mode == "RGBA" and min(picture.getchannel("A").tobytes()) < 255:
        picture = picture.quantize(SHADES, method=Image.Quantize.FASTOCTREE).convert("RGBA")
    sink = io.BytesIO()
    picture.save(sink, "WEBP", lossless=True, method=2)
    return "data:image/webp;base64," + base64.b64encode(sink.getvalue()).decode()


# -- writing figures ---------------------------------------------------------------------------------------------------

DPI = 130
POINTS = 72  # to the inch
MANY = 40  # panels: so many are worth further processes, which take 0.2 GiB each
_METADATA = {  # without dates and versions
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page needs it.

    Attributes:
        name, title, caption, alt: those of the figure.
        panels: each as SVG, and how many inches wide it is at most.
        definitions: what they refer to, by name: the page keeps each once, however many figures use it.
    """

    name: str
    title: str
    caption: str
    alt: str
    panels: Sequence[tuple[Markup, float]]
    definitions: Mapping[str, str]


class FigureWriter:
    """Writes the files of figures; of many, in processes of its own while further figures are being prepared.

    Args:
        folder: where ``<name>.png``, ``.svg`` and ``.pdf`` go.
        jobs: processes to share the work where it is large.
        below: the folder that was given, inside which no link is followed; ``folder`` unless given.
    """

    def __init__(self, folder: Path, jobs: int = 1, below: Path | None = None) -> None:
        self._folder, self._jobs, self._below = folder, jobs, below or folder
        self._below.mkdir(parents=True, exist_ok=True)
        make_folder(folder, self._below)
        self._waiting: list[Figure] = []
        self._submitted: list[Future[PageFigure]] = []
        self._pool: ProcessPoolExecutor | None = None
        self._others = set(mp.active_children())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if kind is not None:  # nobody wants what they draw any more
            for process in set(mp.active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def add(self, items: Iterable[Figure | Missing]) -> None:
        """Add the figures among some items to what has to be drawn."""
        self._waiting += [item for item in items if isinstance(item, Figure)]
        if self._pool is None and self._jobs > 1 and sum(len(figure.panels) for figure in self._waiting) >= MANY:
            context = context_for("cpu", preload=())
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=context, initializer=end_with_parent)
        if self._pool is not None:
            self._submitted += [self._pool.submit(render_figure, f, self._folder, self._below) for f in self._waiting]
            self._waiting = []

    def finish(self) -> dict[str, PageFigure]:
        """All figures that were added, by name."""
        try:
            drawn = [future.result() for future in self._submitted]
        except BrokenProcessPool:
            raise ProcessError(
                "a process that draws figures was ended (out of memory?); report with --jobs 1"
            ) from None
        drawn += [render_figure(figure, self._folder, self._below) for figure in self._waiting]
        return {figure.name: figure for figure in drawn}


def render_figure(figure: Figure, folder: Path, below: Path | None = None) -> PageFigure:
    """Write one figure as PNG, SVG and PDF; the same figure gives the same bytes. Raises StorageError."""
    with style(), _without_glyph_warnings():
        contents: dict[str, bytes] = {}
        picture, parts = compose(figure)
        _lay_out(picture, parts)
        for kind, metadata in _METADATA.items():
            drawn = io.BytesIO()
            picture.savefig(drawn, format=kind, dpi=DPI, metadata=metadata)
            contents[kind] = drawn.getvalue()
            write_bytes(folder / f"{figure.name}.{kind}", contents[kind], below, durable=False)
    wanted = {}
    for panel, part in zip(figure.panels, parts, strict=True):
        title = f"{figure.title}: {panel.title}" if panel.title else figure.title
        wanted[str(part.get_gid())] = {"aria-label": title, "viewBox": _view_box(picture, part)}
    picture.clear()  # else its circles of references keep hundreds of megabytes until Python looks for such
    elements, definitions = inline(contents["svg"].decode(), wanted)
    panels = [(Markup(svg), panel.width) for svg, panel in zip(elements, figure.panels, strict=True)]
    return PageFigure(figure.name, figure.title, figure.caption, figure.alt, panels, definitions)


def _view_box(picture: Picture, part: SubFigure) -> str:
    """Left, top, width and height of a part in points, as its SVG counts them: from the top."""
    box = part.bbox.transformed(picture.dpi_scale_trans.inverted())
    inches = (box.x0, picture.bbox_inches.height - box.y1, box.width, box.height)
    return " ".join(f"{POINTS * float(value):.2f}" for value in inches)


def _lay_out(picture: Picture, parts: Sequence[SubFigure]) -> None:
    """Lay a picture out once, to be drawn several times.

    The solver's results differ in their last digits from process to process; rounded they do not. Adding zero makes
    a rounded -0 a 0, which a PDF would write differently.
    """
    engine = picture.get_layout_engine()
    if engine is not None:
        engine.execute(picture)
    picture.set_layout_engine(None)  # "none" would leave a placeholder, for which all is drawn twice
    for part in parts:
        box = part.bbox_relative
        box.p0, box.p1 = box.p0.round(4) + 0.0, box.p1.round(4) + 0.0
    for ax in picture.axes:
        left, bottom, width, height = (round(value, 4) + 0.0 for value in ax.get_position().bounds)
        ax.set_position((left, bottom, width, height))


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """A letter that the font lacks is drawn as a box; the page's tables show it as it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


# -- the page ----------------------------------------------------------------------------------------------------------


def render(page: Mapping[str, Any]) -> str:
    """The page as HTML, of everything that ``page.html`` names.

    All text is escaped; what is ``Markup`` was made by ganbench itself.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _asset(name)), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    parts = {"style": Markup(_asset("style.css")), "script": Markup(_asset("sort.js"))}
    return environment.get_template("page.html").render(page=page, **parts)


def _asset(name: str) -> str:
    return (files("ganbench.report") / name).read_text(encoding="utf-8")
