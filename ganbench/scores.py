"""One number a trial: its value of a metric at the last step, or its best one; trials that went bad count as worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from ganbench.measured import Metric
from ganbench.statistics import worst_last
from ganbench.summary import one_protocol

BAD = ("diverged", "failed")
LEADING = ("fid", "sliced_w1", "modes", "mode_kl")  # of images
LEADING_ON_POINTS = ("sliced_w1", "modes", "mode_kl")  # there the Fréchet distance is blind to missing modes


def directions(metrics: Iterable[type[Metric]]) -> dict[str, str]:
    """Which way is better, by the names of metrics: ``lower`` or ``higher``."""
    return {metric.name: metric.direction for metric in metrics}


def metrics_of(evaluations: pd.DataFrame, known: Mapping[str, str]) -> list[str]:
    """The metrics of some evaluations that have values and a known direction, the leading one first."""
    computed = evaluations.loc[evaluations["value"].notna(), "metric"].unique()
    on_points = evaluations["protocol"].str.contains("@coordinates/", regex=False).any()
    leading = LEADING_ON_POINTS if on_points else LEADING
    return sorted((m for m in computed if m in known), key=lambda m: (_place(m, leading), m))


def _place(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def unknown_metrics(evaluations: pd.DataFrame, known: Mapping[str, str]) -> list[str]:
    """One sentence for every metric that cannot be judged, because no plugin says which way is better."""
    names = sorted(set(evaluations["metric"]) - set(known))
    return [f"metric {name} is left out: no plugin offers it, so which way is better is not known" for name in names]


def protocol_of(last: pd.DataFrame, metric: str) -> str:
    """The protocol that most values of a metric have; empty where there is no value."""
    rows = one_protocol(last, metric)
    return str(rows["protocol"].iloc[0]) if len(rows) else ""


def scores(evaluations: pd.DataFrame, trials: pd.DataFrame, protocol: str, direction: str) -> pd.Series[float]:
    """One value a trial: the best of its values under a protocol.

    Args:
        evaluations: rows of the evaluations table; those of last steps alone for the last values.
        trials: rows of the trials table.
        protocol: values of others are not looked at.
        direction: ``lower`` or ``higher``, whichever is better.

    Returns:
        By trial, in the order of ``trials``: infinite and bad for one that diverged or failed, whatever it measured
        before; NaN for one that completed without a value.
    """
    rows = evaluations[(evaluations["protocol"] == protocol) & evaluations["value"].notna()]
    values = rows.groupby("trial", observed=True)["value"]
    found = (values.min() if direction == "lower" else values.max()).reindex(trials["trial"])
    counted = worst_last(found, trials["status"].isin(BAD), direction == "lower")
    return pd.Series(counted, index=list(trials["trial"]), dtype=float)
