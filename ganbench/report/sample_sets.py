"""Samples of stored generators, real ones beside them, and the scores of stored critics over the plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import grad

from ganbench.analysis.ranking import Ranking
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.functional import StepInputs, select_seed
from ganbench.engine.player import FunctionalCritic
from ganbench.errors import GanbenchError
from ganbench.interfaces.dataset import Population
from ganbench.plugins.build import instantiate
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import PluginRegistry
from ganbench.report.figures.lines import Array
from ganbench.report.figures.samples import N_IMAGES
from ganbench.runner import reevaluate
from ganbench.runner.reevaluate import StoredTrial
from ganbench.spec import Trial, canonical
from ganbench.store.folder import NETWORKS, StudyFolder

N_POINTS = 1000
MOST_LANDSCAPES = 6  # that one figure can show
BATCH, SIDE = 64, 61  # samples of either kind, and of the lattice on which scores are read


@dataclass(frozen=True)
class Landscape:
    """A critic over the plane.

    Attributes:
        x, y: coordinates of the lattice: (columns,) and (rows,).
        scores: the critic's raw scores there: (rows, columns); high means real.
        real: real samples: (m, 2).
        fakes: generated samples: (n, 2).
        arrows: minus the generator loss's gradient by each of them: (n, 2), where they would move.
    """

    x: Array
    y: Array
    scores: Array
    real: Array
    fakes: Array
    arrows: Array


@dataclass(frozen=True)
class Sample:
    """What one objective's median seed draws: values (n, *sample_shape), and perhaps a critic over the plane."""

    seed: int
    values: Array
    landscape: Landscape | None


@dataclass(frozen=True)
class SampleSet:
    """Samples of a section.

    Attributes:
        real: real samples: (n, *sample_shape).
        by_objective: generated ones.
        missing: sentences on what could not be drawn.
    """

    real: Array
    by_objective: Mapping[str, Sample]
    missing: tuple[str, ...]


def draw_sample_set(
    trials: pd.DataFrame, ranking: Ranking | None, homes: Mapping[str, Path], registry: PluginRegistry, root: Path
) -> SampleSet:
    """Draw samples of the median seed of every objective; whatever prevents that is said in words.

    Args:
        trials: rows of the trials table that differ in nothing but objective and seed.
        ranking: by the leading metric: decides which seed is the median one.
        homes: by trial, the results folder that it is in.
        registry: where datasets, architectures and objectives come from.
        root: where datasets lie.
    """
    chosen = _median_trials(trials, ranking, homes)
    stored = {name: pair for name, pair in chosen.items() if pair[1].has_generator()}
    if not stored:
        return SampleSet(np.empty(0), {}, ("Samples are not shown: no trial has stored a generator.",))
    try:
        _, first = next(iter(stored.values()))
        population = reevaluate._load(first.component("dataset"), registry, root)
    except GanbenchError as error:
        return SampleSet(np.empty(0), {}, (f"Samples are not shown: {error}.",))
    n = N_POINTS if len(population.sample_shape) == 1 else N_IMAGES
    plane, few = population.sample_shape == (2,), len(stored) <= MOST_LANDSCAPES
    without = [name for name in chosen if name not in stored]
    missing = [f"{name} has no stored generator, so no samples of it are shown." for name in without]
    samples = {}
    for name, (store, trial) in stored.items():
        try:
            values = reevaluate._samples(store, trial, registry, population, n).numpy()
            landscape = None
            if plane and few and trial.has_critic():
                landscape = _landscape(store, trial, population, registry)
            samples[name] = Sample(trial.trial.seed, values, landscape)
        except GanbenchError as error:
            missing.append(f"Samples of {name} are not shown: {error}.")
    unread = [name for name in samples if not stored[name][1].has_critic()] if plane and few else []
    if unread:
        missing.append(f"No critic of {', '.join(unread)} is stored, so its scores over the plane are not shown.")
    if plane and not few:
        missing.append(f"Scores of critics over the plane are shown for at most {MOST_LANDSCAPES} objectives.")
    return SampleSet(population.reference(n).numpy(), samples, tuple(missing))


