"""From results folders to a report folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ganbench import __version__
from ganbench.analysis.leaderboard import leaderboard
from ganbench.analysis.ranking import Ranking, rank
from ganbench.analysis.scores import directions, last_evaluations, missing_reasons, unknown_metrics
from ganbench.errors import GanbenchError
from ganbench.plugins.build import instantiate
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.figures.figure import FigureSet, FigureSpec
from ganbench.report.figures.final_scores import estimate_story, finals_story, robustness_story
from ganbench.report.figures.modes import course_story, gradient_story, modes_story
from ganbench.report.figures.probe import probe_story
from ganbench.report.figures.samples import sample_story
from ganbench.report.figures.style import styles
from ganbench.report.figures.verdicts import verdict_story
from ganbench.report.html import Chapter, FigureWriter, Page, PageFigure, Picture, Rendered, by_theme, render
from ganbench.report.sample_sets import open_gallery
from ganbench.report.sections import ReportData, Section
from ganbench.report.tables import downloads, leaderboard_grid, losses, provenance, verdict_grid
from ganbench.report.text import (
    MetricInfo,
    claim_sentences,
    failure_sentences,
    learning_sentences,
    measures,
    result_sentences,
    size_sentence,
    verdict_sentence,
)
from ganbench.spec import Component
from ganbench.store.files import write_bytes

Say = Callable[[str], None]

COURSES = ("fid", "sliced_w1", "modes")  # metrics whose course is drawn


@dataclass(frozen=True)
class SectionResult:
    """A section with its leaderboard, a ranking by each metric, the leading one first, and what cannot be ranked.

    Attributes:
        sentences: what the rankings come to.
    """

    section: Section
    board: pd.DataFrame
    rankings: Mapping[MetricInfo, Ranking]
    sentences: Sequence[str]
    unknown: Sequence[str]

    @property
    def leading(self) -> MetricInfo | None:
        """The metric that decides who stands first."""
        return next(iter(self.rankings), None)


def build(
    material: ReportData,
    registry: PluginRegistry,
    root: Path,
    out: Path,
    say: Say,
    jobs: int = 1,
    below: Path | None = None,
) -> Path:
    """Write figures and page below ``out``. Returns the page's path.

    Args:
        material: what to tell.
        registry: plugins: which way metrics go, and how stored generators are run.
        root: where datasets lie.
        out: the report folder; figures go to ``figures`` inside it.
        say: told what is being done.
        jobs: processes that draw.
        below: the folder that was given, inside which no link is followed; ``out`` unless given.

    Raises:
        StorageError: a file cannot be written.
    """
    say("drawing figures")
    below = below or out
    with FigureWriter(out / "figures", jobs, below) as studio:
        told = [_tell(section, material, registry, root, studio) for section in material.sections]
        judged = [part for part, _ in told]
        shared = _shared(judged, material)
        studio.take(shared.plates)
        plates = [plate for story in (*(story for _, story in told), shared) for plate in story.plates]
        figures, definitions = _gathered(plates, studio.finish(), _command(material))
    chapters = [_chapter(part, story, figures) for part, story in told]
    boards = pd.concat([part.board for part in judged], ignore_index=True) if judged else pd.DataFrame()
    page = _page(material, chapters, shared, figures, boards, definitions)
    write_bytes(out / "index.html", render(page).encode(), below)
    return out / "index.html"


def _tell(
    section: Section, material: ReportData, registry: PluginRegistry, root: Path, studio: FigureWriter
) -> tuple[SectionResult, FigureSet]:
    """What a section shows; its figures are drawn while the next one is judged."""
    part = _judge(section, registry)
    story = _story(part, material, registry, root)
    studio.take(story.plates)
    return part, story


def _page(
    material: ReportData,
    chapters: Sequence[Chapter],
    shared: FigureSet,
    figures: Mapping[str, PageFigure],
    board: pd.DataFrame,
    definitions: Markup,
) -> Page:
    return Page(
        title=_title(material),
        lead=_lead(material),
        chapters=chapters,
        claims=[] if material.verdicts is None else claim_sentences(material.verdicts),
        verdicts=None if material.verdicts is None else verdict_grid(material.verdicts),
        shared=[figures[plate.name] for plate in shared.plates],
        losses=losses(material),
        provenance=provenance(material) if len(material.results.trials) else [],
        commands=material.commands(),
        downloads=downloads({"leaderboard": board, **_tables(material)}),
        missing=shared.missing,
        colours={name: by_theme(look.colour) for name, look in styles(material.results.trials["objective"]).items()},
        definitions=definitions,
        version=__version__,
    )


def _gathered(
    plates: Sequence[FigureSpec], drawn: Sequence[Rendered], command: str
) -> tuple[dict[str, PageFigure], Markup]:
    """The page's figures by name, and what they all refer to."""
    figures: dict[str, PageFigure] = {}
    definitions: dict[str, str] = {}
    for plate, rendered in zip(plates, drawn, strict=True):
        pictures = [Picture(Markup(svg), p.width) for svg, p in zip(rendered.panels, plate.panels, strict=True)]
        figures[plate.name] = PageFigure(plate.name, plate.title, plate.caption, plate.alt, pictures, command)
        definitions |= rendered.definitions
    return figures, Markup("".join(definitions[name] for name in sorted(definitions)))


