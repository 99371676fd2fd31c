"""Run one cohort: train, evaluate, probe, and store how each trial ended."""

from __future__ import annotations

import functools
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.memory import evenly, fits, largest, release
from ganbench.engine.probe import ProbeReading, probe
from ganbench.engine.readings import READINGS
from ganbench.engine.training_log import TrainingLog
from ganbench.errors import DataError, GanbenchError, StorageError, UsageError
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.executor import EXHAUSTED, Callbacks, Cancelled, Failure, Job, Report, RunContext, TrialResult
from ganbench.metrics.suite import MetricSuite
from ganbench.plugins.build import instantiate, load_population, variants
from ganbench.plugins.fingerprint import is_made_by
from ganbench.plugins.isolation import isolated, preserved, set_precision
from ganbench.plugins.loading import OWN
from ganbench.plugins.registry import PluginRegistry, load_plugins
from ganbench.runner import reference_generators
from ganbench.runner.tables import evaluations_table, modes_table, probes_table, steps_table
from ganbench.runner.trainer import Trainer
from ganbench.spec import CohortSpec, ProbeProtocol, Shard, Trial
from ganbench.store import locks
from ganbench.store.checkpoint import Checkpoints
from ganbench.store.folder import LOG, StudyFolder
from ganbench.store.locks import LEASE, acquire_trials
from ganbench.store.verify import trial_state
from ganbench.study.provenance import machine, versions

if TYPE_CHECKING:
    import pandas as pd


# -- storing trials ----------------------------------------------------------------------------------------------------


def store_trained(
    trial: Trial,
    spec: CohortSpec,
    context: RunContext,
    record: TrainingLog,
    cohort: Cohort | None,
    wall_seconds: float,
    failure: Failure | None,
) -> TrialResult:
    """Write a trial whose training has ended, with all that was measured. What diverged before a failure, diverged.

    Raises:
        StorageError: it could not be written.
    """
    store, divergence = _store(context), record.divergence(trial.seed)
    failure = None if divergence else failure
    status = "failed" if failure else "diverged" if divergence else "completed"
    tables = {
        "steps": steps_table(trial, record, spec.protocol.batch_size),
        "evaluations": evaluations_table(trial, record),
        "modes": modes_table(trial, record),
    }
    log = failure.log if failure else _remains(record, trial.seed) if divergence else ""
    run: Mapping[str, Any] = {
        "status": status,
        "last_step": int(tables["steps"]["step"].max()) if len(tables["steps"]) else 0,
        "wall_seconds": wall_seconds,
        "attempts": store.attempts(trial) + locks.count_attempts(store, trial),
        "error": str(failure) if failure else divergence,
        "error_type": failure.kind if failure else divergence.partition(":")[0],
        "log": f"trials/{trial.id}/{LOG}" if log else "",
        "vectorised": cohort is not None and not cohort.loops,
        "cohort": list(spec.seeds),
        "compile": _compilation(spec, cohort),
        "probe": None,
        "places": {c.kind: dict(c.place) for c in spec.components() if c.place},
        "origins": {c.kind: context.origins.get(f"{c.kind} {c.name}") for c in spec.components()},
        **_made(context),
    }
    store.write(trial, run, tables, _weights(trial, spec, cohort) if status == "completed" else {}, log)
    locks.forget_attempts(store, trial)
    return TrialResult(trial, status, run["error"], run["log"])


def _compilation(spec: CohortSpec, cohort: Cohort | None) -> dict[str, Any]:
    """Whether compilation was asked for, and whether it was done."""
    asked, compiled = spec.protocol.compiled, cohort is not None and cohort.config.compiled
    reason = "" if asked == compiled or cohort is None else f"{spec.objective.name} cannot be traced"
    return {"asked": "on" if asked else "off", "compiled": compiled, "reason": reason}


def _made(context: RunContext) -> dict[str, Any]:
    """How a result was made."""
    return {
        "device": _device_name(context.device),
        "versions": versions(),
        "threads": context.threads,
        "machine": machine(),
        **context.provenance,
        "command": context.command,
        "finished": datetime.now(UTC).isoformat(),
    }


LARGEST_CRITIC = 2**20  # bytes; a larger one is not stored beside its generator


def _weights(trial: Trial, spec: CohortSpec, cohort: Cohort | None) -> dict[str, dict[str, torch.Tensor]]:
    """A seed's networks after the last step, as they are stored."""
    if cohort is None:
        return {}
    k, players = spec.seeds.index(trial.seed), {"generator": cohort.generator, "critic": cohort.critic}
    if cohort.critic.flat[k].nbytes > LARGEST_CRITIC:
        del players["critic"]
    return {role: {name: w[k] for name, w in player.weights.items()} for role, player in players.items()}


