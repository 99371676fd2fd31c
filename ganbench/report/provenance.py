"""Where the numbers come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ganbench.report.material import Material
from ganbench.report.tables import Cell, Grid, number, text


def provenance(material: Material) -> list[Grid]:
    """Where the numbers come from: devices, versions, seeds, settings, protocols."""
    return [_machines(material.results.trials), _seeds(material), _settings(material), _protocols(material)]


def _machines(trials: pd.DataFrame) -> Grid:
    rows = []
    for place, group in trials.groupby(["device", "versions"], sort=True):
        device, versions = map(str, place)
        told = ", ".join(f"{name} {version}" for name, version in sorted(json.loads(versions).items()))
        rows.append([text(device), Cell(told, told, "long"), number(len(group)), number(int(group["attempts"].max()))])
    return Grid("Devices and versions", ["device", "versions", "trials", "most attempts"], rows)


def _seeds(material: Material) -> Grid:
    rows = []
    for section in material.sections:
        for objective, group in section.results.trials.groupby("objective", sort=True):
            seeds = sorted(int(seed) for seed in group["seed"].unique())
            rows.append(
                [text(section.title), text(objective), number(len(seeds)), Cell(_runs(seeds), str(seeds), "long")]
            )
    return Grid("Seeds", ["where", "objective", "n", "seeds"], rows)


def _runs(seeds: Sequence[int]) -> str:
    """Consecutive seeds as ranges: ``0–4, 7``."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and parts[-1][-1] == seed - 1:
            parts[-1][1:] = [seed]
        else:
            parts.append([seed])
    return ", ".join("–".join(map(str, part)) for part in parts)


def _settings(material: Material) -> Grid:
    rows = []
    for section in material.sections:
        shared = _fields(section.settings)
        rows.append([text(section.title), text("all"), _code(shared)])
        for objective, group in section.results.trials.groupby("objective", sort=True):
            own = dict.fromkeys(_fields(json.loads(s).get("objective", {})) for s in group["settings"])
            rows += [[text(section.title), text(objective), _code(fields)] for fields in own]
    return Grid("Settings", ["where", "objective", "settings"], rows)


def _fields(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Nested settings as ``name=value`` with dotted names, in alphabetical order."""
    told = []
    for name, value in sorted(settings.items()):
        told.append(_fields(value, f"{prefix}{name}.") if isinstance(value, Mapping) else f"{prefix}{name}={value}")
    return " ".join(t for t in told if t)


def _protocols(material: Material) -> Grid:
    evaluations, floors = material.results.evaluations, material.results.floors
    names = ["dataset", "protocol", "reason"]
    counts = evaluations[names].astype({"protocol": "category", "reason": "category"})
    rows = []
    for (dataset, protocol, reason), own in counts.groupby(names, observed=True):
        rows.append([text(dataset), _code(str(protocol)), number(len(own), f"{len(own):,}"), _long(str(reason))])
    known: Any = floors.itertuples()
    for row in known:
        told = row.reason or f"perfect sampler: {row.value:.4g} ± {row.standard_error:.2g}"
        rows.append([text(row.dataset), _code(str(row.protocol)), number(row.repetitions), _long(told)])
    note = "A value is defined by its protocol; values of two protocols do not compare."
    return Grid("Protocols", ["dataset", "protocol", "values", "remark"], rows, note)


def _code(words: str) -> Cell:
    return Cell(words, words, "code")


def _long(words: str) -> Cell:
    return Cell(words, words, "long")
