"""What a tracker does with trials that end: it takes all of them, and keeps its files in a folder of its own."""

from __future__ import annotations

import contextlib
import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.runner.tables import keys
from ganbench.spec import Trial, canonical
from ganbench.store import schema
from ganbench.store.results import typed
from ganbench.testing.candidate import Candidate, Defect, code_of, raised

ARGUMENTS = ("trial", "tables", "folder")
STEPS = 4


def inputs(subject: Candidate) -> Iterator[Defect]:
    """It takes trial, tables and folder, or some of them, and nothing else."""
    if not callable(subject.instance):
        yield Defect(
            "arguments",
            f"it is {subject.instance!r}",
            "write def ganbench_trial_finished(trial, tables, folder)",
            "not-callable",
        )
        return
    for name, parameter in inspect.signature(subject.instance).parameters.items():
        if name not in ARGUMENTS:
            yield Defect("arguments", f"it asks for {name!r}", f"there are {', '.join(ARGUMENTS)}", "unknown")
        elif parameter.default is not parameter.empty:
            yield Defect(
                "arguments", f"{name!r} has a default, so it is never passed", "leave the default out", "default"
            )


def endings(subject: Candidate) -> Iterator[Defect]:
    """It takes a completed trial, one that diverged, one that failed before its first step, and one a second time."""
    with _elsewhere() as folder:
        for which, status in ENDINGS.items():
            try:
                _call(subject, status, folder)
            except (Exception, SystemExit) as error:  # a third party's code may raise anything
                reason = f"a trial that {which}: {raised(error, subject.file)}"
                yield Defect("endings", reason, FIX_ENDINGS, code_of(error))
                return


ENDINGS = {
    "completed": "completed",
    "diverged": "diverged",
    "failed before its first step": "failed",
    "completed and is told a second time": "completed",
}
FIX_ENDINGS = "take tables without rows and values that are not finite; make folders with exist_ok=True"


def files(subject: Candidate) -> Iterator[Defect]:
    """Its files lie in a folder of its own below the one that it is given."""
    with _elsewhere() as folder:
        _call(subject, schema.STATUSES[0], folder)
        beside = [p.name for p in folder.iterdir() if p.is_file()] if folder.exists() else []
        here = [p.name for p in Path.cwd().iterdir() if p != folder.parent]
        if beside:
            reason = f"it writes {beside[0]} beside the files of other trackers"
            yield Defect("files", reason, "write into a folder of your own: folder / 'name'", "beside")
        if here:
            yield Defect(
                "files", f"it writes {here[0]} into the current folder", "write below folder", "current-folder"
            )


@contextlib.contextmanager
def _elsewhere() -> Iterator[Path]:
    """A folder for trackers that does not exist yet, below a temporary current folder."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        results = Path(temporary).resolve() / "results"
        results.mkdir()
        yield results / "trackers"


def _call(subject: Candidate, status: str, folder: Path) -> None:
    settings = {"objective": {"name": "gan", "fields": {"n_critic": 1}}, "steps": STEPS}
    trial = Trial("ring", "mlp", "gan", 0, canonical(settings))
    offered = {"trial": _row(trial, status), "tables": _tables(trial, status), "folder": folder}
    subject.instance(*(offered[name] for name in inspect.signature(subject.instance).parameters))


def _row(trial: Trial, status: str) -> dict[str, Any]:
    """A trial's row of the trials table."""
    happened = {"settings": trial.settings, "status": status, "last_step": STEPS if status != "failed" else 0}
    happened |= {"wall_seconds": 1.0, "attempts": 1, "device": "cpu", "versions": "{}"}
    happened["error"] = "ObjectiveError: by design" if status == "failed" else ""
    return {**keys(trial), **happened}


def _tables(trial: Trial, status: str) -> dict[str, pd.DataFrame]:
    """Its tables: every number 1, the last reading of a diverged trial NaN; without rows where it failed."""
    tables = {}
    for name, columns in schema.TABLES.items():
        rows = 0 if status == "failed" else STEPS
        values = {c: [FILLED.get(kind, "fid")] * rows for c, kind in columns.items()} | {"step": range(1, rows + 1)}
        table = pd.DataFrame({c: v for c, v in values.items() if c in columns}).assign(**keys(trial))
        if status == "diverged" and name == "steps":
            table.loc[rows - 1, "generator_grad_norm"] = float("nan")
        tables[name] = typed(table, columns)
    return tables


FILLED: dict[str, Any] = {"int64": 1, "float64": 1.0, "bool": True}
