"""Writes down how trials ended, whatever happened to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganbench import tries
from ganbench.cohort import Cohort
from ganbench.errors import GanbenchError
from ganbench.failures import Failure
from ganbench.pace import Pace
from ganbench.probing import Reading
from ganbench.provenance import machine, versions
from ganbench.readings import READINGS
from ganbench.record import Record
from ganbench.store import LOG, Store
from ganbench.surroundings import Outcome, Surroundings
from ganbench.tables import evaluations_table, modes_table, probes_table, steps_table
from ganbench.trials import CohortSpec, Trial

if TYPE_CHECKING:
    import pandas as pd


def store_trained(
    trial: Trial,
    spec: CohortSpec,
    where: Surroundings,
    record: Record,
    cohort: Cohort | None,
    wall_seconds: float,
    failure: Failure | None,
    pace: Pace | None = None,
) -> Outcome:
    """Write a trial whose training has ended, with all that was measured. What diverged before a failure, diverged.

    Raises:
        StorageError: it could not be written.
    """
    store, divergence = _store(where), record.divergence(trial.seed)
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
        "attempts": store.attempts(trial) + tries.count(store, trial),
        "error": str(failure) if failure else divergence,
        "error_type": failure.kind if failure else divergence.partition(":")[0],
        "log": f"trials/{trial.id}/{LOG}" if log else "",
        "vectorised": cohort is not None and not cohort.loops,
        "cohort": list(spec.seeds),
        "compile": asdict(pace) if pace else None,
        "probe": None,
        "places": {c.kind: dict(c.place) for c in spec.components() if c.place},
        "origins": {c.kind: where.origins.get(f"{c.kind} {c.name}") for c in spec.components()},
        **_made(where),
    }
    store.write(trial, run, tables, _weights(trial, spec, cohort) if status == "completed" else None, log)
    tries.forget(store, trial)
    return Outcome(trial, status, run["error"], run["log"])


def _made(where: Surroundings) -> dict[str, Any]:
    """How a result was made."""
    return {
        "device": _device_name(where.device),
        "versions": versions(),
        "threads": where.threads,
        "machine": machine(),
        **where.provenance,
        "command": where.command,
        "finished": datetime.now(UTC).isoformat(),
    }


def _weights(trial: Trial, spec: CohortSpec, cohort: Cohort | None) -> dict[str, torch.Tensor] | None:
    if cohort is None:
        return None
    return {name: w[spec.seeds.index(trial.seed)] for name, w in cohort.generator.weights.items()}


def _remains(record: Record, seed: int) -> str:
    """What is known of a divergence: the sentence, and all readings of that step, which are the last in the table."""
    step, readings = record.diverged[seed]
    values = {name: float(np.float64(value)) for name, value in zip(READINGS, readings, strict=True)}
    return f"{record.divergence(seed)}\nreadings at step {step}: {json.dumps(values)}\n"


def _device_name(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


def store_probed(
    trial: Trial, spec: CohortSpec, where: Surroundings, moments: list[Reading], wall_seconds: float
) -> Outcome:
    """A trained trial gets its probe; all else stays as it is. Raises StorageError."""
    store = _store(where)
    run = store.run(trial)
    assert run is not None
    assert spec.probe is not None
    changed = {**run, "probe": spec.probe.settings(), "wall_seconds": run["wall_seconds"] + wall_seconds}
    tables: dict[str, pd.DataFrame] = {"probes": probes_table(trial, spec.seeds, moments)}
    store.add(trial, changed, tables)
    return outcome_of(trial, run)


def unprobed(trial: Trial, where: Surroundings, failure: Failure) -> Outcome:
    """A trained trial whose probe failed stays as it is; the log stands apart."""
    store, file = _store(where), f"logs/{trial.id}.log"
    try:
        store.make(store.path / "logs")
        store.write_bytes(store.path / file, failure.log.encode("utf-8", errors="replace"))
    except GanbenchError:  # the disk is full, say, which may be why the probe failed
        file = ""
    return Outcome(trial, "failed", str(failure), file)


def outcome_of(trial: Trial, run: Mapping[str, Any]) -> Outcome:
    """What ``run.json`` says."""
    return Outcome(trial, run["status"], run.get("error", ""), run.get("log", ""))


def _store(where: Surroundings) -> Store:
    return Store(Path(where.results))
