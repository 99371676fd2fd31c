"""``ganbench evaluate``: metrics of the generators that a study has stored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ganbench.analysis.scores import dominant_protocol, last_evaluations, median_range, missing_reasons
from ganbench.cli.terminal import echo_err, print_table, tell, warn_of_broken
from ganbench.datasets.root import data_root
from ganbench.errors import UsageError
from ganbench.metrics.evaluators import VARIABLE
from ganbench.plugins.build import build, read_places
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.registry import PluginRegistry, load_plugins
from ganbench.runner.floors import ensure_floors
from ganbench.runner.reevaluate import finished, reevaluate
from ganbench.store.folder import StudyFolder
from ganbench.store.results import Results, find_floor, load
from ganbench.study.config import StudyConfig, read_settings

COLUMNS = ("objective", "metric", "seeds", "median (lowest to highest)", "perfect sampler")


def evaluate(
    results: Path,
    metrics: str,
    config: StudyConfig,
    weights: Path | None = None,
    settings: Sequence[str] = (),
) -> None:
    """Compute metrics for every stored generator of a study, add them to its tables, and print them.

    Args:
        results: the study's folder.
        metrics: names with commas between them.
        config: samples to draw, place of datasets, plugins.
        weights: file of the weights of ``inception-v3-compat``.
        settings: where moved data lie, as ``--set`` takes it.

    Raises:
        UsageError: bad input, before anything is computed; or a stored file that is broken.
        DataError: a dataset that is missing, or is not the one of the study.
    """
    registry = load_plugins(files=read_plugin_files(config.plugin))
    warn_of_broken(registry.plugins)
    names = _names(metrics, registry)
    if weights is not None:
        _use_weights(weights)
    store = StudyFolder(results)
    trials = finished(store, read_places(read_settings(settings, "--set"), registry.datasets))
    store.check("RESULTS")
    stored = sorted((t for t in trials if t.has_generator()), key=lambda t: (t.trial.dataset, t.trial.objective))
    if len(stored) < len(trials):
        echo_err(
            f"{len(trials) - len(stored)} of {len(trials)} trials diverged or failed and left no generator: skipped"
        )
    folder, n_samples = data_root(config.data_root), config.n_samples
    computed = [build(registry.metrics.find(name), {}) for name in names]
    for k, done in enumerate(reevaluate(store, stored, computed, n_samples, registry, folder, echo_err), 1):
        echo_err(f"{k} of {len(stored)}: {done.trial.id}")
    evaluated = [(t.component("dataset"), n_samples or t.n_samples) for t in stored]
    with store.lock("study", echo_err):
        ensure_floors(store, evaluated, names, registry, folder, echo_err)
    _print(load(results), [t.trial.id for t in stored], names, n_samples)
    tell(f'tables: {results} (in Python: ganbench.load("{results}").evaluations, .floors)')


def _names(metrics: str, registry: PluginRegistry) -> list[str]:
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    if not names:
        raise UsageError("--metrics is empty; name at least one, such as kid,coverage")
    return list(dict.fromkeys(registry.metrics.find(name, "--metrics").name for name in names))


def _use_weights(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"--inception-weights: there is no file {path}")
    os.environ[VARIABLE] = str(path)


def _print(results: Results, trials: Sequence[str], names: Sequence[str], n_samples: int) -> None:
    rows = last_evaluations(results, trials)
    rows = rows[rows["metric"].isin(list(names)) & (rows["n_samples"].eq(n_samples) | (n_samples == 0))]
    for (dataset, architecture), group in rows.groupby(["dataset", "architecture"], sort=False):
        tell(f"{dataset} · {architecture}")
        print_table(COLUMNS, [_cells(part, results.floors) for _, part in group.groupby(["objective", "metric"])])
    for sentence in missing_reasons(rows):
        echo_err(sentence)


def _cells(rows: pd.DataFrame, floors: pd.DataFrame) -> tuple[str, ...]:
    """One line of the table, from the rows of one objective and metric."""
    objective, metric = rows[["objective", "metric"]].iloc[0]
    of_protocol = dominant_protocol(rows, metric)
    return objective, metric, str(len(of_protocol)), median_range(of_protocol["value"]), _floor(floors, of_protocol)


def _floor(floors: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Value ± standard error of the floor that belongs to some rows of one protocol."""
    if rows.empty:
        return "–"
    dataset, protocol = rows[["dataset", "protocol"]].iloc[0]
    matching = find_floor(floors, dataset, protocol)
    texts = [f"{f.value:.3g} ± {f.standard_error:.1g}" for f in matching.itertuples()]
    return texts[0] if texts else "–"
