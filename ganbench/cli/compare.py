"""``ganbench compare``: whether the results in one folder are better or worse than those in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganbench.analysis.comparison import BETTER, UNDECIDED, WORSE, Comparison, endings
from ganbench.analysis.comparison import compare as compare_results
from ganbench.analysis.export import interval_text, number_text
from ganbench.analysis.scores import directions, unknown_metrics
from ganbench.cli.export import load_finished
from ganbench.cli.terminal import echo_err, print_table, tell, warn_of_broken
from ganbench.errors import UnknownNameError, UsageError
from ganbench.plugins.registry import load_plugins

COLUMNS = ("objective", "metric", "A", "B", "B − A, 95 % interval", "B is", "from")


def compare(first: Path, second: Path, fail_on: str) -> bool:
    """Compare and print. Returns whether B holds what ``--fail-on`` names.

    Raises:
        UsageError: ``--fail-on`` names something else, a folder holds no results, or the two have nothing in common.
    """
    if fail_on not in ("", WORSE):
        raise UnknownNameError("verdict to fail on", fail_on, (WORSE,), "--fail-on")
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    a, b, known = load_finished(first), load_finished(second), directions(registry.metrics)
    comparisons, remarks = compare_results(a, b, known)
    for name, folder, results in (("A", first, a), ("B", second, b)):
        counts = ", ".join(f"{n} {status}" for status, n in endings(results).items() if n)
        tell(f"{name}: {folder} (trials: {counts})")
    for sentence in [*dict.fromkeys(unknown_metrics(a.evaluations, known) + unknown_metrics(b.evaluations, known))]:
        echo_err(sentence)
    for sentence in remarks:
        echo_err(sentence)
    if not comparisons:
        raise UsageError(f"{first} and {second} have nothing in common that could be compared")
    _print(comparisons)
    return any(c.verdict == fail_on for c in comparisons)


def _print(comparisons: Sequence[Comparison]) -> None:
    for place in dict.fromkeys((c.dataset, c.architecture) for c in comparisons):
        tell(" · ".join(place))
        print_table(COLUMNS, [_cells(c) for c in comparisons if (c.dataset, c.architecture) == place])
    counts = [f"{sum(c.verdict == verdict for c in comparisons)} {verdict}" for verdict in (BETTER, WORSE, UNDECIDED)]
    tell(", ".join(counts))
    if len(comparisons) > 1:
        tell(
            f"Each interval is a 95 % one: among {len(comparisons)} comparisons of equals, "
            f"chance alone would decide about {len(comparisons) / 20:.2g}."
        )


def _cells(c: Comparison) -> tuple[str, ...]:
    metric = f"{c.metric} {'↓' if c.lower else '↑'}"
    shift = interval_text(c.shift.estimate, c.shift.low, c.shift.high)
    return c.objective, metric, number_text(c.first), number_text(c.second), shift, c.verdict, c.note
