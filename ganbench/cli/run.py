"""``ganbench run``: train what is missing, and show how far it is."""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from ganbench.analysis.scores import COLUMNS, last_evaluations, missing_reasons, summarise
from ganbench.cli.terminal import echo_err, print_table, printable, tell, warn_of_broken
from ganbench.datasets.root import data_root
from ganbench.engine.tracing import require_compiler
from ganbench.errors import DamageError, UsageError
from ganbench.interfaces.executor import CHECKPOINT_SECONDS, Event, RunContext, TrialResult
from ganbench.plugins.isolation import guarded, isolated
from ganbench.plugins.loading import PluginFile, read_plugin_files
from ganbench.plugins.registry import PluginRegistry, load_plugins
from ganbench.runner.cohort_run import DEFAULT_METRICS
from ganbench.runner.floors import ensure_floors
from ganbench.spec import Shard
from ganbench.store.checkpoint import delete_finished
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_study
from ganbench.store.verify import TrialState, delete_corrupt
from ganbench.study.config import StudyConfig
from ganbench.study.provenance import loaded, origins, source, source_hashes
from ganbench.study.study import Study, make_study

# -- progress ----------------------------------------------------------------------------------------------------------

WIDE = 80  # columns of a terminal that has room for rate and time left

Advance = Callable[[Shard, int], None]  # a shard of a cohort has done so many seed-steps more


@contextmanager
def progress_bars(cohorts: Sequence[Shard]) -> Iterator[Advance]:
    """Show the progress of cohorts, in seed-steps, until the block ends."""
    totals = _totals(cohorts)
    with _live(totals) if sys.stderr.isatty() else _plain(totals) as advance:
        yield advance