def _remains(record: TrainingLog, seed: int) -> str:
    """What is known of a divergence: the sentence, and all readings of that step, which are the last in the table."""
    step, readings = record.diverged[seed]
    values = {name: float(np.float64(value)) for name, value in zip(READINGS, readings, strict=True)}
    return f"{record.divergence(seed)}\nreadings at step {step}: {json.dumps(values)}\n"


def _device_name(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


def store_probed(
    trial: Trial, spec: CohortSpec, context: RunContext, moments: list[ProbeReading], wall_seconds: float
) -> TrialResult:
    """A trained trial gets its probe; all else stays as it is. Raises StorageError."""
    store = _store(context)
    run = store.run(trial)
    assert run is not None
    assert spec.probe is not None
    changed = {**run, "probe": spec.probe.settings(), "wall_seconds": run["wall_seconds"] + wall_seconds}
    tables: dict[str, pd.DataFrame] = {"probes": probes_table(trial, spec.seeds, moments)}
    store.add(trial, changed, tables)
    return outcome_of(trial, run)


def unprobed(trial: Trial, context: RunContext, failure: Failure) -> TrialResult:
    """A trained trial whose probe failed stays as it is; the log stands apart."""
    store, file = _store(context), f"logs/{trial.id}.log"
    try:
        store.make(store.path / "logs")
        store.write_bytes(store.path / file, failure.log.encode("utf-8", errors="replace"))
    except GanbenchError:  # the disk is full, say, which may be why the probe failed
        file = ""
    return TrialResult(trial, "failed", str(failure), file)


def outcome_of(trial: Trial, run: Mapping[str, Any]) -> TrialResult:
    """What ``run.json`` says."""
    return TrialResult(trial, run["status"], run.get("error", ""), run.get("log", ""))


def _store(context: RunContext) -> StudyFolder:
    return StudyFolder(Path(context.results))


# -- running a cohort --------------------------------------------------------------------------------------------------

Lab = Callable[[], tuple[PluginRegistry, TrainingConfig]]  # loads what a cohort names, when it is first asked
DEFAULT_METRICS = tuple(f"{OWN}:{name}" for name in ("modes", "high_quality", "mode_kl", "fid", "sliced_w1"))


def run_cohort(spec: Shard, context: RunContext, report: Report | Callbacks) -> list[TrialResult]:
    """Train and probe a cohort and store its trials. Whatever it raises becomes failed trials; nothing is lost.

    Trials that another run is at are waited for, and its results taken. A part of an experiment is measured and stored.

    Args:
        spec: the cohort, or the part.
        context: it runs.
        report: is called with the number of steps that are done; Callbacks can do more.

    Raises:
        Cancelled: it was asked to end early.
    """
    callbacks = report if isinstance(report, Callbacks) else Callbacks(report)
    with preserved():
        torch.set_num_threads(context.threads)
        if isinstance(spec, CohortSpec):
            set_precision(spec.protocol.precision)
            return _run_trials(spec, context, callbacks)
        assert isinstance(spec, Job)
        try:
            return spec.run(context, callbacks)
        except Cancelled:
            raise
        except Exception as error:  # an experiment may raise anything; the others go on
            return spec.fail(Failure.of(error))


def _run_trials(spec: CohortSpec, context: RunContext, callbacks: Callbacks) -> list[TrialResult]:
    store, left, outcomes = StudyFolder(Path(context.results)), spec, []
    while left.seeds:
        done: dict[int, TrialResult] = {}
        try:
            with acquire_trials(store, left.trials(), callbacks.pause, callbacks.say) as held:
                callbacks.working()
                done = _finish_trials(left.with_seeds(trial.seed for trial in held), context, callbacks)
        except StorageError as error:  # on a full disk there is no row; the caller reports why
            done = {t.seed: TrialResult(t, "failed", str(Failure.of(error))) for t in left.trials()}
        outcomes += list(done.values())
        left = left.with_seeds(seed for seed in left.seeds if seed not in done)
    return outcomes


def _finish_trials(spec: CohortSpec, context: RunContext, callbacks: Callbacks) -> dict[int, TrialResult]:
    """Bring trials that nobody else is at to their end; what is done already, maybe meanwhile, is taken as it is."""
    store, lab = StudyFolder(Path(context.results)), functools.cache(lambda: prepare(spec, context))
    states = {trial: trial_state(store, trial, spec.probe, context.since) for trial in spec.trials()}
    missing = spec.with_seeds(trial.seed for trial, state in states.items() if state.is_to_train)
    unprobed_ones = [trial.seed for trial, state in states.items() if state.is_to_probe]
    open_seeds = {*missing.seeds, *unprobed_ones}
    outcomes = {t.seed: outcome_of(t, store.run(t) or {}) for t in states if t.seed not in open_seeds}
    if missing.seeds:
        locks.note_attempt(store, missing.trials())
        outcomes |= {outcome.trial.seed: outcome for outcome in _train(missing, context, callbacks, lab)}
    fresh = [seed for seed in missing.seeds if outcomes[seed].status != "failed"] if spec.probe else []
    for part in _to_probe(spec.with_seeds(unprobed_ones + fresh), store):
        outcomes |= {outcome.trial.seed: outcome for outcome in _probe(part, context, callbacks, lab)}
    return outcomes


def _to_probe(spec: CohortSpec, store: StudyFolder) -> list[CohortSpec]:
    """Cohorts with the probe that their trials lack: the wanted one, or the damaged one that they had."""
    if spec.probe or not spec.seeds:
        return [spec] if spec.seeds else []
    recorded = {trial.seed: (store.run(trial) or {}).get("probe") for trial in spec.trials()}
    return [replace(spec.with_seeds([seed]), probe=ProbeProtocol.of(parts)) for seed, parts in recorded.items()]


# -- training ----------------------------------------------------------------------------------------------------------


def _train(spec: CohortSpec, context: RunContext, callbacks: Callbacks, lab: Lab) -> list[TrialResult]:
    store = StudyFolder(Path(context.results))
    failure, config, suite = None, None, None
    checkpoints = Checkpoints(store, made_with(context), callbacks.say)
    trainer = Trainer(spec, checkpoints, context.checkpoint_seconds, callbacks)
    try:
        with isolated(f"training {_described(spec, context)}", callbacks.say):
            registry, config = lab()
            suite = make_suite(registry, config.population, spec.protocol.n_samples)
            trainer.run(config, suite)
    except Cancelled:
        if callbacks.pausing():
            locks.withdraw_attempt(store, spec.trials())
        raise
    except Exception as error:  # an objective may raise anything; its trials keep all they measured, as failed rows
        failure = Failure.of(error)
    parts: list[tuple[int, ...]] = []
    if failure and trainer.cohort is not None and not trainer.cohort.vectorises:
        parts = [(seed,) for seed in spec.seeds]  # one seed's data may have caused it: the others are not to suffer
    elif failure and failure.kind == EXHAUSTED and config and suite and len(spec.seeds) > config.least_seeds():
        trainer.cohort = None  # and so its memory
        parts = _that_fit(config, spec, suite, callbacks)
    if len(parts) > 1:
        smaller = [spec.with_seeds(part) for part in parts]
        outcomes = [outcome for part in smaller for outcome in _train(part, context, callbacks, lab)]
    else:
        found = context, trainer.record, trainer.cohort, trainer.wall_seconds(), failure
        outcomes = [store_trained(trial, spec, *found) for trial in spec.trials()]
    checkpoints.remove(spec)
    return outcomes


def _described(spec: CohortSpec, context: RunContext) -> str:
    """The components whose code runs, with the distributions that offer them."""
    origins = {name: origin["distribution"] for name, origin in context.origins.items()}
    named = [f"{c.kind} {c.name}" for c in spec.components()]
    foreign = [f"{name} of {origins[name]}" for name in named if origins.get(name, OWN) != OWN]
    return ", ".join(foreign) or spec.name


def _that_fit(
    config: TrainingConfig, spec: CohortSpec, suite: MetricSuite, callbacks: Callbacks
) -> list[tuple[int, ...]]:
    """The seeds of a cohort that memory has no room for, in parts as large as it has."""

    def has_room(n: int) -> bool:
        callbacks.pause()
        return fits(config, spec.seeds[:n], suite)

    release()
    most = largest(has_room, config.least_seeds(), len(spec.seeds))
    callbacks.say(f"{spec.name}: {len(spec.seeds)} seeds do not fit into memory at once; {most} are run at a time")
    return evenly(spec.seeds, most)


def prepare(spec: CohortSpec, context: RunContext) -> tuple[PluginRegistry, TrainingConfig]:
    """Load what a cohort names.

    Raises:
        UsageError, DataError: this machine has other code or other data than the one that the cohort was described on.
    """
    registry = load_plugins(files=context.plugins)
    for offers, component in ((registry.architectures, spec.architecture), (registry.objectives, spec.objective)):
        if not is_made_by(offers.find(component.name), component.code):
            raise UsageError(
                f"{component.kind} {component.name!r} has another source on {platform.node()} than where the run "
                "began: install the same version on every machine, and do not edit it while a run goes on",
                subject=component.name,
                code="source",
            )
    device = torch.device(context.device)
    population = load_population(instantiate(registry.datasets, spec.dataset), Path(context.data_root)).to(device)
    if population.fingerprint != spec.dataset.code:
        raise DataError(
            f"{spec.dataset.label}: the data below {context.data_root} on {platform.node()} are not those of the "
            "machine where the run began: put the same files there",
            subject=context.data_root,
            code="data",
        )
    architecture = instantiate(registry.architectures, spec.architecture)
    objective = instantiate(registry.objectives, spec.objective)
    protocol = spec.protocol
    budget = protocol.steps, protocol.batch_size, device
    made = TrainingConfig(population, architecture, objective, *budget, precision=protocol.precision)
    return registry, replace(made, compiled=protocol.compiled)


def made_with(context: RunContext) -> dict[str, Any]:
    """What has to be the same for a cohort to go on from a checkpoint to the same numbers."""
    found = versions()
    return {**{name: found[name] for name in ("python", "torch", "numpy")}, "device": context.device}


def make_suite(registry: PluginRegistry, population: Population, n_samples: int) -> MetricSuite:
    """The default metrics of a population, against its reference samples."""
    return MetricSuite.of(population, [registry.metrics.find(name)() for name in DEFAULT_METRICS], n_samples)


# -- the probe ---------------------------------------------------------------------------------------------------------


def _probe(spec: CohortSpec, context: RunContext, callbacks: Callbacks, lab: Lab) -> list[TrialResult]:
    began, before = time.perf_counter(), spec.protocol.steps if spec.train else 0
    assert spec.probe is not None

    def report(step: int) -> None:
        callbacks.report(before + step)
        callbacks.pause()

    try:
        registry, config = lab()
        protocol = replace(spec.probe, cut=not config.population.reference_is_apart)
        ((component, reference),) = variants(registry.objectives, reference_generators.OBJECTIVE, {})
        references = reference_generators.open_references(
            context, spec, replace(config, objective=reference), component
        )
        generators = references.generators(spec.seeds, protocol.generator_steps, callbacks.pause, callbacks.say)
        with isolated(f"probing {_described(spec, context)}", callbacks.say):
            moments = list(probe(config, spec.seeds, protocol, generators, report))
    except Cancelled:
        raise
    except Exception as error:  # whatever became of the probe, what was trained before stays
        return [unprobed(trial, context, Failure.of(error)) for trial in spec.trials()]
    seconds, probed = time.perf_counter() - began, replace(spec, probe=protocol)
    return [store_probed(trial, probed, context, moments, seconds) for trial in spec.trials()]


# -- failed processes --------------------------------------------------------------------------------------------------


def fail(spec: Shard, context: RunContext, failure: Failure | str) -> list[TrialResult]:
    """Store failed trials for a cohort whose process could not do it, with what its last checkpoint holds."""
    if isinstance(failure, str):
        kind, _, message = failure.partition(": ")
        failure = Failure(kind, message, failure)
    if isinstance(spec, Job):
        return spec.fail(failure)
    assert isinstance(spec, CohortSpec)
    outcomes = []
    for trial in spec.trials():
        try:
            with acquire_trials(
                StudyFolder(Path(context.results)), [trial], _patience() if context.shared else None
            ) as held:
                outcome = _fail(trial, spec, context, failure) if held else TrialResult(trial, "failed", str(failure))
        except GanbenchError as error:
            outcome = TrialResult(trial, "failed", f"{failure} (and {error})")
        outcomes.append(outcome)
    return outcomes


def _patience() -> Callable[[], None]:
    """Waits for as long as the lease of a machine that is gone may still run."""
    deadline = time.monotonic() + 3 * LEASE

    def wait() -> None:
        if time.monotonic() > deadline:
            raise StorageError("another run holds the trial")

    return wait


def _fail(trial: Trial, spec: CohortSpec, context: RunContext, failure: Failure) -> TrialResult:
    store, alone = StudyFolder(Path(context.results)), spec.with_seeds([trial.seed])
    state = trial_state(store, trial, spec.probe, context.since)
    if not spec.train or state.is_to_probe:
        return unprobed(trial, context, failure)
    if not state.is_to_train:  # it was stored before the process crashed, or another run has done it
        return outcome_of(trial, store.run(trial) or {})
    checkpoint = Checkpoints(store, made_with(context)).find(alone)
    record = checkpoint.record.of(alone.seeds) if checkpoint else TrainingLog(alone.seeds)
    seconds = checkpoint.wall_seconds if checkpoint else 0.0
    return store_trained(trial, alone, context, record, None, seconds, failure)
