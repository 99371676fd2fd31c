"""Trials on disk, written by hand: nothing is trained."""

import numpy as np
import pandas as pd
import torch

from ganbench.spec import CohortSpec, Component, Protocol
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import typed

RUN = {
    "status": "completed",
    "last_step": 2,
    "wall_seconds": 1.5,
    "attempts": 1,
    "device": "cpu",
    "error": "",
    "versions": {},
}


def component(kind, name, **fields):
    return Component(kind, name, name, fields, "code")


def spec(seeds=(0, 1), **changes):
    parts = [component("dataset", "ring"), component("architecture", "mlp"), component("objective", "gan", n_critic=1)]
    return CohortSpec(*parts, Protocol(**{"steps": 2, "batch_size": 8, "evaluate_every": 1, **changes}), seeds)


def tables(trial):
    keys = {"trial": trial.id, "dataset": "ring", "architecture": "mlp", "objective": "gan", "seed": trial.seed}
    steps = pd.DataFrame({c: [0.5, np.nan] for c in schema.STEPS}).assign(
        **keys, step=[1, 2], critic_updates=1, samples_seen=8
    )
    rows = pd.DataFrame(
        {"metric": ["fid"], "value": [3.0], "n_samples": [8], "protocol": ["fid@x/8"], "step": [2]}
    ).assign(**keys)
    return {"steps": typed(steps, schema.STEPS), "evaluations": typed(rows, schema.EVALUATIONS)}


def stored(path, trial, **run):
    store = StudyFolder(path)
    store.begin({"command": "test"})
    store.write(trial, {**RUN, **run}, tables(trial), {"generator": {"w": torch.ones(2)}})
    return store
