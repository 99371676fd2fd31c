"""``ganbench export``: a study's leaderboard as text, to standard output or into a file."""

from __future__ import annotations

from pathlib import Path

from ganbench.analysis.export import FORMATS
from ganbench.analysis.leaderboard import leaderboard
from ganbench.analysis.scores import directions, last_evaluations, missing_reasons, unknown_metrics
from ganbench.cli.terminal import echo_err, tell_document, warn_of_broken
from ganbench.errors import UnknownNameError, UsageError
from ganbench.plugins.registry import load_plugins
from ganbench.store.files import write_bytes
from ganbench.store.results import Results, load


def export(folder: Path, form: str, metrics: str, out: Path | None) -> None:
    """Write the leaderboard of a study; what it could not tell goes to standard error.

    Raises:
        UsageError: an unknown format or metric, a folder that holds no results, or a file that cannot be written.
    """
    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS, "--format")
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    results, known = load_finished(folder), directions(registry.metrics)
    for sentence in unknown_metrics(results.evaluations, known):
        echo_err(sentence)
    for sentence in missing_reasons(last_evaluations(results, list(results.trials["trial"]))):
        echo_err(sentence)
    text = FORMATS[form](leaderboard(results, known, _chosen(metrics, results, known)), known)
    if out is None:
        tell_document(text)
    else:
        _write(out, text)


def load_finished(folder: Path) -> Results:
    """The tables of a results folder. Raises UsageError where it is none, or no trial of it has finished."""
    results = load(folder)
    if results.trials.empty:
        raise UsageError(f"{folder} holds no finished trial; run the study first, or name another results folder")
    return results


def _chosen(metrics: str, results: Results, known: dict[str, str]) -> list[str]:
    """The metrics that ``--metrics`` names; none where it is not given."""
    names = list(dict.fromkeys(name.strip() for name in metrics.split(",") if name.strip()))
    there = set(results.evaluations["metric"]) & set(known)
    for name in names:
        if name not in there:
            raise UnknownNameError("metric of these results", name, there, "--metrics")
    return names


def _write(out: Path, text: str) -> None:
    if out.is_dir() or not out.absolute().parent.is_dir():
        what = "is a folder" if out.is_dir() else "is in a folder that does not exist"
        raise UsageError(f"--out: {out} {what}; name a file in an existing folder")
    try:
        write_bytes(out, text.encode())
    except PermissionError as error:
        raise UsageError(f"--out: {out} cannot be written to; choose another file") from error
    echo_err(f"written: {out}")
