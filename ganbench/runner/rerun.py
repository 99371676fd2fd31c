"""One stored trial, made again from its own description, and how far its numbers agree with the stored ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from ganbench.errors import UsageError
from ganbench.interfaces.dataset import Population
from ganbench.plugins.build import Places, instantiate, load_population, other_data, placed, resolve_stored
from ganbench.plugins.fingerprint import is_made_by
from ganbench.plugins.registry import PluginRegistry
from ganbench.spec import ENGINE, CohortSpec, Component, ProbeProtocol, Protocol
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import check_version, read_file, read_run, read_trial
from ganbench.store.verify import check_files

PLACE = {
    "steps": ["step"],
    "evaluations": ["step", "metric", "protocol"],
    "modes": ["step", "mode"],
    "probes": ["generator_step", "critic_step"],
}
CLOCKS = ("seconds",)  # of the machine, not of the trial


@dataclass(frozen=True)
class ColumnDiff:
    """How one column of one table compares with its repetition.

    Attributes:
        table, column: which.
        values: how many were compared.
        differing: how many of them are not the same to the bit.
        largest: the largest relative difference; infinite where a value is missing or is not finite on one side.
        first: where the first difference is, in words; empty where there is none.
    """

    table: str
    column: str
    values: int
    differing: int
    largest: float
    first: str


@dataclass(frozen=True)
class Described:
    """A stored trial.

    Attributes:
        store: the results folder that it is in.
        spec: a cohort of this trial alone.
        run: what happened to it.
    """

    store: StudyFolder
    spec: CohortSpec
    run: Mapping[str, Any]


def describe(folder: Path, moved: Places = MappingProxyType({})) -> Described:
    """The trial that lies in a folder, ``RESULTS/trials/TRIAL``.

    Args:
        folder: the trial's.
        moved: where data lie now.

    Raises:
        UsageError: no finished trial lies there, or another ganbench computed it.
        DamageError: a file of it is not what was written.
    """
    folder = folder.absolute()
    run = read_run(folder) if folder.is_dir() else None
    if run is None:
        sentence = f"{folder} holds no finished trial; name a folder RESULTS/trials/TRIAL that has a run.json"
        raise UsageError(sentence, subject=folder, code="no-trial")
    check_version(folder.parent.parent)
    text = read_trial(folder, run)
    settings = text["settings"]
    if settings["engine"] != ENGINE:
        raise UsageError(
            f"{folder.name} was computed by engine {settings['engine']} and this ganbench has engine {ENGINE}, which "
            f"gives other numbers: install ganbench {run['versions']['ganbench']}",
            subject=folder.name,
            code="engine",
        )
    for finding in check_files(folder, run):
        sentence = f"{finding.path} {finding.reason}: there is nothing to compare with; run the study again"
        raise UsageError(sentence, subject=finding.path, code=finding.kind)
    dataset, architecture, objective = (
        placed(Component(k, settings[k]["name"], text[k], settings[k]["fields"], settings[k]["code"]), run, moved)
        for k in KINDS
    )
    protocol = Protocol(**{f.name: settings[f.name] for f in fields(Protocol) if f.name in settings})
    probe = ProbeProtocol.of(run.get("probe"))
    spec = CohortSpec(dataset, architecture, objective, protocol, (text["seed"],), probe)
    return Described(StudyFolder(folder.parent.parent), spec, run)


KINDS = ("dataset", "architecture", "objective")


def check_same_sources(
    spec: CohortSpec, registry: PluginRegistry, data_root: Path, origins: Mapping[str, Any] | None = None
) -> Population:
    """The trial's data. Raises UsageError or DataError where they or the code are not what the trial was made with."""
    for offers, component in ((registry.architectures, spec.architecture), (registry.objectives, spec.objective)):
        if not is_made_by(resolve_stored(offers, component, origins), component.code):
            raise UsageError(
                f"{component.kind} {component.name!r} has another source now than when the trial was made: install "
                "the version that its run.json names, or give the file of then with --plugin",
                subject=component.name,
                code="source",
            )
    population = load_population(instantiate(registry.datasets, spec.dataset, origins), data_root)
    if population.fingerprint != spec.dataset.code:
        raise other_data(spec.dataset, data_root)
    return population


def is_outdated(probe: ProbeProtocol | None, population: Population) -> bool:
    """Whether a stored probe was read on samples that its critic was trained on, as those of earlier versions were."""
    return probe is not None and probe.cut == population.reference_is_apart


def compare(stored: Described, repeated: StudyFolder) -> list[ColumnDiff]:
    """Every column of every table, value by value; evaluations that were added later are left out."""
    (trial,) = stored.spec.trials()
    before, after = (store.read(trial)[1] for store in (stored.store, repeated))
    found = []
    for name, place in PLACE.items():
        if name == "probes" and stored.spec.probe is None:
            continue
        asked = before[name].merge(after[name][place], on=place) if name == "evaluations" else before[name]
        numbers = [c for c, kind in schema.TABLES[name].items() if kind in ("float64", "int64")]
        columns = [c for c in numbers if c not in ("seed", *place, *CLOCKS)]
        found += [_column(name, column, asked, after[name], place) for column in columns]
    return [*found, _weights(stored, repeated)]


def _column(table: str, column: str, before: pd.DataFrame, after: pd.DataFrame, place: list[str]) -> ColumnDiff:
    both = before[[*place, column]].merge(after[[*place, column]], on=place, how="outer", suffixes=("", "_again"))
    first, again = both[column].to_numpy(), both[f"{column}_again"].to_numpy()
    same = (first == again) | (np.isnan(first) & np.isnan(again))
    same &= both.merge(before[place], on=place, how="left", indicator=True)["_merge"].eq("both").to_numpy()
    where = ", ".join(f"{name} {both[name].iloc[int(np.argmin(same))]}" for name in place[:2]) if not same.all() else ""
    return ColumnDiff(table, column, len(both), int((~same).sum()), _largest(first, again, same), where)


def _largest(first: np.ndarray[Any, Any], again: np.ndarray[Any, Any], same: np.ndarray[Any, Any]) -> float:
    if same.all():
        return 0.0
    a, b = first[~same], again[~same]
    with np.errstate(all="ignore"):
        relative = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    return float(np.nan_to_num(relative, nan=np.inf).max())


def _weights(stored: Described, repeated: StudyFolder) -> ColumnDiff:
    """The last generator; absent on both sides where the trial diverged or failed."""
    from safetensors.numpy import load

    (trial,) = stored.spec.trials()
    contents = []
    for store in (stored.store, repeated):
        content = read_file(store.folder(trial), store.run(trial) or {}, "generator.safetensors")
        tensors = load(content) if content else {}
        contents.append(np.concatenate([tensors[n].ravel() for n in sorted(tensors)]) if tensors else np.zeros(0))
    before, after = contents
    if len(before) != len(after):
        return ColumnDiff("generator", "weights", len(before), max(len(before), len(after)), np.inf, "its size")
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    first = "" if same.all() else f"weight {int(np.argmin(same))}"
    return ColumnDiff("generator", "weights", len(before), int((~same).sum()), _largest(before, after, same), first)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """In words what of the provenance has changed between two runs."""
    found = []
    for name in ("versions", "machine", "git"):
        old, new = before.get(name) or {}, after.get(name) or {}
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        found += [f"{key}: {json.dumps(old.get(key))} then, {json.dumps(new.get(key))} now" for key in keys]
    if before.get("device") != after.get("device"):
        found.append(f"device: {before.get('device')} then, {after.get('device')} now")
    return found
