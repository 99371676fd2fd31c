"""From results folders to a report folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ganbench import __version__
from ganbench.analysis.scores import last_evaluations, missing_reasons, other_protocols
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.figures.architectures import robustness_figures
from ganbench.report.figures.estimates import estimate_figures
from ganbench.report.figures.figure import Figure, Missing
from ganbench.report.figures.final_scores import final_score_figures
from ganbench.report.figures.gradients import gradient_figures
from ganbench.report.figures.landscape import landscape_figures
from ganbench.report.figures.modes import mode_figures
from ganbench.report.figures.probe import probe_figures
from ganbench.report.figures.samples import sample_figures
from ganbench.report.figures.style import styles
from ganbench.report.figures.training_curves import course_figures
from ganbench.report.figures.verdicts import verdict_figures
from ganbench.report.html import FigureWriter, PageFigure, by_theme, render
from ganbench.report.sections import ReportData, SectionResult, evaluate
from ganbench.report.tables import downloads, incomplete_trials, leaderboard_table, provenance, verdict_table
from ganbench.report.text import (
    claim_sentences,
    failure_sentences,
    learning_sentences,
    result_sentences,
    size_sentence,
    verdict_sentence,
)
from ganbench.store.files import write_bytes

Items = Iterable[Figure | Missing]

# What is drawn of every section, in the page's order. A new figure is a module of ``figures`` and an entry here.
SECTION_FIGURES: tuple[Callable[[SectionResult], Items], ...] = (
    final_score_figures,
    gradient_figures,
    probe_figures,
    course_figures,
    mode_figures,
    estimate_figures,
    sample_figures,
    landscape_figures,
)

DOWNLOADS = ("trials", "evaluations", "modes", "probes", "floors", "steps")


def build(
    data: ReportData,
    registry: PluginRegistry,
    root: Path,
    out: Path,
    echo: Callable[[str], None],
    jobs: int = 1,
    below: Path | None = None,
) -> Path:
    """Write figures and page below ``out``. Returns the page's path.

    Args:
        data: what to report.
        registry: plugins: which way metrics go, and how stored generators are run.
        root: where datasets lie.
        out: the report folder; figures go to ``figures`` inside it.
        echo: gets a sentence about what is being done.
        jobs: processes that draw.
        below: the folder that was given, inside which no link is followed; ``out`` unless given.

    Raises:
        StorageError: a file cannot be written.
    """
    echo("drawing figures")
    below = below or out
    results, items = [], []
    with FigureWriter(out / "figures", jobs, below) as writer:
        for section in data.sections:
            result = evaluate(section, data.homes, registry, root)
            results.append(result)
            items.append([item for figures in SECTION_FIGURES for item in figures(result)])
            writer.add(items[-1])  # drawn while the next section is evaluated
        shared = [*robustness_figures(results), *verdict_figures(data.verdicts)]
        writer.add(shared)
        drawn = writer.finish()
    chapters = [_chapter(result, own, drawn) for result, own in zip(results, items, strict=True)]
    page = _page(data, chapters, shared, drawn, [result.board for result in results])
    write_bytes(out / "index.html", render(page).encode(), below)
    return out / "index.html"


def _chapter(result: SectionResult, items: Items, drawn: Mapping[str, PageFigure]) -> dict[str, Any]:
    """What ``page.html`` says of a section."""
    section, learning = result.section, learning_sentences(result.board)
    quality = result_sentences(result.rankings) or ["Nothing can be said of quality: no metric has a value."]
    last = last_evaluations(section.results, list(section.results.trials["trial"]))
    gaps = [*result.unknown, *missing_reasons(last), *other_protocols(last)]
    return {
        "name": section.name,
        "title": section.title,
        "size": size_sentence(section),
        "results": [*learning, *quality],
        "failures": failure_sentences(section.results.trials, learnt=not learning),
        "leaderboard": leaderboard_table(result),
        "figures": _figures(items, drawn),
        "missing": [*_missing(items), *(text[0].upper() + text[1:].rstrip(".") + "." for text in gaps)],
    }


def _figures(items: Items, drawn: Mapping[str, PageFigure]) -> list[PageFigure]:
    return [drawn[item.name] for item in items if isinstance(item, Figure)]


def _missing(items: Items) -> list[str]:
    return [item for item in items if isinstance(item, Missing)]


def _page(
    data: ReportData,
    chapters: Sequence[Mapping[str, Any]],
    shared: Items,
    drawn: Mapping[str, PageFigure],
    boards: Sequence[pd.DataFrame],
) -> dict[str, Any]:
    """What ``page.html`` says."""
    results, verdicts = data.results, data.verdicts
    tables = {"leaderboard": pd.concat(boards, ignore_index=True)} if boards else {}
    tables |= {} if verdicts is None else {"verdicts": verdicts}
    tables |= {name: getattr(results, name) for name in DOWNLOADS}
    definitions = {name: text for figure in drawn.values() for name, text in figure.definitions.items()}
    no_trials = ["There are no trials here, so no objective is compared."] * (not chapters)
    return {
        "title": _title(data),
        "lead": _lead(data),
        "chapters": chapters,
        "claims": [] if verdicts is None else claim_sentences(verdicts),
        "verdicts": None if verdicts is None else verdict_table(verdicts),
        "shared": _figures(shared, drawn),
        "incomplete": incomplete_trials(results.trials),
        "provenance": provenance(data) if len(results.trials) else [],
        "commands": data.commands(),
        "command": _command(data),
        "downloads": downloads(tables),
        "missing": [*_missing(shared), *no_trials],
        "colours": {name: by_theme(style.colour) for name, style in styles(results.trials["objective"]).items()},
        "definitions": Markup("".join(definitions[name] for name in sorted(definitions))),
        "version": __version__,
    }


def _title(data: ReportData) -> str:
    datasets = list(dict.fromkeys(data.results.trials["dataset"]))
    if not datasets:
        return "Claims of the literature"
    return "GAN objectives on " + ", ".join(map(str, datasets[:4])) + (" and more" if len(datasets) > 4 else "")


def _lead(data: ReportData) -> list[str]:
    trials, steps, sentences = data.results.trials, data.results.steps, []
    if len(trials):
        counts = ", ".join(f"{n:,} {name}" for name, n in sorted(trials["status"].value_counts().items()))
        recorded = f"{len(steps):,} step{'s' * (len(steps) != 1)} recorded"
        sentences.append(f"{len(trials):,} trial{'s' * (len(trials) != 1)} ({counts}), {recorded}.")
    return sentences if data.verdicts is None else [*sentences, verdict_sentence(data.verdicts)]


def _command(data: ReportData) -> str:
    """The last command of the study, and the report's, as one would type them."""
    commands = [command for command in data.commands() if command]
    places = list(dict.fromkeys(str(r.get("out") or "RESULTS") for r in data.requests)) or ["RESULTS"]
    report = shlex.join(["ganbench", "report", *places])
    return f"{commands[-1]} && {report}" if commands else report
