"""Results as tables in memory, for leaderboards that can be counted by hand."""

import json

import pandas as pd

from ganbench.store import schema
from ganbench.store.results import Results, typed

DIRECTIONS = {"fid": "lower", "modes": "higher"}


def table(kinds, rows):
    blank = {c: "" if t == "str" else 0 for c, t in kinds.items()}
    return typed(pd.DataFrame([{**blank, **row} for row in rows], columns=list(kinds)), kinds)


def trial(objective, seed, status="completed", settings=None, dataset="digits"):
    """A row of the trials table; the trial's name says what it is."""
    text = json.dumps({"objective": {"name": objective}, "steps": 20, **(settings or {})}, sort_keys=True)
    name = f"{dataset}-{objective}-{seed}-{text}"
    labels = {"dataset": dataset, "architecture": "mlp", "objective": objective, "seed": seed}
    return {**labels, "trial": name, "status": status, "settings": text}


def study(trials, values, norms=(), evaluator="cnn"):
    """A study out of trials and, for each, its values: ``{metric: {step: value}}``."""
    evaluations = [
        {**t, "metric": m, "step": step, "value": value, "n_samples": 100, "protocol": f"{m}@{evaluator}/100"}
        for t, found in zip(trials, values, strict=True)
        for m, course in found.items()
        for step, value in course.items()
    ]
    steps = [{**trials[0], "generator_grad_norm": norm} for norm in norms]
    tables = (
        table(kinds, [{k: v for k, v in row.items() if k in kinds} for row in given])
        for kinds, given in (
            (schema.TRIALS, trials),
            (schema.STEPS, steps),
            (schema.EVALUATIONS, evaluations),
            (schema.MODES, []),
            (schema.PROBES, []),
            (schema.FLOORS, []),
        )
    )
    return Results(*tables)
