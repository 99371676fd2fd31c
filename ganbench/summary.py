"""The tables that a run ends with: tables in, rows out."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from ganbench.results import Results

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
    quality = [spread(one_protocol(last, metric)["value"]) for metric in ("modes", "fid")]
    return (str(len(group)), *counts, *quality, f"{norms.median():.3g}" if len(norms) else "–")


def last_evaluations(results: Results, trials: Collection[str]) -> pd.DataFrame:
    """The rows of the evaluations table that belong to the last step of some trials."""
    rows = results.evaluations[results.evaluations["trial"].isin(list(trials))]
    return rows[rows["step"] == rows.groupby("trial")["step"].transform("max")]


def one_protocol(evaluations: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The computed rows of a metric under the protocol that most of them have: values of different ones never mix."""
    rows = evaluations[evaluations["metric"] == metric].dropna(subset="value")
    return rows[rows["protocol"].isin(rows["protocol"].mode()[:1])]


def gaps(evaluations: pd.DataFrame) -> list[str]:
    """One sentence for every reason why metrics among these rows could not be computed."""
    rows = evaluations[evaluations["value"].isna()]
    sentences = []
    for (dataset, reason), group in rows.groupby(["dataset", "reason"], sort=False):
        names, trials = ", ".join(group["metric"].unique()), group["trial"].nunique()
        sentences.append(f"{names} of {trials} {dataset} trials could not be computed: {reason}")
    return sentences


def spread(values: pd.Series[float]) -> str:
    """Median (lowest to highest), or a dash where there is nothing."""
    if values.dropna().empty:
        return "–"
    return f"{values.median():.3g} ({values.min():.3g} to {values.max():.3g})"
