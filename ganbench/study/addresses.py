"""Under which addresses a results folder has the trials of a study: those of today, or those of earlier versions."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganbench.errors import UsageError
from ganbench.plugins.former import identity
from ganbench.spec import ENGINE, CohortSpec, Component, canonical
from ganbench.store import records
from ganbench.store.files import parse, read_bytes
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_asked


def count_finished(cohorts: Sequence[CohortSpec], out: Path) -> int:
    """How many of the trials lie in a results folder."""
    return sum((StudyFolder(out).folder(t) / "run.json").is_file() for cohort in cohorts for t in cohort.trials())


def as_stored(cohorts: Sequence[CohortSpec], out: Path) -> list[CohortSpec]:
    """The cohorts with their components described as a results folder describes the same ones already.

    Data that were moved keep the label that they had. Trials keep the address that an earlier version gave them: one
    with the place of the data in it, or with a former fingerprint of the same source. What the folder does not know
    yet is described as most of it is, so that it can be compared.
    """
    known = _known_trials(out)
    if not known:
        return list(cohorts)
    described = _stored_components(out)
    return [part for cohort in cohorts for part in _by_description(cohort, described, known)]


def _known_trials(out: Path) -> set[str]:
    """The addresses of the trials that lie in a results folder or were asked of it."""
    known = {path.parent.name for path in out.glob("trials/*/*.json")}
    with suppress(UsageError):  # which is said where the folder itself is looked at
        requests = (read_asked(out) or {}).get("requests", ())
        known |= {str(trial) for request in requests for trial in request.get("trials", ())}
    return known


def engine_remarks(cohorts: Sequence[CohortSpec], out: Path) -> Iterator[str]:
    """One sentence for every other engine that has computed some of these trials before."""
    asked = {_without_engine(vars(trial)): trial.id for cohort in cohorts for trial in cohort.trials()}
    found: Counter[int] = Counter()
    for trial in _described_trials(out):
        engine = trial["settings"]["engine"]
        found[engine] += engine != ENGINE and _without_engine(trial) in asked
    for engine, n in sorted((+found).items()):
        yield (
            f"{n} of these trials {'lies' if n == 1 else 'lie'} in {out} as engine {engine} computed "
            f"{'it' if n == 1 else 'them'}; engine {ENGINE} gives other numbers, which are trials of their own"
        )


def _without_engine(trial: Mapping[str, Any]) -> str:
    settings = trial["settings"]
    parts = json.loads(settings) if isinstance(settings, str) else settings
    return identity({**trial, "settings": {**parts, "engine": None}})


def _described_trials(out: Path) -> Iterator[Mapping[str, Any]]:
    """What the descriptions in a results folder say; a damaged one is left out, as who reads the trial says so."""
    for path in sorted(out.glob("trials/*/trial.json")):
        with suppress(UsageError):
            yield records.validated(path, records.Trial, parse(path, read_bytes(path) or b"{}"))


def _stored_components(out: Path) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Kind, label and settings of every component in a results folder, the most frequent first."""
    found: Counter[str] = Counter()
    for trial in _described_trials(out):
        kinds = ("dataset", "architecture", "objective")
        found.update(canonical([kind, trial[kind], trial["settings"][kind]]) for kind in kinds)
    return [(kind, label, parts) for kind, label, parts in (json.loads(text) for text, _ in found.most_common())]


def _by_description(
    cohort: CohortSpec, described: Sequence[tuple[str, str, Mapping[str, Any]]], known: set[str]
) -> list[CohortSpec]:
    """A cohort in parts: seeds that are stored under different descriptions of the same components stay there."""
    options = itertools.product(*(_descriptions(component, described) for component in cohort.components()))
    specs = [replace(cohort, dataset=d, architecture=a, objective=o) for d, a, o in options]
    stored = [{trial.seed for trial in spec.trials() if trial.id in known} for spec in specs]
    most = max(range(len(specs)), key=lambda k: len(stored[k]))
    order = sorted(range(len(specs)), key=lambda k: _codes(specs[k]) != _codes(cohort))  # today's fingerprints first
    place = {seed: next((k for k in order if seed in stored[k]), most) for seed in cohort.seeds}
    return [specs[k].with_seeds(s for s in cohort.seeds if place[s] == k) for k in dict.fromkeys(place.values())]


def _codes(cohort: CohortSpec) -> list[str]:
    return [component.code for component in cohort.components()]


def _descriptions(component: Component, described: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[Component]:
    """All that a component may be stored as: as it is in the folder, the most frequent first, then as it is asked."""
    if component.kind == "dataset":
        stored = [_same_data(component, label, parts) for kind, label, parts in described if kind == "dataset"]
        return [found for found in stored if found is not None] or [component]
    versions = {canonical(c.settings()): c for c in (replace(component, code=code) for code in component.codes())}
    texts = [canonical(parts) for kind, _, parts in described if kind == component.kind]
    return [versions[text] for text in dict.fromkeys([*(t for t in texts if t in versions), *versions])]


def _same_data(asked: Component, label: str, stored: Mapping[str, Any]) -> Component | None:
    """A dataset under a stored label and with stored fields, if it is the one that was asked for wherever it lies."""
    if not asked.place:
        return None
    fields = {name: value for name, value in stored["fields"].items() if name not in asked.place}
    if canonical({**stored, "fields": fields}) != canonical(asked.settings()):
        return None
    return replace(asked, label=label, fields=stored["fields"])
