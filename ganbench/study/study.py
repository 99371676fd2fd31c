"""A study: the cohorts that a configuration asks for, and the executor that runs them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ganbench.errors import OptionError, UnknownNameError, UsageError
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.executor import Executor
from ganbench.plugins.build import build, load_population, variants
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import Catalogue, PluginRegistry
from ganbench.spec import CohortSpec, Component, ProbeProtocol, Protocol, Trial, slug
from ganbench.store.folder import StudyFolder
from ganbench.store.verify import TrialState, trial_state
from ganbench.study.addresses import as_stored, count_finished, engine_remarks
from ganbench.study.config import LARGEST_INTEGER, OPTIONS, StudyConfig

# -- choice of the executor --------------------------------------------------------------------------------------------

FILLED = ("jobs", "address", "gpus_per_cohort", "cpus_per_cohort")  # fields of executors that options of a study set


def choose_executor(config: StudyConfig, registry: PluginRegistry) -> Executor:
    """The executor with its settings.

    Raises:
        UsageError: there is none of this name, or it has no use for an option that was given.
    """
    cls = registry.executors.find(config.executor, "--executor")
    values = {name: getattr(config, name) for name in FILLED if getattr(config, name) != getattr(StudyConfig, name)}
    known = {field.name for field in fields(cls)}
    for name in values:
        if name not in known:
            raise UsageError(
                f"--{OPTIONS[name].name} means nothing to the executor {cls.name!r}; {_executors_with(registry, name)}"
            )
    executor: Executor = build(cls, {**values, **_settings(cls, config.settings)}, "--set")
    return executor


def _executors_with(registry: PluginRegistry, name: str) -> str:
    able = [c.name for c in registry.executors if name in {field.name for field in fields(c)}]
    return f"leave it out, or choose --executor {' or '.join(able)}" if able else "leave it out"


def _settings(cls: type[Executor], settings: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The executor's own settings among those of ``--set``."""
    chosen = {}
    for key, values in settings.items():
        head, _, name = key.partition(".")
        if not names_executor(cls, head):
            continue
        if name in FILLED:
            raise UsageError(f"--set {key}: say --{OPTIONS[name].name} instead")
        if len(values) > 1:
            raise UsageError(f"--set {key} gives {len(values)} values; an executor takes one")
        chosen[name] = values[0]
    return chosen


def names_executor(cls: type[Executor], head: str) -> bool:
    """Whether the name in front of a setting is the executor's."""
    return head in (cls.name, *cls.aliases)


# -- study -------------------------------------------------------------------------------------------------------------

SYNONYMS = {"gpu": "cuda", "nvidia": "cuda", "rocm": "cuda", "metal": "mps", "apple": "mps"}  # of devices


@dataclass(frozen=True)
class Study:
    """A configuration with every name, setting and default resolved.

    Attributes:
        cohorts: all that the configuration asks for, done or not.
        out: the results folder.
        device: where cohorts run.
        executor: what runs them.
        remarks: notices for the user, one sentence each.
    """

    cohorts: tuple[CohortSpec, ...]
    out: Path
    device: str
    executor: Executor
    remarks: tuple[str, ...] = ()

    def store(self) -> StudyFolder:
        """The results folder."""
        return StudyFolder(self.out)

    def trials(self) -> list[Trial]:
        """All trials, cohort by cohort."""
        return [trial for cohort in self.cohorts for trial in cohort.trials()]

    def missing(self) -> list[CohortSpec]:
        """The cohorts with the seeds that have no result yet; failed and damaged trials count as missing."""
        cohorts = []
        for cohort in self.cohorts:
            states = {trial.seed: self.state(cohort, trial) for trial in cohort.trials()}
            to_train = [seed for seed, state in states.items() if state.is_to_train]
            to_probe = [seed for seed, state in states.items() if state.is_to_probe]
            parts = (to_train, True), (to_probe, False)
            cohorts += [replace(cohort.with_seeds(seeds), train=train) for seeds, train in parts if seeds]
        return cohorts

    def state(self, cohort: CohortSpec, trial: Trial) -> TrialState:
        """How a trial stands; every file of it is compared with its checksum."""
        return trial_state(self.store(), trial, cohort.probe)


