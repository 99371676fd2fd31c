"""A leaderboard as text: CSV and JSON with every number in full, Markdown and LaTeX as tables for readers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ganbench.analysis.leaderboard import COUNTS, GRADIENT, NOTE, OF_A_METRIC, columns

FORMULA = ("=", "+", "-", "@", "\t")  # what spreadsheets begin a formula with
PROTOCOL = OF_A_METRIC[-1]


def as_csv(table: pd.DataFrame, directions: Mapping[str, str]) -> str:
    """One line a row under one line of column names; no number is an empty field, an infinite one ``inf``.

    Text that a spreadsheet would take for a formula has an apostrophe in front.
    """
    return plain_cells(table).to_csv(index=False, lineterminator="\n")


def plain_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts, column names included, no spreadsheet takes for formulas."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{str(name): table[name].map(_plain) for name in texts}).rename(columns=_plain)


def _plain(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ")  # which would end a row, as it is not quoted
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def as_json(table: pd.DataFrame, directions: Mapping[str, str]) -> str:
    """A list of objects; no number is null, and an infinite one, which JSON has not, the text ``inf`` or ``-inf``."""
    rows = [{name: _json_value(value) for name, value in row.items()} for row in table.to_dict("records")]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


@dataclass(frozen=True)
class TextTable:
    """A table for readers: what can be compared, one row an objective.

    Attributes:
        title: dataset and architecture, with the variant and its steps where there are several.
        header: of the columns.
        rows: of texts, as long as the header.
        note: what the numbers are.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def sheets(table: pd.DataFrame, directions: Mapping[str, str]) -> list[TextTable]:
    """A leaderboard as one sheet for every dataset, architecture and variant."""
    metrics = [name.removesuffix(PROTOCOL) for name in table.columns if name.endswith(PROTOCOL)]
    assert list(table.columns) == columns(metrics)
    made = []
    for (dataset, architecture), place in table.groupby(["dataset", "architecture"], sort=False):
        several = place["variant"].nunique() > 1
        for (variant, steps), rows in place.groupby(["variant", "steps"], sort=False):
            title = f"{dataset} · {architecture}" + (f" · variant {variant}, {steps:,} steps" if several else "")
            made.append(_sheet(title, rows, [m for m in metrics if rows[m].notna().any()], directions))
    return made


def _sheet(title: str, rows: pd.DataFrame, metrics: Sequence[str], directions: Mapping[str, str]) -> TextTable:
    ways = {m: f"{m} {'↓' if directions[m] == 'lower' else '↑'}" for m in metrics}
    header = ["objective", *COUNTS, *(text for m in metrics for text in (ways[m], f"{m} best")), "median ‖∇G‖"]
    cells = [
        [str(row["objective"]), *(str(row[c]) for c in COUNTS)]
        + [interval_text(row[n], row[f"{n}_low"], row[f"{n}_high"]) for m in metrics for n in (m, f"{m}_best")]
        + [number_text(row[GRADIENT])]
        for row in rows.to_dict("records")
    ]
    return TextTable(title, header, cells, _note(rows, metrics))


def _note(rows: pd.DataFrame, metrics: Sequence[str]) -> str:
    """What the numbers of a sheet are: the statistic, the methods of the intervals, the protocols."""
    methods = sorted({m for name in metrics for kind in ("", "_best") for m in rows[f"{name}{kind}_method"] if m})
    protocols = [str(rows[name + PROTOCOL].iloc[0]) for name in metrics]
    notes = [
        "Interquartile means over seeds with 95 % intervals, of the values at the last step and of each seed's best "
        "over time; trials that diverged or failed count as worst",
        f"Methods: {'; '.join(methods)}" if methods else "No metric has a value",
        f"Protocols: {', '.join(protocols)}" if protocols else "",
        "‖∇G‖: norm of the generator's gradient, over all steps of all trials",
        *(
            f"Learnt little or nothing: {row['objective']} ({row[NOTE]})"
            for row in rows.to_dict("records")
            if row[NOTE]
        ),
    ]
    return ". ".join(text for text in notes if text) + "."


def number_text(value: float) -> str:
    """Three significant digits; ∞ for an infinite value, a dash for none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.3g}".replace("-", "−")  # + 0.0 makes −0 a 0


def interval_text(value: float, low: float, high: float) -> str:
    """An estimate and, where there is one, its interval."""
    if math.isnan(low) or math.isnan(high):
        return number_text(value)
    return f"{number_text(value)} [{number_text(low)}, {number_text(high)}]"


def as_markdown(table: pd.DataFrame, directions: Mapping[str, str]) -> str:
    """One table a sheet, as GitHub's Markdown has them, with names escaped."""
    return "\n".join(_markdown(sheet) for sheet in sheets(table, directions))


def _markdown(sheet: TextTable) -> str:
    ruler = [":--", *["--:"] * (len(sheet.header) - 1)]
    lines = [[markdown_text(cell) for cell in row] for row in (sheet.header, *sheet.rows)]
    table = ["| " + " | ".join(row) + " |" for row in (lines[0], ruler, *lines[1:])]
    return "\n".join([f"### {markdown_text(sheet.title)}", "", *table, "", markdown_text(sheet.note), ""])


def markdown_text(text: str) -> str:
    """Any text as Markdown that shows it: no markup, no HTML, no end of a cell, no mathematics, on one line."""
    escaped = re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_latex(table: pd.DataFrame, directions: Mapping[str, str]) -> str:
    r"""One ``table`` environment a sheet; ``\usepackage{booktabs}`` is all that a document needs."""
    return "% \\usepackage{booktabs}\n" + "\n".join(_latex(sheet) for sheet in sheets(table, directions))


def _latex(sheet: TextTable) -> str:
    lines = [_latex_row(row) for row in (sheet.header, *sheet.rows)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(sheet.title)}. {latex_text(sheet.note)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(sheet.header) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str]) -> str:
    """A row; LaTeX would take a bracket or a star at its start for an argument of the line break before it."""
    text = " & ".join(latex_text(cell) for cell in cells) + r" \\"
    return "{}" + text if text[0] in "[*" else text


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "`": r"\`{}", '"': r"\texttt{\char34}", "–": r"\textendash{}", "·": r"$\cdot$",
        "∞": r"$\infty$", "−": "$-$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "‖": r"$\Vert$", "∇": r"$\nabla$",
    }
)  # fmt: skip


def latex_text(text: str) -> str:
    """Any text as LaTeX that shows it, on one line; other letters than ASCII need an engine that has them."""
    escaped = " ".join(text.split()).translate(_LATEX)
    return re.sub(r"([-'])(?=\1)", r"\1{}", escaped)  # two of them would be joined to a dash or another quote


FORMATS: dict[str, Callable[[pd.DataFrame, Mapping[str, str]], str]] = {
    "csv": as_csv,
    "latex": as_latex,
    "md": as_markdown,
    "json": as_json,
}