def _totals(cohorts: Sequence[Shard]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for cohort in cohorts:
        totals[cohort.name] = totals.get(cohort.name, 0) + len(cohort.seeds) * cohort.work()
    return totals


@contextmanager
def _live(totals: dict[str, int]) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    rate = TextColumn("{task.fields[rate]:>7.0f} seed-steps/s")
    more = (rate, TimeRemainingColumn()) if console.width >= WIDE else ()
    room = max(8, console.width - (45 if more else 20))  # for a name, so that rich cuts no percentage
    with Progress(*columns, *more, console=console) as progress:
        tasks: dict[str, TaskID] = {
            n: progress.add_task(_cut(printable(n), room), total=t, rate=0.0, start=False) for n, t in totals.items()
        }

        def advance(cohort: Shard, done: int) -> None:
            task = progress.tasks[progress.task_ids.index(tasks[cohort.name])]
            if not task.started:
                progress.start_task(task.id)
            progress.update(task.id, advance=done, rate=task.speed or 0.0)

        yield advance


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


@contextmanager
def _plain(totals: dict[str, int]) -> Iterator[Advance]:
    began, done, shown = time.monotonic(), dict.fromkeys(totals, 0), dict.fromkeys(totals, 0)

    def advance(cohort: Shard, steps: int) -> None:
        name = cohort.name
        done[name] += steps
        tenth = 10 * done[name] // totals[name]
        if tenth > shown[name]:
            shown[name] = tenth
            share, seconds = sum(done.values()) / sum(totals.values()), time.monotonic() - began
            left = seconds * (1 - share) / share
            rate = sum(done.values()) / seconds
            echo_err(f"{name}: {10 * tenth} %, {rate:.0f} seed-steps/s in all, {left:.0f} s left")

    yield advance


# -- trackers ----------------------------------------------------------------------------------------------------------


def notify(registry: PluginRegistry, store: StudyFolder, outcome: TrialResult, complain: Callable[[str], None]) -> None:
    """Call ``ganbench_trial_finished`` of every plugin that has it; one that raises is named and disturbs nobody.

    Args:
        registry: the loaded plugins.
        store: where the trial's results lie.
        outcome: the trial that has ended.
        complain: gets one sentence about each plugin that raised.
    """
    implementations = registry.manager.hook.ganbench_trial_finished.get_hookimpls()
    if not implementations:
        return
    try:
        if store.trackers.is_symlink():
            raise DamageError(f"{store.trackers} is a link: remove it")
        row, tables = store.read(outcome.trial)
    except UsageError as error:  # changed since it was written: the run goes on and says so in the end
        complain(f"no tracker was told of {outcome.trial.id}: {error}")
        return
    for implementation in implementations:
        copies = {name: table.copy() for name, table in tables.items()}  # a tracker may change what it is given
        offered = {"trial": dict(row), "tables": copies, "folder": store.trackers}
        try:
            with isolated(f"plugin {implementation.plugin_name}: ganbench_trial_finished", complain):
                implementation.function(*(offered[name] for name in implementation.argnames))
        except (Exception, SystemExit) as error:  # a tracker's fault must not cost a result
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            complain(f"plugin {implementation.plugin_name}: ganbench_trial_finished raised {reason}")


# -- the command -------------------------------------------------------------------------------------------------------


def run(config: StudyConfig, plan: bool) -> list[TrialResult]:
    """Train what a configuration asks for, or print the plan. Returns how each trial that was run has ended."""
    files = read_plugin_files(config.plugin)
    registry = load_plugins(files=files)
    warn_of_broken(registry.plugins)
    root = data_root(config.data_root)
    study = make_study(config, registry, root)
    for remark in study.remarks:
        echo_err(remark)
    if plan:
        if not study.out.is_dir():  # one that is there may be read-only, as nothing is written
            study.store().check()
        _print_plan(study)
        return []
    study.executor.check()
    if config.compile == "on" and config.executor == "local" and study.device == "cpu":
        require_compiler()
    store = study.store()
    store.check()
    delete_corrupt(store, echo_err)
    outcomes = _run_missing(study, config, registry, root, files)
    _print_summary(study)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        log = f" (log: {study.out / outcome.log})" if outcome.log else ""
        echo_err(f"failed: {outcome.trial.objective} seed {outcome.trial.seed}: {outcome.error}{log}")
    evaluated = [(cohort.dataset, cohort.protocol.n_samples) for cohort in study.cohorts]
    with store.lock("study", echo_err):
        ensure_floors(store, evaluated, DEFAULT_METRICS, registry, root, echo_err)
    return outcomes


def _run_missing(
    study: Study, config: StudyConfig, registry: PluginRegistry, root: Path, files: tuple[PluginFile, ...]
) -> list[TrialResult]:
    missing, store = study.missing(), study.store()
    done = len(study.trials()) - sum(len(cohort.seeds) for cohort in missing)
    if done:
        echo_err(f"{done} of {len(study.trials())} trials are already there")
    context = replace(_context(study, config, registry, root), plugins=files)
    if missing or not store.is_begun():
        trials = [trial.id for trial in study.trials()]
        store.open()
        with store.lock("study", echo_err):
            store.begin({**asdict(config), "command": context.command, "trials": trials})
    outcomes: list[TrialResult] = []
    running = guarded(study.executor, "running with")
    with running, progress_bars(missing) as advance, closing(study.executor.run(missing, context)) as events:
        steps = _Steps()
        for event in events:
            if event.remark:
                echo_err(event.remark)
            advance(event.shard, steps.since_last(event))
            for outcome in event.outcomes:
                _notify(registry, study, outcome)
            outcomes.extend(event.outcomes)
    delete_finished(store)
    return outcomes


def _context(study: Study, config: StudyConfig, registry: PluginRegistry, root: Path) -> RunContext:
    return RunContext(
        str(study.out),
        str(root),
        study.device,
        threads=1,
        command=shlex.join(["ganbench", *sys.argv[1:]]),
        provenance={"git": source(), "plugins": loaded(registry.plugins)},
        since=datetime.now(UTC).isoformat(),
        checkpoint_seconds=_checkpoint_seconds(),
        trial_timeout=config.trial_timeout,
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


def _notify(registry: PluginRegistry, study: Study, outcome: TrialResult) -> None:
    """Call ``notify`` for a trial that has a row; one that the disk had no room for has none."""
    if study.store().run(outcome.trial) is not None:
        notify(registry, study.store(), outcome, echo_err)


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
    TrialState.MISSING: "to run",
    TrialState.DAMAGED: "damaged, to run again",
    TrialState.FAILED: "failed, to run again",
    TrialState.UNPROBED: "trained, to be probed",
}


def _state(state: TrialState) -> str:
    return WAITING.get(state, f"done ({state})")


def _print_summary(study: Study) -> None:
    trials = [trial.id for trial in study.trials()]
    results = read_study(study.out, trials=trials)  # others may be damaged
    for group, rows in summarise(results, trials).items():
        tell(group)
        print_table(COLUMNS, rows)
    for sentence in missing_reasons(last_evaluations(results, trials)):
        echo_err(sentence)
    tables = ", ".join(f".{name}" for name in ("trials", "steps", "evaluations", "modes", "probes"))
    tell(f'tables: {study.out} (in Python: ganbench.load("{study.out}"){tables})')
