"""Floors: what a perfect sampler scores, at the sample count of an evaluation. No metric's floor is its ideal value.

A floor is measured with real samples in the place of a generator's, several times:

- where the reference lies apart from what training draws from (a test split, a distribution), fresh draws of the
  training side are compared with that reference, just as an evaluation compares a generator's samples;
- where there is one table of samples and no more, as with ``digits``, it is split at random into disjoint halves.
  These have at most half of the table's samples each, so the floor of a metric that is biased by few samples (``fid``,
  ``mode_kl``, ``w1``, ``sliced_w1``) lies above what a perfect sampler would score at the full count.

Floors are kept in the user's cache, and in the results folder of every study that they belong to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganbench.errors import UsageError
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.metric import Measured, Metric
from ganbench.interfaces.paths import cache_folder
from ganbench.metrics.suite import MetricSuite
from ganbench.plugins.build import build, instantiate, load_population
from ganbench.plugins.fingerprint import source_hash
from ganbench.plugins.registry import PluginRegistry
from ganbench.rng import generator
from ganbench.spec import Component, canonical, slug
from ganbench.store import records, schema
from ganbench.store.files import read_record, write_record
from ganbench.store.folder import StudyFolder
from ganbench.store.results import floor_protocols, typed

if TYPE_CHECKING:
    pass

VERSION = 1  # raised when floors would come out differently: another procedure, evaluator or definition of a metric
REPETITIONS = 10


@dataclass(frozen=True)
class Floor:
    """What a perfect sampler scores.

    Attributes:
        metric: name of the metric.
        value: mean over the repetitions; NaN where the metric is not defined.
        standard_error: of one evaluation: the standard deviation over the repetitions.
        repetitions: how many there were.
        n_samples: of the evaluations that this floor belongs to.
        protocol: that of these evaluations, and behind a colon which real samples were compared.
        reason: why the metric is not defined; empty where it is.
    """

    metric: str
    value: float
    standard_error: float
    repetitions: int
    n_samples: int
    protocol: str
    reason: str = ""


def measure_floors(population: Population, suite: MetricSuite) -> list[Floor]:
    """One floor for each of the examiner's metrics."""
    found: dict[str, list[dict[str, Any]]] = {metric.name: [] for metric in suite.metrics}
    comparison = ""
    for fake, real, comparison in comparisons(population, suite):  # noqa: B007
        for row in replace(suite, real=real).rows(fake):
            found[row["metric"]].append(row)
    return [_floor(metric, found[metric.name], suite, comparison) for metric in suite.metrics]


def comparisons(
    population: Population, suite: MetricSuite, purpose: str = "floor"
) -> Iterator[tuple[Measured, Measured, str]]:
    """Pairs of independent sets of real samples, in the places of fake and real ones, and in words what they are.

    Args:
        population: where samples come from.
        suite: measures them.
        purpose: of the random numbers; another one gives other pairs.
    """
    n = suite.n_samples
    if population.reference_is_apart:
        for k in range(REPETITIONS):
            fake = population.take(population.draw((n,), generator(k, purpose)))
            sizes = f"{n} training samples against {len(suite.real)} held-out ones"
            yield suite.evaluator.measure(fake), suite.real, sizes
        return
    pool = suite.evaluator.measure(population.reference(2 * n))
    half = min(n, len(pool) // 2)
    for k in range(REPETITIONS):
        order = torch.randperm(len(pool), generator=generator(k, purpose)).numpy()
        yield _some(pool, order[:half]), _some(pool, order[half : 2 * half]), f"disjoint halves of {half} samples each"


def _some(samples: Measured, indices: Any) -> Measured:
    parts = {f.name: getattr(samples, f.name) for f in fields(samples)}
    return Measured(**{name: v[indices] if isinstance(v, np.ndarray) else v for name, v in parts.items()})


def _floor(metric: Metric, rows: Sequence[Mapping[str, Any]], suite: MetricSuite, comparison: str) -> Floor:
    n, values = suite.n_samples, [row["value"] for row in rows]
    protocol = f"{suite.protocol(metric, n)}: {comparison}"
    reason = next((row["reason"] for row in rows if math.isnan(row["value"])), "")
    return Floor(metric.name, float(np.mean(values)), float(np.std(values, ddof=1)), len(values), n, protocol, reason)


# -- cache -------------------------------------------------------------------------------------------------------------


def ensure_floors(
    store: StudyFolder,
    evaluated: Iterable[tuple[Component, int]],
    names: Iterable[str],
    registry: PluginRegistry,
    data_root: Path,
    report: Callable[[str], None],
) -> None:
    """See to it that a results folder has the floors that belong to its evaluations. What is known is not measured.

    Args:
        store: the results folder.
        evaluated: datasets with the number of samples in an evaluation; 0 is the dataset's own number.
        names: of the metrics.
        registry: where datasets and metrics come from.
        data_root: where datasets lie.
        report: told in one sentence what has to be measured.
    """
    import pandas as pd

    metrics = [build(registry.metrics.find(name), {}) for name in names]
    distinct = {(canonical(c.settings()), n): (c, n) for c, n in evaluated}
    rows = [
        {"dataset": component.label, **asdict(floor)}
        for component, n in distinct.values()
        for floor in _floors_of(component, n, metrics, registry, data_root, report)
    ]
    old = store.floors()
    new = pd.concat([old, typed(pd.DataFrame(rows, columns=list(schema.FLOORS)), schema.FLOORS)])
    names_of = new.assign(protocol=floor_protocols(new))
    new = new[~names_of.duplicated(["dataset", "protocol"], keep="last").to_numpy()].reset_index(drop=True)
    if not new.equals(old):
        store.write_floors(new)


def _floors_of(
    component: Component,
    n: int,
    metrics: Sequence[Metric],
    registry: PluginRegistry,
    data_root: Path,
    report: Callable[[str], None],
) -> list[Floor]:
    """From the cache where it has them; the dataset is loaded only where it has not."""
    paths = {metric: _cache_path(component, n, metric) for metric in metrics}
    known = {metric: floor for metric, path in paths.items() if (floor := _recall(path)) is not None}
    missing = [metric for metric in metrics if metric not in known]
    if missing:
        report(f"measuring what a perfect sampler of {component.label} scores: {', '.join(m.name for m in missing)}")
        population = load_population(instantiate(registry.datasets, component), data_root)
        suite = MetricSuite.of(population, missing, n)
        known |= dict(zip(missing, measure_floors(population, suite), strict=True))
        if suite.absent is None:  # with the evaluator at hand these floors would be others
            for metric in missing:
                _remember(paths[metric], known[metric])
    return [known[metric] for metric in metrics]


def _cache_path(component: Component, n: int, metric: Metric) -> Path:
    """Named after all that determines a floor; the fingerprint of the data is among the dataset's settings."""
    described = {"name": metric.name, "fields": asdict(metric), "code": source_hash(type(metric))}
    parts = {"version": VERSION, "dataset": component.settings(), "n_samples": n, "metric": described}
    key = hashlib.blake2b(canonical(parts).encode(), digest_size=12).hexdigest()
    return cache_folder() / "floors" / f"{slug(metric.name)}-{key}.json"


def _recall(path: Path) -> Floor | None:
    try:
        record = read_record(path, records.Floor) or {}
        return Floor(**{field.name: record[field.name] for field in fields(Floor)})
    except (UsageError, KeyError):  # changed, of a newer version, or absent
        return None


def _remember(path: Path, floor: Floor) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path, asdict(floor))
    except OSError:  # no room or no right: it is measured again the next time
        pass
