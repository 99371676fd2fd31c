"""``ganbench run``: from a request to tables."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Hashable
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from ganbench.checkpoints import sweep
from ganbench.commands.progress import show
from ganbench.commands.terminal import print_table, say, tell, warn_of_broken
from ganbench.compilation import require_compiler
from ganbench.datasets.root import data_root
from ganbench.errors import UsageError
from ganbench.execution import DEFAULT_METRICS
from ganbench.floors import ensure_floors
from ganbench.integrity import mend
from ganbench.isolation import guarded
from ganbench.notification import notify
from ganbench.plugin_files import PluginFile, read_plugin_files
from ganbench.plugins import Registry, load_plugins
from ganbench.provenance import loaded, origins, source, source_hashes
from ganbench.request import Request
from ganbench.results import read_study
from ganbench.study import Study, make_study
from ganbench.summary import COLUMNS, gaps, last_evaluations, summarise
from ganbench.surroundings import CHECKPOINT_SECONDS, Event, Outcome, Surroundings


def run(request: Request, plan: bool) -> list[Outcome]:
    """Do what a request asks for, or only say what that is. Returns how each trial that was run has ended."""
    files = read_plugin_files(request.plugin)
    registry = load_plugins(files=files)
    warn_of_broken(registry.plugins)
    root = data_root(Path(request.data_root) if request.data_root else None)
    study = make_study(request, registry, root)
    for remark in study.remarks:
        say(remark)
    if plan:
        if not study.out.is_dir():  # one that is there may be read-only, as nothing is written
            study.store().check()
        _print_plan(study)
        return []
    study.executor.check()
    if request.compile == "on" and request.executor == "local" and study.device == "cpu":
        require_compiler()
    store = study.store()
    store.check()
    mend(store, say)
    outcomes = _run_missing(study, request, registry, root, files)
    _print_summary(study)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        log = f" (log: {study.out / outcome.log})" if outcome.log else ""
        say(f"failed: {outcome.trial.objective} seed {outcome.trial.seed}: {outcome.error}{log}")
    evaluated = [(cohort.dataset, cohort.protocol.n_samples) for cohort in study.cohorts]
    with store.lock("study", say):
        ensure_floors(store, evaluated, DEFAULT_METRICS, registry, root, say)
    return outcomes


def _run_missing(
    study: Study, request: Request, registry: Registry, root: Path, files: tuple[PluginFile, ...]
) -> list[Outcome]:
    missing, store = study.missing(), study.store()
    done = len(study.trials()) - sum(len(cohort.seeds) for cohort in missing)
    if done:
        say(f"{done} of {len(study.trials())} trials are already there")
    where = replace(_surroundings(study, request, registry, root), plugins=files)
    if missing or not store.is_begun():
        trials = [trial.id for trial in study.trials()]
        store.open()
        with store.lock("study", say):
            store.begin({**asdict(request), "command": where.command, "trials": trials})
    outcomes: list[Outcome] = []
    running = guarded(study.executor, "running with")
    with running, show(missing) as advance, closing(study.executor.run(missing, where)) as events:
        steps = _Steps()
        for event in events:
            if event.remark:
                say(event.remark)
            advance(event.shard, steps.since_last(event))
            for outcome in event.outcomes:
                _tell(registry, study, outcome)
            outcomes.extend(event.outcomes)
    sweep(store)
    return outcomes


def _surroundings(study: Study, request: Request, registry: Registry, root: Path) -> Surroundings:
    return Surroundings(
        str(study.out),
        str(root),
        study.device,
        threads=1,
        compile=request.compile,
        command=shlex.join(["ganbench", *sys.argv[1:]]),
        provenance={"git": source(), "plugins": loaded(registry.plugins)},
        since=datetime.now(UTC).isoformat(),
        checkpoint_seconds=_checkpoint_seconds(),
        trial_timeout=request.trial_timeout,
        source_hashes=source_hashes(registry.plugins),
        origins=origins(registry, (part for cohort in study.cohorts for part in cohort.components())),
    )


def _checkpoint_seconds() -> float:
    """The least time between two checkpoints, which the environment may set. Raises UsageError."""
    text = os.environ.get("GANBENCH_CHECKPOINT_SECONDS", "")
    try:
        seconds = float(text or CHECKPOINT_SECONDS)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UsageError(f"GANBENCH_CHECKPOINT_SECONDS is {text!r}; wanted a number of seconds, such as 25")
    return seconds


def _tell(registry: Registry, study: Study, outcome: Outcome) -> None:
    """Tell plugins of a trial that has a row; one that the disk had no room for has none."""
    if study.store().run(outcome.trial) is not None:
        notify(registry, study.store(), outcome, say)


class _Steps:
    """Turns the steps that shards have reached into seed-steps done since their last event."""

    def __init__(self) -> None:
        self._reached: dict[tuple[Hashable, ...], int] = {}

    def since_last(self, event: Event) -> int:
        key = event.shard.identity()
        before = self._reached.get(key, 0)
        self._reached[key] = max(before, event.step)
        return (self._reached[key] - before) * len(event.shard.seeds)


def _print_plan(study: Study) -> None:
    rows = [
        (t.id, t.dataset, t.architecture, t.objective, str(t.seed), _state(study.state(cohort, t)))
        for cohort in study.cohorts
        for t in cohort.trials()
    ]
    print_table(("trial", "dataset", "architecture", "objective", "seed", "state"), rows)
    waiting = sum(row[-1] in WAITING.values() for row in rows)
    tell(f"{waiting} of {len(rows)} trials would run on {study.device}, into {study.out}")


WAITING = {
    "missing": "to run",
    "damaged": "damaged, to run again",
    "failed": "failed, to run again",
    "unprobed": "trained, to be probed",
}


def _state(state: str) -> str:
    return WAITING.get(state, f"done ({state})")


def _print_summary(study: Study) -> None:
    trials = [trial.id for trial in study.trials()]
    results = read_study(study.out, trials=trials)  # others may be damaged
    for where, rows in summarise(results, trials).items():
        tell(where)
        print_table(COLUMNS, rows)
    for sentence in gaps(last_evaluations(results, trials)):
        say(sentence)
    tables = ", ".join(f".{name}" for name in ("trials", "steps", "evaluations", "modes", "probes"))
    tell(f'tables: {study.out} (in Python: ganbench.load("{study.out}"){tables})')
