"""The tables of one trial, made from what was measured of its cohort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ganbench.engine.probe import ProbeReading
from ganbench.engine.readings import READINGS
from ganbench.engine.training_log import TrainingLog, joined
from ganbench.spec import Trial
from ganbench.store import schema
from ganbench.store.results import typed


def keys(trial: Trial) -> dict[str, Any]:
    """The columns that every table starts with."""
    return {
        "trial": trial.id,
        "dataset": trial.dataset,
        "architecture": trial.architecture,
        "objective": trial.objective,
        "seed": trial.seed,
    }


def steps_table(trial: Trial, record: TrainingLog, batch_size: int) -> pd.DataFrame:
    """One row a step, up to the first whose readings are not all finite."""
    if not record.chunks:
        return typed(pd.DataFrame(columns=list(schema.STEPS)), schema.STEPS)
    run, k = joined(record.chunks), record.seeds.index(trial.seed)
    table = pd.DataFrame(run.readings[:, k], columns=list(READINGS)).assign(
        **keys(trial),
        step=np.arange(1, len(run.readings) + 1),
        critic_updates=run.critic_updates,
        samples_seen=run.critic_updates * batch_size,
        seconds=run.seconds,
    )
    diverged = record.diverged.get(trial.seed)
    return typed(table[: diverged[0] if diverged else None], schema.STEPS)


def evaluations_table(trial: Trial, record: TrainingLog) -> pd.DataFrame:
    """One row a step and metric."""
    rows = [{**keys(trial), **row} for row in record.evaluations.get(trial.seed, [])]
    return typed(pd.DataFrame(rows, columns=list(schema.EVALUATIONS)), schema.EVALUATIONS)


def modes_table(trial: Trial, record: TrainingLog) -> pd.DataFrame:
    """One row a step and mode; none where no modes are known."""
    parts = [
        pd.DataFrame({"samples": row["samples"], "captured": row["captured"]}).assign(
            **keys(trial), step=row["step"], mode=range(len(row["samples"]))
        )
        for row in record.modes.get(trial.seed, [])
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(schema.MODES))
    return typed(table, schema.MODES)


def probes_table(trial: Trial, seeds: Sequence[int], moments: Sequence[ProbeReading]) -> pd.DataFrame:
    """One row a generator step and critic step; ``seeds`` are those of the readings, in order."""
    k = seeds.index(trial.seed)
    rows = []
    for reading in moments:
        values = {n: v[k] if isinstance(v, np.ndarray) else v for n, v in vars(reading).items()}
        rows.append({**keys(trial), **values})
    return typed(pd.DataFrame(rows, columns=list(schema.PROBES)), schema.PROBES)