def _judge(section: Section, registry: PluginRegistry) -> SectionResult:
    known = directions(registry.metrics)
    board = leaderboard(section.results, known)
    found = {m: rank(section.results, board, m.metric, m.lower) for m in measures(section, registry)}
    rankings = {measure: ranking for measure, ranking in found.items() if ranking is not None}
    unknown = unknown_metrics(section.results.evaluations, known)
    return SectionResult(section, board, rankings, result_sentences(rankings), unknown)


def _chapter(part: SectionResult, story: FigureSet, figures: Mapping[str, PageFigure]) -> Chapter:
    section, unlearnt = part.section, learning_sentences(part.board)
    return Chapter(
        name=section.name,
        title=section.title,
        size=size_sentence(section),
        results=[*unlearnt, *(part.sentences or ["Nothing can be said of quality: no metric has a value."])],
        failures=failure_sentences(section.results.trials, learnt=not unlearnt),
        leaderboard=leaderboard_grid(section, part.board, part.rankings),
        figures=[figures[plate.name] for plate in story.plates],
        missing=story.missing,
    )


def _story(part: SectionResult, material: ReportData, registry: PluginRegistry, root: Path) -> FigureSet:
    section, leading = part.section, part.leading
    story = finals_story(section, part.rankings) + gradient_story(section) + probe_story(section)
    for measure in part.rankings:
        if measure.metric in COURSES:
            story += course_story(section, measure)
    story += modes_story(section)
    if leading is not None:
        story += estimate_story(section, leading, _estimates(section, registry))
    gallery = open_gallery(section, part.rankings.get(leading) if leading else None, material, registry, root)
    return story + sample_story(section, gallery, leading) + FigureSet(missing=_gaps(part))


def _gaps(part: SectionResult) -> tuple[str, ...]:
    """What is not ranked, and which metrics could not be computed."""
    last = last_evaluations(part.section.results, list(part.section.results.trials["trial"]))
    sentences = [*part.unknown, *missing_reasons(last)]
    return tuple(text[0].upper() + text[1:].rstrip(".") + "." for text in sentences)


def _estimates(section: Section, registry: PluginRegistry) -> dict[str, str]:
    """By objective what its critic's estimate is of."""
    kinds = {}
    for objective, group in section.results.trials.groupby("objective"):
        described = json.loads(group["settings"].iloc[0]).get("objective", {})
        try:
            found = Component("objective", described["name"], str(objective), described["fields"], described["code"])
            classifier = instantiate(registry.objectives, found).classifier
        except (GanbenchError, KeyError):  # a plugin that is not installed here: what it estimates is unknown
            continue
        kinds[str(objective)] = "estimate: JS bound (nats)" if classifier else "estimate: score gap"
    return kinds


def _shared(judged: Sequence[SectionResult], material: ReportData) -> FigureSet:
    ranked = [(p.section, p.leading, p.rankings[p.leading]) for p in judged if p.leading is not None]
    story = robustness_story(ranked) + verdict_story(material.verdicts)
    if not judged:
        story += FigureSet(missing=("There are no trials here, so no objective is compared.",))
    return story


def _title(material: ReportData) -> str:
    datasets = list(dict.fromkeys(material.results.trials["dataset"]))
    if not datasets:
        return "Claims of the literature"
    return "GAN objectives on " + ", ".join(map(str, datasets[:4])) + (" and more" if len(datasets) > 4 else "")


def _lead(material: ReportData) -> list[str]:
    trials = material.results.trials
    told = [verdict_sentence(material)] if material.verdicts is not None else []
    if len(trials):
        counts = ", ".join(f"{n:,} {name}" for name, n in sorted(trials["status"].value_counts().items()))
        rows = f"{len(material.results.steps):,} step{'s' * (len(material.results.steps) != 1)} recorded"
        told.insert(0, f"{len(trials):,} trial{'s' * (len(trials) != 1)} ({counts}), {rows}.")
    return told


def _command(material: ReportData) -> str:
    """The last command of the study, and the report's, as one would type them."""
    commands = [command for command in material.commands() if command]
    places = list(dict.fromkeys(str(r.get("out") or "RESULTS") for r in material.requests)) or ["RESULTS"]
    report = shlex.join(["ganbench", "report", *places])
    return f"{commands[-1]} && {report}" if commands else report


def _tables(material: ReportData) -> dict[str, Any]:
    names = ("trials", "evaluations", "modes", "probes", "floors", "steps")
    tables = {name: getattr(material.results, name) for name in names}
    return tables if material.verdicts is None else {"verdicts": material.verdicts, **tables}
