"""Metrics of a study's stored generators: nothing is trained again.

A stored generator draws the same samples as at the end of its training, from the same latents in the same batches, so
a metric that is computed again comes out the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from torch import Tensor, nn
from torch.func import functional_call

from ganbench.engine.functional import min_cohort_size, vmap_seeds
from ganbench.engine.sampling import draw_samples, evaluation_latents
from ganbench.errors import DamageError, UsageError
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.metric import Metric
from ganbench.metrics.suite import MetricSuite
from ganbench.plugins.build import Places, instantiate, load_population, other_data, placed
from ganbench.plugins.fingerprint import is_made_by
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import PluginRegistry
from ganbench.runner.tables import keys
from ganbench.spec import Component, Trial, canonical
from ganbench.store import schema
from ganbench.store.files import accepted
from ganbench.store.folder import NETWORKS, StudyFolder
from ganbench.store.results import load, read_file, typed
from ganbench.study.study import resolve_device

GENERATOR, CRITIC = NETWORKS


@dataclass(frozen=True)
class StoredTrial:
    """A finished trial as its folder describes it.

    Attributes:
        trial: its description.
        run: what happened to it: the content of ``run.json``.
        moved: where data lie now that are no longer where ``run.json`` says.
    """

    trial: Trial
    run: dict[str, Any]
    moved: Places = field(default_factory=dict)

    def component(self, kind: str) -> Component:
        """Its dataset or its architecture."""
        parts = json.loads(self.trial.settings)[kind]
        stored = Component(kind, parts["name"], getattr(self.trial, kind), parts["fields"], parts["code"])
        return placed(stored, self.run, self.moved)

    @property
    def n_samples(self) -> int:
        """How many samples its evaluations took; 0 is the dataset's own number."""
        return int(json.loads(self.trial.settings)["n_samples"])

    def has_generator(self) -> bool:
        """Whether its last generator was stored, which that of a diverged or failed trial is not."""
        return bool(accepted(self.run, GENERATOR))

    def has_critic(self) -> bool:
        """Whether its last critic was stored, which a large one is not, and none was by earlier versions."""
        return bool(accepted(self.run, CRITIC))


def finished(store: StudyFolder, moved: Places = MappingProxyType({})) -> list[StoredTrial]:
    """All trials of a study that have ended.

    Args:
        store: the results folder.
        moved: where data lie now.

    Raises:
        UsageError: the folder is no results folder.
    """
    rows = load(store.path).trials
    columns = (rows[name] for name in ("dataset", "architecture", "objective", "seed", "settings"))
    trials = [Trial(d, a, o, int(s), canonical(json.loads(text))) for d, a, o, s, text in zip(*columns, strict=True)]
    return [StoredTrial(trial, store.run(trial) or {}, moved) for trial in trials]


