"""The tables: their columns, in order, with their types. Everything that reads or writes results goes by these."""

from __future__ import annotations

VERSION = 1  # of the results folder; a newer one is refused

_KEYS = {"trial": "str", "dataset": "str", "architecture": "str", "objective": "str", "seed": "int64"}

TRIALS = {
    **_KEYS,
    "settings": "str",
    "status": "str",
    "last_step": "int64",
    "wall_seconds": "float64",
    "attempts": "int64",
    "device": "str",
    "error": "str",
    "versions": "str",
}

STEPS = {
    **_KEYS,
    "step": "int64",
    "critic_updates": "int64",
    "samples_seen": "int64",
    "seconds": "float64",
    "generator_loss": "float64",
    "critic_loss": "float64",
    "generator_grad_norm": "float64",
    "critic_grad_norm": "float64",
    "score_real": "float64",
    "score_fake": "float64",
    "critic_accuracy": "float64",
    "estimate": "float64",
}

EVALUATIONS = {
    **_KEYS,
    "step": "int64",
    "metric": "str",
    "value": "float64",
    "n_samples": "int64",
    "protocol": "str",
    "reason": "str",  # why there is no value; empty where there is one
}

# How many samples each mode or class has, and whether the metric ``modes`` counts it as captured.
MODES = {
    **_KEYS,
    "step": "int64",
    "mode": "int64",
    "samples": "int64",
    "captured": "bool",
}

PROBES = {
    **_KEYS,
    "generator_step": "int64",
    "critic_step": "int64",
    "generator_grad_norm": "float64",
    "generator_grad_noise": "float64",
    "critic_accuracy": "float64",
    "critic_loss": "float64",
}

# What a perfect sampler scores. ``protocol`` begins with the evaluations' that it belongs to and then says, behind a
# colon, which real samples were compared; ``standard_error`` is that of one evaluation, over so many repetitions.
FLOORS = {
    "dataset": "str",
    "metric": "str",
    "value": "float64",
    "standard_error": "float64",
    "repetitions": "int64",
    "n_samples": "int64",
    "protocol": "str",
    "reason": "str",
}

# What the claims suite decided: one row a rule. ``holm`` says whether the verdict's p value holds over the whole suite.
VERDICTS = {
    "number": "int64",
    "claim": "str",
    "rule": "str",
    "sentence": "str",
    "source": "str",
    "verdict": "str",
    "measure": "str",
    "effect": "float64",
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "threshold": "str",
    "p": "float64",
    "holm": "bool",
    "note": "str",
}

TABLES = {"steps": STEPS, "evaluations": EVALUATIONS, "modes": MODES, "probes": PROBES}

# What a column has in the rows of files that were written before it was there.
EMPTY: dict[str, str | int | float | bool] = {"str": "", "int64": 0, "float64": float("nan"), "bool": False}

STATUSES = ("completed", "diverged", "failed")
