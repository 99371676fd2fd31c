"""``ganbench verify``: what of a study is not as it should be."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganbench.cli.terminal import echo_err, print_rows
from ganbench.errors import DamageError, UsageError
from ganbench.store.results import check_version
from ganbench.store.verify import Issue, inspect

ADVICE = {
    "damaged": "the command that made the study trains again exactly what is damaged",
    "missing": "the command that made the study makes it again",
    "unfinished": "the command that made the study goes on with it",
    "foreign": "ganbench neither reads nor changes it",
}


def verify(results: Path, as_json: bool) -> bool:
    """Print every finding. Returns whether all that ganbench has stored is whole and finished.

    Raises:
        UsageError: the folder is no results folder, or was written by a newer ganbench.
    """
    if not (results / "study.json").exists() and not (results / "trials").is_dir():
        raise UsageError(f"{results} is not a results folder: it has neither study.json nor trials")
    with suppress(DamageError):  # it is among the findings
        check_version(results)
    findings = inspect(results)
    rows = [
        {"state": f.kind, "where": _visible(str(f.path.relative_to(results))), "why": _visible(f.reason)}
        for f in findings
    ]
    print_rows(rows, as_json)
    trials = sum(1 for _ in results.glob("trials/*/run.json"))
    echo_err(f"{results}: {trials} finished trials, {_count(findings)}")
    for kind in dict.fromkeys(f.kind for f in findings):
        echo_err(f"{kind}: {ADVICE[kind]}")
    return all(finding.kind == "foreign" for finding in findings)


def _visible(text: str) -> str:
    """A text with its control characters written out: files of a received folder may have any name."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _count(findings: list[Issue]) -> str:
    kinds = [finding.kind for finding in findings]
    counts = [f"{kinds.count(kind)} {kind}" for kind in ADVICE if kind in kinds]
    return ", ".join(counts) if counts else "all whole"
