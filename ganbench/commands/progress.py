"""How a run shows itself: a live display on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ganbench.commands.terminal import printable, say
from ganbench.trials import CohortSpec

WIDE = 80  # columns of a terminal that has room for rate and time left

Advance = Callable[[CohortSpec, int], None]  # a shard of a cohort has done so many seed-steps more


@contextmanager
def show(cohorts: Sequence[CohortSpec]) -> Iterator[Advance]:
    """Show the progress of cohorts, in seed-steps, until the block ends."""
    totals = _totals(cohorts)
    with _live(totals) if sys.stderr.isatty() else _plain(totals) as advance:
        yield advance


def _totals(cohorts: Sequence[CohortSpec]) -> dict[str, int]:
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

        def advance(cohort: CohortSpec, done: int) -> None:
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

    def advance(cohort: CohortSpec, steps: int) -> None:
        name = cohort.name
        done[name] += steps
        tenth = 10 * done[name] // totals[name]
        if tenth > shown[name]:
            shown[name] = tenth
            share, seconds = sum(done.values()) / sum(totals.values()), time.monotonic() - began
            left = seconds * (1 - share) / share
            rate = sum(done.values()) / seconds
            say(f"{name}: {10 * tenth} %, {rate:.0f} seed-steps/s in all, {left:.0f} s left")

    yield advance
