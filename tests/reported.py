"""Small studies on disk, made of tables that can be counted by hand: nothing is trained."""

import numpy as np
import pandas as pd

from ganbench.runner.tables import keys
from ganbench.spec import Trial, canonical
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import typed

OBJECTIVES = {"gan": 40.0, "wgan": 20.0}  # with the FID that each of them ends at, before the seed is added
VERSIONS = {"ganbench": "0", "torch": "2"}


def trial(objective, seed, dataset="digits", architecture="dcgan", steps=20):
    settings = {
        "steps": steps, "batch_size": 8, "evaluate_every": steps // 2 or 1, "n_samples": 100, "engine": 1,
        "dataset": {"name": dataset, "fields": {}, "code": "x"},
        "architecture": {"name": architecture, "fields": {}, "code": "x"},
        "objective": {"name": objective, "fields": {"n_critic": 1}, "code": "x"},
    }  # fmt: skip
    return Trial(dataset, architecture, objective, seed, canonical(settings))


def steps_table(described, steps):
    """Step k has a generator gradient of norm (seed + 1) / k, and a critic gradient twice that."""
    n = np.arange(1, steps + 1)
    norms = (described.seed + 1.0) / n
    values = {
        "step": n, "critic_updates": n, "samples_seen": 8 * n, "seconds": 0.5 * n, "generator_loss": -norms,
        "critic_loss": norms, "generator_grad_norm": norms, "critic_grad_norm": 2 * norms, "score_real": norms,
        "score_fake": -norms, "critic_accuracy": 0.5 + 0.5 * n / steps, "estimate": norms,
    }  # fmt: skip
    return typed(pd.DataFrame(values).assign(**keys(described)), schema.STEPS)


def evaluations_table(described, steps, last, evaluator="digits-cnn"):
    """FID falls to ``last``; 10 modes at the end, seed of them before."""
    rows = []
    for step in sorted({0, steps // 2, steps}):
        fid, modes = last * (1 + steps - step), 10.0 if step == steps else float(described.seed % 10)
        for metric, value in (("fid", fid), ("modes", modes), ("sliced_w1", fid / 100)):
            rows.append({"step": step, "metric": metric, "value": value, "n_samples": 100,
                         "protocol": f"{metric}@{evaluator}/100"})  # fmt: skip
    return typed(pd.DataFrame(rows).assign(**keys(described)), schema.EVALUATIONS)


def probes_table(described):
    """The norm falls tenfold at every reading; the last is exactly 0 for seed 0."""
    rows = [
        {"generator_step": age, "critic_step": c, "generator_grad_noise": 1.0 + i, "critic_accuracy": 0.5 + i / 10,
         "generator_grad_norm": 0.0 if (i, described.seed) == (3, 0) else 10.0**-i, "critic_loss": 1.0}
        for age in (5, 10) for i, c in enumerate((0, 1, 10, 100))
    ]  # fmt: skip
    return typed(pd.DataFrame(rows).assign(**keys(described)), schema.PROBES)


def floors_table(dataset="digits", evaluator="digits-cnn"):
    rows = [
        {"dataset": dataset, "metric": m, "value": v, "standard_error": v / 10, "repetitions": 10, "n_samples": 100,
         "protocol": f"{m}@{evaluator}/100: 100 against 100"} for m, v in (("fid", 1.5), ("modes", 10.0))
    ]  # fmt: skip
    return typed(pd.DataFrame(rows), schema.FLOORS)


def write_study(
    path,
    objectives=OBJECTIVES,
    seeds=3,
    steps=20,
    dataset="digits",
    architectures=("dcgan",),
    endings=None,
    without=(),
    evaluator="digits-cnn",
    command="ganbench run --objectives gan,wgan",
):
    """A study of these objectives, each with the FID that it ends at.

    ``endings`` gives, by (objective, seed), how a trial ended if not well; a diverged one stops half way, its last norm
    NaN; a failed one has no rows. ``without`` names tables that no trial has.
    """
    store = StudyFolder(path)
    store.begin({"out": str(path.name), "command": command})
    for described, last in (
        (trial(o, s, dataset, a, steps), fid + s)
        for a in architectures
        for o, fid in objectives.items()
        for s in range(seeds)
    ):
        status = (endings or {}).get((described.objective, described.seed), "completed")
        tables = {
            "steps": steps_table(described, steps),
            "evaluations": evaluations_table(described, steps, last, evaluator),
            "modes": modes_table(described, sorted({0, steps // 2, steps}), steps),
            "probes": probes_table(described),
        }
        reached = {"completed": steps, "diverged": steps // 2, "failed": 0}[status]
        for name in ("steps", "evaluations", "modes"):
            tables[name] = tables[name][tables[name]["step"] <= reached] if reached else tables[name].head(0)
        if status == "diverged":
            tables["steps"].iloc[-1, tables["steps"].columns.get_loc("generator_grad_norm")] = np.nan
        run = {
            "status": status, "last_step": reached, "wall_seconds": 2.0, "attempts": 1, "device": "cpu",
            "error": "ArithmeticError: by design" if status == "failed" else "", "versions": VERSIONS,
            "command": command,
        }  # fmt: skip
        store.write(described, run, {n: t for n, t in tables.items() if n not in without}, {})
    store.write_floors(floors_table(dataset, evaluator))
    return path


def write_verdicts(path):
    """Three rules of two claims, one of each verdict."""
    nan = np.nan
    rows = [
        ("vanishing", "orders", "They vanish.", "reproduced", 3.5, 3.1, 3.9, 10, "> 3", 0.001, True, ""),
        ("vanishing", "accuracy", "They vanish.", "not reproduced", 0.7, 0.6, 0.8, 10, "> 0.99", 1.0, False, "odd"),
        ("tracking", "rho", "It tracks.", "inconclusive", nan, nan, nan, 0, "> 0.6", nan, False, ""),
    ]
    names = ["claim", "rule", "sentence", "verdict", "effect", "low", "high", "n", "threshold", "p", "holm", "note"]
    table = pd.DataFrame(rows, columns=names).assign(source="A paper (2017), Theorem 1", number=1, measure="it")
    StudyFolder(path).write_verdicts(table)


def modes_table(described, moments, lost):
    """Two modes; mode 1 is captured until step ``lost``."""
    rows = [{"step": s, "mode": m, "samples": 50, "captured": m == 0 or s < lost} for s in moments for m in (0, 1)]
    return typed(pd.DataFrame(rows).assign(**keys(described)), schema.MODES)