def reevaluate(
    store: StudyFolder,
    trials: Sequence[StoredTrial],
    metrics: Sequence[Metric],
    n_samples: int,
    registry: PluginRegistry,
    data_root: Path,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[StoredTrial]:
    """Add the metrics of each trial's last generator to its evaluations, at its last step.

    Rows of the same step, metric and protocol are replaced. A trial is given back as soon as it is stored.

    Args:
        store: the results folder.
        trials: those that have a generator.
        metrics: what to compute.
        n_samples: how many samples to draw; 0 takes as many as the trial's own evaluations did.
        registry: where datasets and architectures come from.
        data_root: where datasets lie.
        say: gets a sentence about a run that is waited for.

    Raises:
        DataError: a dataset is missing, or is not the one that the study was made with.
        UsageError: a generator's file is broken, or its architecture has changed.
    """
    loaded: dict[str, tuple[Population, MetricSuite]] = {}
    for stored in trials:
        component, n = stored.component("dataset"), n_samples or stored.n_samples
        key = canonical([component.settings(), n])
        if key not in loaded:
            loaded.clear()  # trials come dataset by dataset, and one is as much as memory need hold
            population = _load(component, registry, data_root, stored.run.get("origins"))
            loaded[key] = population, MetricSuite.of(population, metrics, n)
        population, suite = loaded[key]
        rows = suite.examine(_samples(store, stored, registry, population, suite.n_samples))
        _add(store, stored, rows, say)
        yield stored


def _load(
    component: Component, registry: PluginRegistry, data_root: Path, origins: Mapping[str, Any] | None = None
) -> Population:
    population = load_population(instantiate(registry.datasets, component, origins), data_root)
    if population.fingerprint != component.code:
        raise other_data(component, data_root)
    return population


def _samples(
    store: StudyFolder, stored: StoredTrial, registry: PluginRegistry, population: Population, n: int
) -> Tensor:
    """What the generator draws, as at the end of its training: (n, *sample_shape), on the CPU."""
    component = stored.component("architecture")
    architecture: Architecture = instantiate(registry.architectures, component, stored.run.get("origins"))
    with guarded(architecture, "making networks of"), torch.random.fork_rng(devices=[]):
        network = architecture.generator(population.sample_shape).to("meta")
    weights = stored_weights(store.folder(stored.trial), stored.run)
    expected = {name: w.shape for name, w in network.named_parameters()}
    found = {name: w.shape for name, w in weights.items() if w.is_floating_point()}
    if not is_made_by(type(architecture), component.code) or expected != found:
        raise UsageError(
            f"architecture {component.label!r} is not the one that {stored.trial.id} was trained with: install the "
            "version that the study was made with",
            subject=component.name,
            code="source",
        )
    latents = evaluation_latents([stored.trial.seed], n, architecture.latent)
    sampler = _sampler(network, weights, stored.run, min_cohort_size(population.sample_shape))
    with guarded(architecture, "sampling"):
        return draw_samples(sampler, latents)[0]


def stored_weights(folder: Path, run: dict[str, Any], name: str = GENERATOR) -> dict[str, Tensor]:
    """A stored network's weights by name. Raises DamageError where the file is not the one that was written."""
    try:
        return parse_tensors(read_file(folder, run, name) or b"")
    except SafetensorError as error:
        sentence = f"{folder / name} cannot be read ({error}): remove its folder and run again"
        raise DamageError(sentence, subject=folder / name, code="unreadable") from error


def _sampler(
    network: nn.Module, weights: dict[str, Tensor], run: dict[str, Any], padded: int
) -> Callable[[Tensor], Tensor]:
    """Latents (1, n, z) to samples (1, n, *sample_shape), on the kind of device and by the program of the training.

    As in training, a single seed runs padded, because vectorised programs of one seed round differently.
    """
    padded = padded if run["vectorised"] else 1
    device = _device(str(run["device"]))
    stacked = {name: torch.stack([w] * padded).to(device) for name, w in weights.items()}
    dtype = next(iter(weights.values())).dtype
    generate = vmap_seeds(lambda w, z: functional_call(network, w, (z,)), not run["vectorised"])

    @torch.no_grad()
    def sample(latents: Tensor) -> Tensor:
        samples: Tensor = generate(stacked, latents.to(device, dtype).expand(padded, -1, -1))
        return samples[:1]

    return sample


def _device(recorded: str) -> str:
    """The device that a trial ran on, where this machine has one; else the CPU, whose numbers differ in rounding."""
    try:
        return resolve_device(recorded.partition(" ")[0])
    except UsageError:
        return "cpu"


def _add(store: StudyFolder, stored: StoredTrial, rows: Sequence[dict[str, Any]], say: Callable[[str], None]) -> None:
    trial, step = stored.trial, stored.run["last_step"]
    with store.lock(trial.id, say):  # a run may be adding its probe
        old = store.read(trial)[1]["evaluations"]
        new = pd.DataFrame([{**keys(trial), "step": step, **row} for row in rows], columns=list(schema.EVALUATIONS))
        table = pd.concat([old, typed(new, schema.EVALUATIONS)], ignore_index=True)
        table = table[~table.duplicated(["step", "metric", "protocol"], keep="last")]
        store.add(trial, store.run(trial) or stored.run, {"evaluations": table})
