"""``ganbench rerun``: repeats one trial and says whether its numbers agree."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ganbench.cli.terminal import echo_err, print_table, tell, warn_of_broken
from ganbench.datasets.root import data_root
from ganbench.errors import UsageError
from ganbench.interfaces.executor import RunContext
from ganbench.plugins.build import read_places
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.registry import load_plugins
from ganbench.runner.executors.local import run_local
from ganbench.runner.rerun import ColumnDiff, check_same_sources, compare, describe, differences, is_outdated
from ganbench.store.folder import StudyFolder
from ganbench.store.scratch import scratch_folder
from ganbench.study.config import read_settings
from ganbench.study.provenance import loaded, origins, source, source_hashes
from ganbench.study.study import resolve_device

COLUMNS = ("table", "column", "values", "differing", "largest relative difference", "first at")


def rerun(
    folder: Path, probe: bool, root: str | None, plugin: Sequence[str] = (), settings: Sequence[str] = ()
) -> bool:
    """Train a stored trial again in a temporary folder and compare. Returns whether all is the same to the bit.

    Raises:
        UsageError, DataError: there is no such trial, or the code or the data have changed.
    """
    files = read_plugin_files(plugin)
    registry = load_plugins(files=files)
    warn_of_broken(registry.plugins)
    stored = describe(folder, read_places(read_settings(settings, "--set"), registry.datasets))
    stored = replace(stored, spec=stored.spec if probe else replace(stored.spec, probe=None))
    below = data_root(root)
    population = check_same_sources(stored.spec, registry, below, stored.run.get("origins"))
    if is_outdated(stored.spec.probe, population):
        echo_err("its probe was read on samples that its critic was trained on, unlike those of today: it is left out")
        stored = replace(stored, spec=replace(stored.spec, probe=None))
    (trial,) = stored.spec.trials()
    if (stored.run.get("compile") or {}).get("compiled") and not stored.spec.protocol.compiled:
        echo_err("it was compiled when that was no part of a trial's settings: numbers differ in rounding")
    echo_err(f"{trial.id}: running it again ({stored.spec.protocol.steps} steps)")
    with scratch_folder("ganbench-rerun-") as elsewhere:
        context = RunContext(
            str(elsewhere),
            str(below),
            _device(str(stored.run["device"])),
            threads=1,
            command=shlex.join(["ganbench", *sys.argv[1:]]),
            provenance={"git": source(), "plugins": loaded(registry.plugins)},
            plugins=files,
            source_hashes=source_hashes(registry.plugins),
            origins=origins(registry, stored.spec.components()),
        )
        with closing(run_local([stored.spec], context)) as events:
            for event in events:
                for outcome in event.outcomes:
                    echo_err(f"{outcome.status} {outcome.error}".rstrip())
        repeated = StudyFolder(elsewhere)
        run = repeated.run(trial)
        if run is None:
            raise UsageError(f"{trial.id} could not be run again; the reason stands above")
        changed = differences(stored.run, run)
        same = _print(compare(stored, repeated)) and run["status"] == stored.run["status"]
    tell(f"{trial.id}: the numbers {'agree to the bit' if same else 'do not agree'}")
    for sentence in changed:
        echo_err(sentence)
    return same


def _device(recorded: str) -> str:
    """The device that the trial ran on, where this machine has one; else the CPU, whose numbers differ in rounding."""
    name = recorded.partition(" ")[0]
    try:
        return resolve_device(name)
    except UsageError:
        echo_err(f"there is no {name} here: the CPU's numbers differ in rounding")
        return "cpu"


def _print(agreements: list[ColumnDiff]) -> bool:
    rows = [
        (a.table, a.column, str(a.values), str(a.differing), f"{a.largest:.2g}" if a.differing else "–", a.first)
        for a in agreements
    ]
    print_table(COLUMNS, rows)
    return not any(a.differing for a in agreements)