def make_study(config: StudyConfig, registry: PluginRegistry, data_root: Path) -> Study:
    """Resolve every name, check every combination, and list the cohorts.

    Raises:
        UsageError: a name, a setting or a combination that does not work; nothing has been written.
        DataError: a dataset that is not there.
    """
    executor = choose_executor(config, registry)
    swept = _by_component(config, registry)
    protocol = Protocol(
        steps=config.steps,
        batch_size=config.batch_size,
        evaluate_every=config.evaluate_every or max(1, config.steps // 10),
        n_samples=config.n_samples,
        precision=config.precision,
        compiled=config.compile == "on",
    )
    objectives = _variants(registry.objectives, config.objectives, swept, "--objectives")
    for component, objective in objectives:
        _check_clock(config, component, objective.n_critic)
    cohorts: list[CohortSpec] = []
    remarks: list[str] = []
    if config.compile == "auto":
        remarks.append("--compile auto is off: compilation is part of a trial's settings; say on to compile")
    for component, dataset in _variants(registry.datasets, config.datasets, swept, "--datasets"):
        population = load_population(dataset, data_root)
        remarks += population.remarks
        data, probe = replace(component, code=population.fingerprint), _probe(config, population)
        twin = next((c.dataset for c in cohorts if c.dataset.settings() == data.settings()), None)
        if twin is not None:
            raise UsageError(f"--set: {twin.label} and {data.label} hold the same data; name one of them")
        for architecture in _architectures(config, registry, swept, dataset, population):
            cohorts += [CohortSpec(data, architecture, o, protocol, config.seeds, probe) for o, _ in objectives]
    device = executor.device(config.device) or resolve_device(config.device)
    if config.precision == "tf32" and not device.startswith("cuda"):
        raise UsageError(f"--precision tf32 is of NVIDIA's GPUs, and this study would run on {device}; say float32")
    out = Path(config.out) if config.out else _default_out(cohorts)
    remarks += engine_remarks(cohorts, out)
    return Study(tuple(as_stored(cohorts, out)), out, device, executor, tuple(remarks))


def _check_clock(config: StudyConfig, objective: Component, n_critic: int) -> None:
    """Raises UsageError where the last sample's number is above what a column of whole numbers holds."""
    if config.steps * config.batch_size * n_critic > LARGEST_INTEGER:
        raise UsageError(
            f"{objective.label}: {config.steps} steps of {n_critic} critic updates on {config.batch_size} samples "
            f"are more than {LARGEST_INTEGER} samples; ask for fewer"
        )


def _probe(config: StudyConfig, population: Population) -> ProbeProtocol | None:
    """The probe that is asked for, if any. Raises DataError where the data have nothing to hold out for it."""
    if not config.probe:
        return None
    population.hold_out(1)
    return ProbeProtocol(_frozen_steps(config.steps), max(1, config.steps // 4), cut=not population.reference_is_apart)


def _frozen_steps(steps: int) -> tuple[int, ...]:
    """Generators that are frozen after a few steps, some, and many: 25, 250 and 1,000 of 2,000."""
    return tuple(sorted({max(1, steps // 80), max(1, steps // 8), max(1, steps // 2)}))


def _architectures(
    config: StudyConfig, registry: PluginRegistry, swept: Mapping[str, Any], dataset: Dataset, population: Population
) -> list[Component]:
    names = config.architectures or (dataset.architecture,)
    built = _variants(registry.architectures, names, swept, "--architectures")
    for _, architecture in built:
        with guarded(architecture, "checking"):
            architecture.check(population.sample_shape)
    return [component for component, _ in built]


def _variants(
    catalogue: Catalogue[Any], names: tuple[str, ...], swept: Mapping[str, Any], option: str
) -> list[tuple[Component, Any]]:
    pairs = [
        pair
        for name in names
        for pair in variants(catalogue, name, swept.get(catalogue.find(name, option).name, {}), option)
    ]
    labels = [component.label for component, _ in pairs]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        wanted = "each name once (an alias is the same thing)"
        raise OptionError(option, names, wanted, f"names {repeated[0]!r} twice")
    return pairs


def _by_component(config: StudyConfig, registry: PluginRegistry) -> dict[str, dict[str, Any]]:
    """The swept settings, sorted by the component they belong to, which must be part of the study."""
    in_study = {registry.objectives.find(n, "--objectives").name for n in config.objectives}
    datasets = [registry.datasets.find(n, "--datasets") for n in config.datasets]
    names = config.architectures or tuple(d.architecture for d in datasets)
    in_study |= {d.name for d in datasets} | {registry.architectures.find(n, "--architectures").name for n in names}
    by_name: dict[str, dict[str, Any]] = {}
    for key, values in config.settings.items():
        head, _, setting = key.partition(".")
        if names_executor(registry.executors.find(config.executor), head):
            continue  # it is the executor's own
        name = _canonical_name(registry, head)
        if name not in in_study:
            raise UnknownNameError("objective, dataset or architecture of this run", head, in_study, f"--set {key}")
        by_name.setdefault(name, {})[setting] = values
    return by_name


def _canonical_name(registry: PluginRegistry, name: str) -> str:
    for catalogue in (registry.objectives, registry.datasets, registry.architectures):
        for cls in catalogue:
            if name in (cls.name, *cls.aliases):
                return str(cls.name)
    return name


def _default_out(cohorts: Sequence[CohortSpec]) -> Path:
    """Named after datasets and architectures, unless trials on data that have been moved lie in another folder."""
    datasets = dict.fromkeys(slug(c.dataset.label) for c in cohorts)
    architectures = dict.fromkeys(slug(c.architecture.label) for c in cohorts)
    named = Path("results") / f"{'+'.join(datasets)}-{'+'.join(architectures)}"
    if named.exists() or not any(cohort.dataset.place for cohort in cohorts):
        return named
    return next((out for out in sorted(named.parent.glob("*/")) if count_finished(as_stored(cohorts, out), out)), named)


def resolve_device(name: str) -> str:
    """The device that a name means on this machine.

    Raises:
        UsageError: there is no such device, here or anywhere.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and re.fullmatch("[0-9]{1,4}", index))):
        synonym = SYNONYMS.get(kind.lower())
        hint = f"did you mean {synonym + (f':{index}' if index and synonym == 'cuda' else '')!r}?" if synonym else ""
        raise UnknownNameError("device", name, ["auto", "cpu", "cuda", "cuda:0", "mps"], "--device", hint)
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device is {name}, but PyTorch sees {torch.cuda.device_count()} CUDA devices here; use cpu or auto"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device is mps, but PyTorch finds no Metal device here; use cpu or auto")
    return name
