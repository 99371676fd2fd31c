"""Samples of stored generators, real ones beside them, and critics over the plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ganbench.analysis.ranking import Ranking
from ganbench.errors import GanbenchError
from ganbench.interfaces.dataset import Population
from ganbench.plugins.build import instantiate
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.figures.landscape import Array, Landscape
from ganbench.report.landscape import learn_landscape
from ganbench.report.sections import ReportData, Section
from ganbench.runner import reevaluate
from ganbench.runner.reevaluate import StoredTrial
from ganbench.spec import Trial, canonical
from ganbench.store.folder import StudyFolder

N_POINTS, N_IMAGES = 1000, 64
MOST_LANDSCAPES = 6  # a critic has to be trained for each: about a second


@dataclass(frozen=True)
class Shown:
    """What one objective's median seed draws: samples (n, *sample_shape), and perhaps a critic over the plane."""

    seed: int
    samples: Array
    landscape: Landscape | None


@dataclass(frozen=True)
class SampleSet:
    """Samples of a section.

    Attributes:
        real: real samples: (n, *sample_shape).
        shown: by objective.
        missing: sentences on what could not be shown.
    """

    real: Array
    shown: Mapping[str, Shown]
    missing: tuple[str, ...]


def open_gallery(
    section: Section, ranking: Ranking | None, material: ReportData, registry: PluginRegistry, root: Path
) -> SampleSet:
    """Draw samples of the median seed of every objective; whatever stands in the way is said in words.

    Args:
        section: which trials.
        ranking: by the leading metric: decides which seed is the median one.
        material: knows where the trials lie.
        registry: where datasets, architectures and objectives come from.
        root: where datasets lie.
    """
    found = _median_trials(section, ranking, material)
    stored = {name: s for name, (_, s) in found.items() if s.has_generator()}
    nothing = SampleSet(np.empty(0), {}, ())
    if not stored:
        return _with(nothing, "Samples are not shown: no trial has stored a generator.")
    try:
        first = next(iter(stored.values()))
        population = reevaluate._load(first.component("dataset"), registry, root)
    except GanbenchError as error:
        return _with(nothing, f"Samples are not shown: {error}.")
    shown, missing = (
        {},
        [f"{n} has no stored generator, so no samples of it are shown." for n in found if n not in stored],
    )
    flat = population.sample_shape == (2,)
    for name, one in stored.items():
        try:
            shown[name] = _show(found[name][0], one, population, registry, flat and len(stored) <= MOST_LANDSCAPES)
        except GanbenchError as error:
            missing.append(f"Samples of {name} are not shown: {error}.")
    if flat and len(stored) > MOST_LANDSCAPES:
        missing.append(f"Critic landscapes are left out: {len(stored)} critics would have to be trained for them.")
    real = population.reference(N_POINTS if len(population.sample_shape) == 1 else N_IMAGES)
    return SampleSet(real.numpy(), shown, tuple(missing))


def _with(gallery: SampleSet, sentence: str) -> SampleSet:
    return SampleSet(gallery.real, gallery.shown, (*gallery.missing, sentence))


def _median_trials(
    section: Section, ranking: Ranking | None, material: ReportData
) -> dict[str, tuple[StudyFolder, StoredTrial]]:
    """By objective the completed trial with the middle value of the leading metric, or the first one without values."""
    trials, found = section.results.trials, {}
    values = {s.objective: s.values for s in ranking.standings} if ranking else {}
    for objective, group in trials[trials["status"] == "completed"].groupby("objective", sort=True):
        seeds = group["seed"].tolist()
        ordered = values.get(str(objective))
        if ordered is not None:
            finite = ordered[np.isfinite(ordered) & ordered.index.isin(seeds)].sort_values(kind="stable")
            seeds = [int(s) for s in finite.index] or seeds
        chosen = group[group["seed"] == seeds[(len(seeds) - 1) // 2]].iloc[0]
        store = StudyFolder(material.homes[chosen["trial"]])
        found[str(objective)] = (store, _stored(store, chosen))
    return found


def _stored(store: StudyFolder, row: Mapping[str, object]) -> StoredTrial:
    dataset, architecture, objective = (str(row[name]) for name in ("dataset", "architecture", "objective"))
    settings = canonical(json.loads(str(row["settings"])))
    trial = Trial(dataset, architecture, objective, int(str(row["seed"])), settings)
    return StoredTrial(trial, store.run(trial) or {})


def _show(
    store: StudyFolder, stored: StoredTrial, population: Population, registry: PluginRegistry, landscape: bool
) -> Shown:
    n = N_POINTS if len(population.sample_shape) == 1 else N_IMAGES
    samples = reevaluate._samples(store, stored, registry, population, n)
    learnt = None
    if landscape:
        weights = reevaluate.stored_weights(store.folder(stored.trial), stored.run)
        architecture = instantiate(registry.architectures, stored.component("architecture"))
        objective = instantiate(registry.objectives, stored.component("objective"))
        with guarded(objective, "training a critic with"), torch.random.fork_rng(devices=[]):
            learnt = learn_landscape(population, architecture, objective, stored.trial.seed, weights)
    return Shown(stored.trial.seed, samples.numpy(), learnt)
