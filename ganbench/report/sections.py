"""What a report is made of: the tables of one or several studies, in sections that compare like with like.

``load_report_data`` reads the tables, ``evaluate`` says what those of a section come to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.analysis.leaderboard import leaderboard
from ganbench.analysis.leaderboard import sections as trial_groups
from ganbench.analysis.ranking import Ranking, rank
from ganbench.analysis.scores import directions, metrics_of, unknown_metrics
from ganbench.errors import DamageError, GanbenchError, UsageError
from ganbench.plugins.build import instantiate
from ganbench.plugins.former import identity
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.figures.style import Styles, styles
from ganbench.report.sample_sets import SampleSet, draw_sample_set
from ganbench.spec import Component, slug
from ganbench.store import schema
from ganbench.store.files import accepted
from ganbench.store.results import Results, read_asked, read_study, read_tables

TITLES = {"fid": "FID", "kid": "KID", "sliced_w1": "sliced W1", "w1": "W1", "modes": "modes captured",
          "high_quality": "high-quality share", "mode_kl": "KL of the mode histogram"}  # fmt: skip
ON_LOG = ("fid", "kid", "w1", "sliced_w1", "mode_kl")  # positive, and over orders of magnitude


@dataclass(frozen=True)
class Section:
    """Trials that differ in nothing but the objective and the seed: what can be compared.

    Attributes:
        title: dataset and architecture, and the budget where several stand beside each other.
        name: the same as a part of file names and addresses; unique in a report.
        results: their rows of all tables.
        styles: how each objective of the report is drawn.
        settings: what its trials share: everything but the objective.
    """

    title: str
    name: str
    results: Results
    styles: Styles
    settings: Mapping[str, Any]

    @property
    def objectives(self) -> list[str]:
        """Labels, in alphabetical order."""
        return sorted(self.results.trials["objective"].unique())


@dataclass(frozen=True)
class MetricInfo:
    """A metric as figures and sentences need it.

    Attributes:
        name: in tables.
        lower: whether less is better.
    """

    name: str
    lower: bool

    @property
    def title(self) -> str:
        """What readers call it."""
        return TITLES.get(self.name, self.name)

    @property
    def axis(self) -> str:
        """Its axis: the title and which way is better."""
        return f"{self.title} ({'lower' if self.lower else 'higher'} is better)"

    @property
    def log(self) -> bool:
        """Whether its axis is logarithmic."""
        return self.name in ON_LOG


@dataclass(frozen=True)
class SectionResult:
    """A section and what its tables come to.

    Attributes:
        section: the tables.
        board: the leaderboard.
        rankings: by each metric that can be ranked, the leading one first.
        unknown: sentences on metrics that cannot be ranked.
        estimate_labels: by objective, what its critic's estimate is; without those whose plugin is not here.
        samples: of the median seed of every objective.
    """

    section: Section
    board: pd.DataFrame
    rankings: Mapping[MetricInfo, Ranking]
    unknown: Sequence[str]
    estimate_labels: Mapping[str, str]
    samples: SampleSet

    @property
    def leading(self) -> MetricInfo | None:
        """The metric that decides who stands first."""
        return next(iter(self.rankings), None)


@dataclass(frozen=True)
class ReportData:
    """Everything that a report is made from.

    Attributes:
        results: the tables of all results folders together; a trial that stands in several folders comes once.
        homes: by trial, the folder that it came from.
        sections: see there.
        verdicts: of the claims suite; None where there are none.
        requests: what was asked for: the content of every ``study.json``.
    """

    results: Results
    homes: Mapping[str, Path]
    sections: tuple[Section, ...]
    verdicts: pd.DataFrame | None
    requests: tuple[Mapping[str, Any], ...]

    def commands(self) -> list[str]:
        """The commands that made the results, as the studies record them, without repetition."""
        return list(dict.fromkeys(str(request.get("command", "")) for request in self.requests if request))


# -- reading -----------------------------------------------------------------------------------------------------------


def load_report_data(folders: Sequence[Path]) -> ReportData:
    """Read results folders.

    Raises:
        UsageError: a folder is none, holds nothing to report, or was written by a newer ganbench.
        DamageError: a stored file is not what was written.
    """
    studies = {folder: read_study(folder, categorical=True) for folder in dict.fromkeys(folders)}
    homes: dict[str, Path] = {}
    known: set[str] = set()
    for folder, results in studies.items():
        rows: list[dict[str, Any]] = results.trials.to_dict("records")  # type: ignore[assignment]
        own = {str(row["trial"]): identity(row) for row in rows}
        homes |= {trial: folder for trial, name in own.items() if name not in known}
        known |= set(own.values())
    results = _join(studies, homes)
    asked = {folder: read_asked(folder) or {} for folder in studies}
    tables = [_verdicts(folder, study) for folder, study in asked.items()]
    found = [table for table in tables if table is not None]
    verdicts = pd.concat(found, ignore_index=True) if found else None
    if results.trials.empty and verdicts is None:
        names = ", ".join(map(str, studies))
        raise UsageError(f"{names} holds no finished trial and no verdict yet: there is nothing to report; run first")
    requests = tuple(request for study in asked.values() for request in study["requests"])
    return ReportData(results, homes, tuple(sections(results)), verdicts, requests)


def _join(studies: Mapping[Path, Results], homes: Mapping[str, Path]) -> Results:
    """The tables of all folders; a trial that stands in several comes once, from the first."""
    names = list(Results.__dataclass_fields__)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    for folder, results in studies.items():
        for name in names:
            table = getattr(results, name)
            if "trial" in table and len(studies) > 1:
                table = table[table["trial"].map(homes) == folder]
            parts[name].append(table)
    tables = {name: _stack(tables) for name, tables in parts.items()}
    tables["floors"] = tables["floors"].drop_duplicates(["dataset", "protocol"]).reset_index(drop=True)
    return Results(**tables)


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table below the other; labels stay categories."""
    if len(tables) == 1:
        return tables[0]
    labels = [str(name) for name, kind in tables[0].dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    joined = {name: pd.api.types.union_categoricals([table[name] for table in tables]) for name in labels}
    stacked = pd.concat([table.drop(columns=labels) for table in tables], ignore_index=True)
    return stacked.assign(**joined)[list(tables[0].columns)]


def _verdicts(folder: Path, study: Mapping[str, Any]) -> pd.DataFrame | None:
    """Compared with the checksum in ``study.json``. Raises DamageError."""
    file = folder / "verdicts.parquet"
    if accepted(study, file.name):
        return read_tables({folder: study}, file.stem, schema.VERDICTS)
    if file.exists():
        raise DamageError(f"{file} has no checksum in study.json; `ganbench reproduce` makes it again")
    return None


def sections(results: Results) -> list[Section]:
    """The parts of a study that compare, those of the leaderboard: one a dataset, an architecture and a budget."""
    groups = trial_groups(results.trials)
    places = [f"{group.dataset} · {group.architecture}" for group in groups]
    titles = [
        f"{place} · variant {group.variant}, {group.steps:,} steps" if places.count(place) > 1 else place
        for place, group in zip(places, groups, strict=True)
    ]
    names = _distinct([slug(title) for title in titles])
    by_objective = styles(results.trials["objective"])
    made = []
    for group, title, name in zip(groups, titles, names, strict=True):
        settings = json.loads(str(group.trials["settings"].iloc[0]))
        shared = {key: value for key, value in settings.items() if key != "objective"}
        made.append(Section(title, name, _rows(results, group.trials), by_objective, shared))
    return made


def _distinct(texts: Sequence[str]) -> list[str]:
    """The same texts, with a number where one comes again."""
    return [t if texts[:i].count(t) == 0 else f"{t}-{texts[:i].count(t) + 1}" for i, t in enumerate(texts)]


def _rows(results: Results, trials: pd.DataFrame) -> Results:
    """The rows of some trials."""
    names = set(trials["trial"])
    tables = {name: getattr(results, name) for name in ("steps", "evaluations", "modes", "probes")}
    chosen = {n: t[t["trial"].isin(names)].reset_index(drop=True) for n, t in tables.items()}
    floors = results.floors[results.floors["dataset"].isin(set(trials["dataset"]))].reset_index(drop=True)
    return replace(results, trials=trials.reset_index(drop=True), floors=floors, **chosen)


# -- evaluating --------------------------------------------------------------------------------------------------------


def evaluate(section: Section, homes: Mapping[str, Path], registry: PluginRegistry, root: Path) -> SectionResult:
    """Rank the objectives of a section, and draw samples of their stored generators.

    Args:
        section: its tables.
        homes: by trial, the results folder that it is in.
        registry: plugins: which way metrics go, and how stored generators are run.
        root: where datasets lie.
    """
    results, known = section.results, directions(registry.metrics)
    board = leaderboard(results, known)
    rankings = {}
    for metric in ranked_metrics(results, registry):
        ranking = rank(results, board, metric.name, metric.lower)
        if ranking is not None:
            rankings[metric] = ranking
    unknown = unknown_metrics(results.evaluations, known)
    samples = draw_sample_set(results.trials, next(iter(rankings.values()), None), homes, registry, root)
    return SectionResult(section, board, rankings, unknown, _estimate_labels(results.trials, registry), samples)


def ranked_metrics(results: Results, registry: PluginRegistry) -> list[MetricInfo]:
    """The metrics that can be ranked, the leading one first."""
    known = directions(registry.metrics)
    return [MetricInfo(name, known[name] == "lower") for name in metrics_of(results.evaluations, known)]


def _estimate_labels(trials: pd.DataFrame, registry: PluginRegistry) -> dict[str, str]:
    labels = {}
    for objective, group in trials.groupby("objective"):
        stored = json.loads(group["settings"].iloc[0]).get("objective", {})
        try:
            component = Component("objective", stored["name"], str(objective), stored["fields"], stored["code"])
            classifier = instantiate(registry.objectives, component).classifier
        except (GanbenchError, KeyError):  # a plugin that is not installed here: what it estimates is unknown
            continue
        labels[str(objective)] = "estimate: JS bound (nats)" if classifier else "estimate: score gap"
    return labels
