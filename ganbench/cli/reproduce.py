"""``ganbench reproduce``: measures what is missing, judges the claims, prints the verdicts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.claims import run
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import overall
from ganbench.claims.experiment import Profile
from ganbench.cli.terminal import echo_err, print_table, tell
from ganbench.errors import UnknownNameError
from ganbench.store.folder import StudyFolder

PROFILES = ("quick", "full")


def reproduce(profile: str, names: Sequence[str], seeds: tuple[int, ...], jobs: int, out: Path | None) -> bool:
    """Run, judge, store and print. Returns whether every experiment could be run."""
    if profile not in PROFILES:
        raise UnknownNameError("profile", profile, PROFILES, "--profile")
    claims, chosen = find_claims(names), Profile(profile, seeds)
    folder = out or run.default_folder(chosen)
    store = StudyFolder(folder)
    store.check()
    store.open()
    with store.lock("study", echo_err):
        store.begin({"reproduce": profile, "seeds": list(seeds), "command": shlex.join(["ganbench", *sys.argv[1:]])})
    parts = run.parts_of(claims, chosen)
    missing = [part for part in parts if part.read(folder) is None]
    for part in missing:
        if (file := part.file(folder)).exists():
            echo_err(f"{file} is not what was written, or has no record: it is measured again")
    if len(parts) > len(missing):
        echo_err(f"{len(parts) - len(missing)} of {len(parts)} parts of experiments are already there")
    errors = _measure(missing, folder, jobs) if missing else {}
    verdicts = run.judge(claims, chosen, folder, errors)
    file = run.write_verdicts(verdicts, folder)
    print_verdicts(verdicts)
    tell(f"verdicts: {file} (the measurements behind them: {folder / 'experiments'})")
    for name, error in errors.items():
        echo_err(f"failed: {name}: {error}")
    return not errors


def _measure(missing: Sequence[run.Part], folder: Path, jobs: int) -> dict[str, str]:
    """Why experiments failed, by their names."""
    errors = {}
    for number, done in enumerate(run.run_parts(missing, folder, jobs), 1):
        name = f"{done.part.experiment.name} · {done.part.name}"
        said = f"failed: {done.error}" if done.error else f"{done.seconds:.0f} s"
        echo_err(f"{number} of {len(missing)}: {name}: {said}")
        if done.error:
            errors[done.part.experiment.name] = f"{done.part.name}: {done.error}"
    return errors


def print_verdicts(verdicts: pd.DataFrame) -> None:
    """One line a rule, grouped by claim, and what was said besides."""
    rows: list[tuple[str, ...]] = []
    for (number, claim), group in verdicts.groupby(["number", "claim"], sort=False):
        rows.append((str(number), str(claim), overall(list(group["verdict"])).upper(), "", "", "", ""))
        rows += [_line(row) for row in group.itertuples()]
    print_table(("no", "claim", "verdict", "effect, 95 % interval", "wanted", "n", "Holm"), rows)
    for r in verdicts[verdicts["note"] != ""].itertuples():
        tell(f"{r.claim}, {r.rule}: {r.note}")
    counts = verdicts.groupby("claim", sort=False)["verdict"].agg(lambda found: overall(list(found))).value_counts()
    tell(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))


def _line(row: Any) -> tuple[str, ...]:
    return "", f"  {row.rule}", row.verdict, _effect(row), row.threshold, str(row.n), _flag(row)


def _effect(row: Any) -> str:
    if row.low == row.high:
        return f"{row.effect:.4g}"
    return f"{row.effect:.3g} [{row.low:.3g}, {row.high:.3g}]"


def _flag(row: Any) -> str:
    return "" if pd.isna(row.p) else "holds" if row.holm else "–"
