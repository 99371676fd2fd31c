"""Colours, dashes and markers of objectives, and the canvas of every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

# -- styles of objectives ----------------------------------------------------------------------------------------------

# What is not data. The page replaces exactly these by its own ink and paper, which differ between light and dark.
INK, QUIET, LINE, PAPER = "#26313d", "#66727f", "#d5dbe1", "#ffffff"

# Okabe & Ito (2008), without black, and without yellow, which white paper swallows; a brown in its place.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#9a6a4f")
DASHED = (0, (4, 3))  # a line to compare with: a perfect sampler, guessing
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")

OWN = {"gan": 0, "wgan": 1, "nsgan": 2, "noisegan": 3}  # these keep their colours from study to study

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Style:
    """How an objective is drawn."""

    colour: str
    dash: Dash
    marker: str


Styles = Mapping[str, Style]


def styles(objectives: Iterable[str]) -> dict[str, Style]:
    """A style for each objective; 42 differ. First-party names keep theirs, the others follow in alphabetical order."""
    names = sorted(set(objectives))
    taken = {OWN[name] for name in names if name in OWN}
    free = iter(i for i in range(len(names) + len(OWN)) if i not in taken)
    return {name: _nth_style(OWN[name] if name in OWN else next(free)) for name in names}


def _nth_style(number: int) -> Style:
    round_, colour = divmod(number, len(COLOURS))
    return Style(COLOURS[colour], DASHES[round_ % len(DASHES)], MARKERS[(colour + round_) % len(MARKERS)])


def ellipsize(text: str, most: int = 26) -> str:
    """A name that fits: its beginning and its end, with an ellipsis between."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


# -- canvas ------------------------------------------------------------------------------------------------------------

LETTER = 4.8  # points that a letter of a legend is wide, about
POINTS_BELOW = 36  # from the axes to their legend: room for tick labels and the axis' label
SALT = "ganbench"  # makes the names inside an SVG the same each time

_STYLE = {
    "axes.edgecolor": QUIET, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "grid.color": LINE, "axes.facecolor": "none",
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "grid.linewidth": 0.6, "font.family": ["DejaVu Sans"], "font.size": 9,
    "axes.titlesize": 10, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8,
    "legend.frameon": False, "axes.titlelocation": "left", "svg.hashsalt": SALT, "svg.fonttype": "path",
    "text.parse_math": False, "text.usetex": False, "image.interpolation": "nearest", "axes.unicode_minus": True,
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Within it all figures share one style, whatever the user's matplotlibrc says; outside nothing has changed."""
    with mpl.rc_context():
        mpl.rcdefaults()
        rules: Any = {**sns.axes_style("whitegrid"), **_STYLE}
        mpl.rcParams.update(rules)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_handle(colour: str = INK, text: str = "", **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], **{"color": colour, "lw": 1.8, "ls": "-", **style}, label=text)


def objective_handles(objectives: Iterable[str], styles: Styles, ms: float) -> list[Line2D]:
    """An entry for each objective, in alphabetical order, with markers of ``ms`` points."""
    pairs = [(ellipsize(name), styles[name]) for name in sorted(objectives)]
    return [legend_handle(style.colour, name, ls=style.dash, marker=style.marker, ms=ms) for name, style in pairs]


def legend_below(ax: Axes, handles: Sequence[Artist], most_columns: int = 3) -> None:
    """A legend under the axes and their label, where it covers no data; as many columns as fit."""
    if handles:
        figure: Any = ax.get_figure(root=False)
        longest = max(len(str(h.get_label())) for h in handles)
        room = (figure.bbox.width / figure.dpi * 72 - 30) / (LETTER * longest + 38)
        below = ax.transAxes + ScaledTranslation(0, -POINTS_BELOW / 72, figure.dpi_scale_trans)
        ax.legend(
            handles=list(handles), loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, handlelength=2.2,
            ncols=max(1, min(most_columns, int(room))), columnspacing=1.2, borderaxespad=0, borderpad=0,
            labelspacing=0.35,
        )  # fmt: skip


def log_axis(axis: Axis) -> None:
    """A logarithmic axis with ticks in plain text: at decades, or at 1, 2 and 5 where few decades are in sight."""
    name = "x" if axis is axis.axes.xaxis else "y"
    axis.axes.set(**{f"{name}scale": "log"})
    axis.set_major_locator(_Decades())
    axis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))
    axis.set_minor_locator(NullLocator())


class _Decades(LogLocator):
    """Decades; 1, 2 and 5 of each where fewer than two are in sight; even steps where less than half a one is."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        if 0 < vmin < vmax < 3 * vmin:
            return MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        narrow = vmax < 100 * max(vmin, 1e-300)
        self.set_params(subs=(1, 2, 5) if narrow else (1,), numticks=9 if narrow else 7)
        return super().tick_values(vmin, vmax)


def number(x: float) -> str:
    """A number on an axis: plain where it is short, thousands as k, else a power of ten."""
    if x == 0 or 1e-3 <= abs(x) < 1e4:
        return f"{x:g}"
    if 1e4 <= abs(x) < 1e6:
        return f"{x / 1e3:g}k"
    mantissa, exponent = f"{x:.0e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1" else f"{mantissa}·10{power}"


def plain_axis(axis: Axis) -> None:
    """A linear axis with few ticks in plain text."""
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda x, _: number(round(x, 12))))
