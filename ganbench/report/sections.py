"""What a report is made of: the tables of one or several studies, in sections that compare like with like."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.analysis.leaderboard import sections as divide
from ganbench.errors import DamageError, UsageError
from ganbench.report.figures.style import Styles, styles
from ganbench.spec import slug
from ganbench.store import schema
from ganbench.store.files import accepted
from ganbench.store.results import Results, read_asked, read_study, read_tables


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

    @property
    def n_seeds(self) -> int:
        """How many different seeds there are."""
        return int(self.results.trials["seed"].nunique())


@dataclass(frozen=True)
class ReportData:
    """Everything that a report tells.

    Attributes:
        folders: the results folders, in the order given.
        results: their tables together; a trial that stands in several folders comes once.
        homes: by trial, the folder that it came from.
        sections: see there.
        verdicts: of the claims suite; None where there are none.
        requests: what was asked for: the content of every ``study.json``.
    """

    folders: tuple[Path, ...]
    results: Results
    homes: Mapping[str, Path]
    sections: tuple[Section, ...]
    verdicts: pd.DataFrame | None
    requests: tuple[Mapping[str, Any], ...]

    def commands(self) -> list[str]:
        """The commands that made the results, as the studies record them, without repetition."""
        return list(dict.fromkeys(str(request.get("command", "")) for request in self.requests if request))


def load_report_data(folders: Sequence[Path]) -> ReportData:
    """Read results folders.

    Raises:
        UsageError: a folder is none, holds nothing to report, or was written by a newer ganbench.
        DamageError: a stored file is not what was written.
    """
    found = {folder: read_study(folder, categorical=True) for folder in dict.fromkeys(folders)}
    homes: dict[str, Path] = {}
    for folder, results in found.items():
        for trial in results.trials["trial"]:
            homes.setdefault(str(trial), folder)
    results = _joined(found, homes)
    asked = {folder: read_asked(folder) or {} for folder in found}
    verdicts = _all([_verdicts(folder, study) for folder, study in asked.items()])
    if results.trials.empty and verdicts is None:
        names = ", ".join(map(str, found))
        raise UsageError(f"{names} holds no finished trial and no verdict yet: there is nothing to report; run first")
    requests = tuple(request for study in asked.values() for request in study["requests"])
    return ReportData(tuple(found), results, homes, tuple(sections(results)), verdicts, requests)


def _joined(found: Mapping[Path, Results], homes: Mapping[str, Path]) -> Results:
    """The tables of all folders; a trial that stands in several comes once, from the first."""
    names = list(Results.__dataclass_fields__)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    for folder, results in found.items():
        for name in names:
            table = getattr(results, name)
            if "trial" in table:
                table = table[table["trial"].map(homes) == folder] if len(found) > 1 else table
            parts[name].append(table)
    tables = {name: _stacked(tables) for name, tables in parts.items()}
    tables["floors"] = tables["floors"].drop_duplicates(["dataset", "protocol"]).reset_index(drop=True)
    return Results(**tables)


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table below the other; labels stay categories."""
    if len(tables) == 1:
        return tables[0]
    labels = [str(name) for name, kind in tables[0].dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    joined = {name: pd.api.types.union_categoricals([table[name] for table in tables]) for name in labels}
    stacked = pd.concat([table.drop(columns=labels) for table in tables], ignore_index=True)
    return stacked.assign(**joined)[list(tables[0].columns)]


def _all(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    found = [table for table in tables if table is not None]
    return pd.concat(found, ignore_index=True) if found else None


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
    found = divide(results.trials)
    places = [f"{part.dataset} · {part.architecture}" for part in found]
    titles = [
        f"{place} · variant {part.variant}, {part.steps:,} steps" if places.count(place) > 1 else place
        for place, part in zip(places, found, strict=True)
    ]
    names = _distinct([slug(title) for title in titles])
    drawn = styles(results.trials["objective"])
    made = []
    for part, title, name in zip(found, titles, names, strict=True):
        settings = json.loads(str(part.trials["settings"].iloc[0]))
        shared = {key: value for key, value in settings.items() if key != "objective"}
        made.append(Section(title, name, _rows(results, part.trials), drawn, shared))
    return made


def _distinct(texts: Sequence[str]) -> list[str]:
    """The same texts, with a number where one comes again."""
    return [t if texts[:i].count(t) == 0 else f"{t}-{texts[:i].count(t) + 1}" for i, t in enumerate(texts)]


def _rows(results: Results, group: pd.DataFrame) -> Results:
    """The rows of some trials."""
    names = set(group["trial"])
    tables = {name: getattr(results, name) for name in ("steps", "evaluations", "modes", "probes")}
    chosen = {n: t[t["trial"].isin(names)].reset_index(drop=True) for n, t in tables.items()}
    floors = results.floors[results.floors["dataset"].isin(set(group["dataset"]))].reset_index(drop=True)
    return replace(results, trials=group.reset_index(drop=True), floors=floors, **chosen)