def _median_trials(
    trials: pd.DataFrame, ranking: Ranking | None, homes: Mapping[str, Path]
) -> dict[str, tuple[StudyFolder, StoredTrial]]:
    """By objective the completed trial with the middle value of the leading metric, or the first one without values."""
    chosen = {}
    values = {s.objective: s.values for s in ranking.standings} if ranking else {}
    for objective, group in trials[trials["status"] == "completed"].groupby("objective", sort=True):
        seeds = group["seed"].tolist()
        ordered = values.get(str(objective))
        if ordered is not None:
            finite = ordered[np.isfinite(ordered) & ordered.index.isin(seeds)].sort_values(kind="stable")
            seeds = [int(s) for s in finite.index] or seeds
        row = group[group["seed"] == seeds[(len(seeds) - 1) // 2]].iloc[0]
        dataset, architecture, settings = (str(row[name]) for name in ("dataset", "architecture", "settings"))
        trial = Trial(dataset, architecture, str(objective), int(row["seed"]), canonical(json.loads(settings)))
        store = StudyFolder(homes[row["trial"]])
        chosen[str(objective)] = (store, StoredTrial(trial, store.run(trial) or {}))
    return chosen


# -- critics over the plane --------------------------------------------------------------------------------------------


def _landscape(store: StudyFolder, stored: StoredTrial, population: Population, registry: PluginRegistry) -> Landscape:
    folder, steps = store.folder(stored.trial), int(json.loads(stored.trial.settings)["steps"])
    weights = [reevaluate.stored_weights(folder, stored.run, name) for name in NETWORKS]
    architecture = instantiate(registry.architectures, stored.component("architecture"))
    objective = instantiate(registry.objectives, stored.component("objective"))
    with guarded(objective, "reading the critic of"), torch.random.fork_rng(devices=[]):
        config = TrainingConfig(population, architecture, objective, steps, BATCH)
        return read_landscape(config, stored.trial.seed, *weights)


def read_landscape(
    config: TrainingConfig, seed: int, generator: Mapping[str, Tensor], critic: Mapping[str, Tensor]
) -> Landscape:
    """Evaluate a trained critic over the plane, and the generator's loss on a batch, at the last step. Nothing moves.

    Args:
        config: of the training, on points in the plane; an objective's state is that of the first step.
        seed: what the batch's randomness descends from.
        generator, critic: weights by name.
    """
    cohort = Cohort(config, (seed,))
    with torch.no_grad():
        for player, weights in ((cohort.generator, generator), (cohort.critic, critic)):
            for name, value in weights.items():
                player.weights[name].copy_(value.expand_as(player.weights[name]))
    batch = cohort.make_sampler(config.batch_size, prefix="landscape-fixed-").generator(0)[0]
    return _read(cohort, select_seed(cohort.inputs(batch, cohort.clock(config.steps)), 0))


def _read(cohort: Cohort, inputs: StepInputs) -> Landscape:
    critic = FunctionalCritic(cohort.critic.network, inputs.critic)
    fake = cohort.sample(inputs.latent[None])[0]
    real = inputs.real

    def loss(samples: Tensor) -> Tensor:
        return cohort.config.objective.generator_loss(critic, real, samples, inputs.draw())

    arrows = -grad(loss)(fake) * len(fake)  # the loss is a mean: undone, so that an arrow is one sample's own gradient
    x, y = _lattice(torch.cat([real, fake]))
    points = torch.cartesian_prod(y, x).flip(1)
    with torch.no_grad():
        scores = FunctionalCritic(cohort.critic.network, inputs.critic)(points).reshape(len(y), len(x))
    parts = (x, y, scores, real, fake, arrows)
    return Landscape(*(np.asarray(part.detach().double().cpu()) for part in parts))


def _lattice(points: Tensor) -> tuple[Tensor, Tensor]:
    """A square lattice that holds all points, with a margin of a tenth."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    middle, half = (low + high) / 2, 0.6 * (high - low).max().clamp(min=1e-3)
    ticks = torch.linspace(-1, 1, SIDE)
    return middle[0] + half * ticks, middle[1] + half * ticks
