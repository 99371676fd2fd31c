"""One score a trial: the last value of a metric under one protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from ganbench.analysis.statistics import mark_failed_worst
from ganbench.interfaces.metric import Metric
from ganbench.store.results import Results

# -- last evaluations and summaries ------------------------------------------------------------------------------------

COLUMNS = ("objective", "seeds", "completed", "diverged", "failed", "modes", "FID", "‖∇G‖ median")

Row = tuple[str, ...]


def summarise(results: Results, trials: Collection[str]) -> dict[str, list[Row]]:
    """For every dataset and architecture one row an objective.

    A row counts how trials ended; modes and FID are those of the last step, as median (lowest to highest) over the
    completed trials; the gradient norm is the generator's, as median over all steps of all trials.

    Args:
        results: a study's tables.
        trials: the trials to speak of.
    """
    chosen = results.trials[results.trials["trial"].isin(list(trials))]
    tables: dict[str, list[Row]] = {}
    for (dataset, architecture, objective), group in chosen.groupby(
        ["dataset", "architecture", "objective"], sort=False
    ):
        tables.setdefault(f"{dataset} · {architecture}", []).append((str(objective), *_row(results, group)))
    return tables


def _row(results: Results, group: pd.DataFrame) -> Row:
    counts = [str(int((group["status"] == status).sum())) for status in ("completed", "diverged", "failed")]
    finished = group.loc[group["status"] == "completed", "trial"]
    last = last_evaluations(results, finished)
    norms = results.steps.loc[results.steps["trial"].isin(group["trial"]), "generator_grad_norm"]
    quality = [median_range(dominant_protocol(last, metric)["value"]) for metric in ("modes", "fid")]
    return (str(len(group)), *counts, *quality, f"{norms.median():.3g}" if len(norms) else "–")


def last_evaluations(results: Results, trials: Collection[str]) -> pd.DataFrame:
    """The rows of the evaluations table that belong to the last step of some trials."""
    rows = results.evaluations[results.evaluations["trial"].isin(list(trials))]
    return rows[rows["step"] == rows.groupby("trial")["step"].transform("max")]


def dominant_protocol(evaluations: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The computed rows of a metric under the protocol that most of them have: values of different ones never mix."""
    rows = evaluations[evaluations["metric"] == metric].dropna(subset="value")
    return rows[rows["protocol"].isin(rows["protocol"].mode()[:1])]


def missing_reasons(evaluations: pd.DataFrame) -> list[str]:
    """One sentence for every reason why metrics among these rows could not be computed."""
    rows = evaluations[evaluations["value"].isna()]
    sentences = []
    for (dataset, reason), group in rows.groupby(["dataset", "reason"], sort=False):
        names, trials = ", ".join(group["metric"].unique()), group["trial"].nunique()
        sentences.append(f"{names} of {trials} {dataset} trials could not be computed: {reason}")
    return sentences


def other_protocols(last: pd.DataFrame) -> list[str]:
    """One sentence for every metric of which some trials have values, but none under the protocol of most.

    Args:
        last: rows of the evaluations table, of the trials' last steps.
    """
    sentences = []
    for metric, rows in last.dropna(subset="value").groupby("metric", sort=True, observed=True):
        protocol = protocol_of(last, str(metric))
        left = rows[~rows["trial"].isin(rows.loc[rows["protocol"] == protocol, "trial"])]
        if len(left):
            n, others = left["trial"].nunique(), " and ".join(sorted(left["protocol"].unique()))
            sentences.append(
                f"{n} trials have {metric} as {others}, which does not compare with {protocol}: not ranked"
            )
    return sentences


def median_range(values: pd.Series[float]) -> str:
    """Median (lowest to highest), or a dash where there is nothing."""
    if values.dropna().empty:
        return "–"
    return f"{values.median():.3g} ({values.min():.3g} to {values.max():.3g})"


# -- scores ------------------------------------------------------------------------------------------------------------

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
    rows = dominant_protocol(last, metric)
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
    counted = mark_failed_worst(found, trials["status"].isin(BAD), direction == "lower")
    return pd.Series(counted, index=list(trials["trial"]), dtype=float)
