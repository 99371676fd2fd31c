"""How long a report takes, and how large it and its memory get: a synthetic study of many trials and steps.

python benchmarks/report.py [TRIALS] [STEPS] [FOLDER]
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from ganbench.runner.tables import keys
from ganbench.spec import Trial, canonical
from ganbench.store import schema
from ganbench.store.folder import StudyFolder
from ganbench.store.results import typed

DATASETS = ("digits", "ring")
ARCHITECTURES = ("dcgan", "dcgan-plain", "mlp", "mlp-512")
OBJECTIVES = ("gan", "noisegan", "nsgan", "wgan", "wgan[clip=0.1]")
METRICS = {"modes": 10.0, "high_quality": 1.0, "mode_kl": 0.01, "fid": 2.0, "sliced_w1": 0.1}
VERSIONS = {"ganbench": "0", "numpy": np.__version__}


def trials(n: int, steps: int) -> list[Trial]:
    """The first n of datasets x architectures x objectives x seeds, the seeds running slowest."""
    places = [(d, a, o) for d in DATASETS for a in ARCHITECTURES for o in OBJECTIVES]
    described = [settings(*place, steps) for place in places]
    return [Trial(*places[i % len(places)], i // len(places), described[i % len(places)]) for i in range(n)]


def settings(dataset: str, architecture: str, objective: str, steps: int) -> str:
    """What the trials of a cohort share."""
    parts = {"dataset": dataset, "architecture": architecture, "objective": objective}
    components = {kind: {"name": name, "fields": {}, "code": "synthetic"} for kind, name in parts.items()}
    protocol = {"steps": steps, "batch_size": 64, "evaluate_every": steps // 10, "n_samples": 1000}
    return canonical({**components, **protocol})


def tables(trial: Trial, steps: int, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Readings as random walks in the logarithm, some exact zeros, metrics that fall."""
    n = np.arange(1, steps + 1)
    norms = np.exp(rng.normal(0, 0.1, (2, steps)).cumsum(axis=1)) * (rng.random((2, steps)) > 1e-3)
    rest = rng.normal(0, 1, (6, steps))
    values = {
        "step": n, "critic_updates": n, "samples_seen": n * 64, "seconds": n * 0.03,
        "generator_grad_norm": norms[0], "critic_grad_norm": norms[1], "critic_accuracy": rng.random(steps),
        **dict(zip(("generator_loss", "critic_loss", "score_real", "score_fake", "estimate"), rest, strict=False)),
    }  # fmt: skip
    moments = np.arange(0, steps + 1, steps // 10)
    evaluations = [
        {"step": s, "metric": m, "value": floor * (1 + 50 * rng.random() / (1 + s)), "n_samples": 1000,
         "protocol": f"{m}@synthetic/1000"} for s in moments for m, floor in METRICS.items()
    ]  # fmt: skip
    probes = [
        {"generator_step": age, "critic_step": c, "generator_grad_norm": 0.1 * np.exp(-c / 100),
         "generator_grad_noise": rng.random(), "critic_accuracy": 1 - 0.5 * np.exp(-c / 30), "critic_loss": 0.5}
        for age in (25, 250, 1000) for c in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
    ]  # fmt: skip
    modes = {
        "step": moments.repeat(10), "mode": np.tile(np.arange(10), len(moments)),
        "samples": rng.integers(0, 200, 10 * len(moments)),
    }  # fmt: skip
    made = {
        "steps": pd.DataFrame(values), "evaluations": pd.DataFrame(evaluations), "probes": pd.DataFrame(probes),
        "modes": pd.DataFrame({**modes, "captured": modes["samples"] >= 25}),
    }  # fmt: skip
    return {name: typed(table.assign(**keys(trial)), schema.TABLES[name]) for name, table in made.items()}


def build(folder: Path, n: int, steps: int) -> None:
    """Write the study: one trial in fifty diverges half way, one in two hundred fails at once."""
    store, rng = StudyFolder(folder), np.random.default_rng(0)
    store.begin({"command": f"python benchmarks/report.py {n} {steps}"})
    for i, trial in enumerate(trials(n, steps)):
        status = "failed" if i % 200 == 7 else "diverged" if i % 50 == 3 else "completed"
        last = {"failed": 0, "diverged": steps // 2, "completed": steps}[status]
        found = {k: t if k == "probes" else t[t["step"] <= last] for k, t in tables(trial, steps, rng).items()}
        if status == "diverged":
            found["steps"].loc[found["steps"].index[-1], "generator_grad_norm"] = np.nan
        run = {"status": status, "last_step": last, "wall_seconds": steps * 0.03, "attempts": 1, "device": "cpu"}
        error = "RuntimeError: synthetic" if status == "failed" else ""
        store.write(trial, {**run, "error": error, "versions": VERSIONS, "command": ""}, found, {})


def measure(folder: Path) -> tuple[float, float]:
    """Seconds of a report of a folder, and the most memory that it held, in GiB."""
    began, most = time.perf_counter(), 0
    done = subprocess.Popen([sys.executable, "-m", "ganbench", "report", str(folder)])
    process = psutil.Process(done.pid)
    while done.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, sum(p.memory_info().rss for p in (process, *process.children(recursive=True))))
        time.sleep(0.05)
    if done.returncode:
        sys.exit(f"the report ended with {done.returncode}")
    return time.perf_counter() - began, most / 2**30


def main() -> None:
    """Build where nothing is yet, time the report, print time, memory and the page's size."""
    n, steps = (int(text) for text in (*sys.argv[1:3], "2000", "2000")[:2]) if len(sys.argv) > 2 else (2000, 2000)
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp()) / f"synthetic-{n}x{steps}"
    if not (folder / "study.json").is_file():
        build(folder, n, steps)
    seconds, gib = measure(folder)
    page = os.path.getsize(folder / "report" / "index.html") / 2**20
    print(f"{n} trials x {steps} steps: {seconds:.1f} s, {gib:.2f} GiB, page of {page:.1f} MiB, in {folder}")


if __name__ == "__main__":
    main()
