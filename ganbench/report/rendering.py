"""Plates as files, and as SVG text that a page can hold."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ganbench.executors.server import context_for
from ganbench.figures.canvas import style
from ganbench.figures.plates import Plate, plate_figure
from ganbench.files import make_folder, write_bytes
from ganbench.report.inline import Part, inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

DPI = 130
POINTS = 72  # to the inch
MANY = 40  # panels: so many are worth further processes, which take 0.2 GiB each
_METADATA = {  # without dates and versions
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Rendered:
    """A plate as the page needs it.

    Attributes:
        panels: one ``svg`` element a panel.
        definitions: what they refer to, by name: a page keeps each once, however many figures use it.
    """

    panels: tuple[str, ...]
    definitions: Mapping[str, str]


class Studio:
    """Writes the files of plates; of many, in processes of its own while further plates are being prepared.

    Args:
        folder: where ``<name>.png``, ``.svg`` and ``.pdf`` go.
        below: the folder that was given, inside which no link is followed; ``folder`` unless given.
        jobs: processes to share the work where it is large.
    """

    def __init__(self, folder: Path, jobs: int = 1, below: Path | None = None) -> None:
        self._folder, self._jobs, self._below = folder, jobs, below or folder
        self._below.mkdir(parents=True, exist_ok=True)
        make_folder(folder, self._below)
        self._waiting: list[Plate] = []
        self._drawn: list[Future[Rendered]] = []
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def take(self, plates: Sequence[Plate]) -> None:
        """Add plates to what has to be drawn."""
        self._waiting += plates
        if self._pool is None and self._jobs > 1 and sum(len(plate.panels) for plate in self._waiting) >= MANY:
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=context_for("cpu", preload=()))
        if self._pool is not None:
            self._drawn += [self._pool.submit(render, plate, self._folder, self._below) for plate in self._waiting]
            self._waiting = []

    def finish(self) -> list[Rendered]:
        """All plates that were taken, as the page needs them, in their order."""
        return [future.result() for future in self._drawn] + [
            render(plate, self._folder, self._below) for plate in self._waiting
        ]


def render(plate: Plate, folder: Path, below: Path | None = None) -> Rendered:
    """Write one plate as PNG, SVG and PDF; the same plate gives the same bytes. Raises StorageError."""
    with style(), _no_word_on_glyphs():
        contents: dict[str, bytes] = {}
        figure, parts = plate_figure(plate)
        _lay_out(figure, parts)
        for kind, metadata in _METADATA.items():
            drawn = io.BytesIO()
            figure.savefig(drawn, format=kind, dpi=DPI, metadata=metadata)
            contents[kind] = drawn.getvalue()
            write_bytes(folder / f"{plate.name}.{kind}", contents[kind], below, durable=False)
    titles = [f"{plate.title}: {panel.title}" if panel.title else plate.title for panel in plate.panels]
    wanted = [Part(str(part.get_gid()), _box(figure, part), title) for part, title in zip(parts, titles, strict=True)]
    figure.clear()  # else its circles of references keep hundreds of megabytes until Python looks for such
    panels, definitions = inline(contents["svg"].decode(), wanted)
    return Rendered(tuple(panels), definitions)


def _box(figure: Figure, part: SubFigure) -> tuple[float, float, float, float]:
    """Left, top, width and height of a part in points, as its SVG counts them: from the top."""
    box = part.bbox.transformed(figure.dpi_scale_trans.inverted())
    places = (box.x0, figure.bbox_inches.height - box.y1, box.width, box.height)
    left, top, width, height = (POINTS * float(inches) for inches in places)
    return left, top, width, height


def _lay_out(figure: Figure, parts: Sequence[SubFigure]) -> None:
    """Lay a figure out once, to be drawn several times.

    The solver's results differ in their last digits from process to process; rounded they do not.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
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
