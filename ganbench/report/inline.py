"""Figures as SVG elements that one page holds hundreds of."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Tree

from PIL import Image

from ganbench.figures.palette import COLOURS, INK, LINE, PAPER, QUIET

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


@dataclass(frozen=True)
class Part:
    """A part of an SVG document that stands alone in the page.

    Attributes:
        group: the name of its group in the document.
        box: left, top, width and height, in points.
        alt: the text alternative.
    """

    group: str
    box: tuple[float, float, float, float]
    alt: str


def inline(document: str, parts: Sequence[Part]) -> tuple[list[str], dict[str, str]]:
    """Parts of a document as elements without colours of their own for ink and paper.

    What is not seen goes: comments, names that nothing refers to, groups that say nothing, digits beyond a tenth of a
    point. What they refer to (letters, words, markers, clip paths) is kept once by the page, however many figures use
    it; its names are made of its content, so equal names are equal things.

    Args:
        document: as matplotlib wrote it.
        parts: those wanted.

    Returns:
        The elements, and by name the definitions that they refer to.
    """
    root = Tree.fromstring(document)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): value for key, value in element.attrib.items()}
    groups = {element.get("id"): element for element in root.iter("g")}
    defined = {e.attrib["id"]: _defined(e) for defs in root.iter("defs") for e in defs if "id" in e.attrib}
    words: dict[str, str] = {}
    for part in parts:
        _trim(groups[part.group], words)
    drawn = [_text(_alone(groups[part.group], part)) for part in parts]
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


def _alone(group: Tree.Element, part: Part) -> Tree.Element:
    view = " ".join(f"{value:.2f}" for value in part.box)
    alone = Tree.Element("svg", {"role": "img", "aria-label": part.alt, "viewBox": view})
    alone.extend(group)
    return alone


def _defined(element: Tree.Element) -> Tree.Element:
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
        _refer(element, words)


def _is_letter(element: Tree.Element) -> bool:
    return element.tag == "use" and _GLYPH.match(element.get("href", "")) is not None


def _refer(group: Tree.Element, words: dict[str, str]) -> None:
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
        element.attrib["href"] = _smaller(element.attrib["href"])


def _smaller(address: str) -> str:
    """A picture's data address with the same picture in fewer bytes; a see-through one in fewer shades."""
    picture: Image.Image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    if picture.mode == "RGBA" and min(picture.getchannel("A").tobytes()) < 255:
        picture = picture.quantize(SHADES, method=Image.Quantize.FASTOCTREE).convert("RGBA")
    sink = io.BytesIO()
    picture.save(sink, "WEBP", lossless=True, method=2)
    return "data:image/webp;base64," + base64.b64encode(sink.getvalue()).decode()
