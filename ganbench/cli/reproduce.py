"""``ganbench reproduce``: measures what is missing, judges the claims, prints the verdicts."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Hashable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from ganbench.claims import run
from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import overall
from ganbench.claims.experiment import Profile
from ganbench.cli.terminal import echo_err, print_table, tell
from ganbench.datasets.root import data_root
from ganbench.errors import UnknownNameError
from ganbench.interfaces.executor import Executor, RunContext
from ganbench.plugins.isolation import guarded
from ganbench.plugins.registry import load_plugins
from ganbench.store.folder import StudyFolder
from ganbench.study.config import StudyConfig
from ganbench.study.provenance import source_hashes
from ganbench.study.study import choose_executor, resolve_device

PROFILES = ("quick", "full")


def reproduce(profile: str, names: Sequence[str], seeds: tuple[int, ...], config: StudyConfig) -> bool:
    """Run, judge, store and print. Returns whether every experiment could be run.

    Args:
        profile: its name.
        names: of claims; none are all.
        seeds: instead of each rule's own number of them.
        config: results folder, device and executor.
    """
    if profile not in PROFILES:
        raise UnknownNameError("profile", profile, PROFILES, "--profile")
    claims, registry = find_claims(names), load_plugins()
    executor = choose_executor(config, registry)
    executor.check()
    chosen = Profile(profile, seeds, executor.device(config.device) or resolve_device(config.device))
    folder = Path(config.out) if config.out else run.default_folder(chosen)
    store = StudyFolder(folder)
    store.check()
    store.open()
    command = shlex.join(["ganbench", *sys.argv[1:]])
    with store.lock("study", echo_err):
        store.begin({"reproduce": profile, "seeds": list(seeds), "device": chosen.device, "command": command})
    parts = run.parts_of(claims, chosen)
    missing = [part for part in parts if part.read(folder) is None]
    for part in missing:
        if (file := part.file(folder)).exists():
            echo_err(f"{file} is not what was written, or has no record: it is measured again")
    if len(parts) > len(missing):
        echo_err(f"{len(parts) - len(missing)} of {len(parts)} parts of experiments are already there")
    context = RunContext(
        str(folder), str(data_root()), chosen.device, 1, command, trial_timeout=config.trial_timeout,
        source_hashes=source_hashes(registry.plugins),
    )  # fmt: skip
    errors = _measure(missing, executor, context) if missing else {}
    verdicts = run.judge(claims, chosen, folder, errors)
    file = run.write_verdicts(verdicts, folder)
    print_verdicts(verdicts)
    tell(f"verdicts: {file} (the measurements behind them: {folder / 'experiments'})")
    for name, error in errors.items():
        echo_err(f"failed: {name}: {error}")
    return not errors


def _measure(missing: Sequence[run.Part], executor: Executor, context: RunContext) -> dict[str, str]:
    """Why experiments failed, by their names."""
    errors: dict[str, str] = {}
    begun: dict[Hashable, float] = {}
    ended = 0
    with guarded(executor, "running with"), closing(executor.run(missing, context)) as events:
        for event in events:
            if event.remark:
                echo_err(event.remark)
            since = begun.setdefault(event.shard.identity(), time.monotonic())
            assert isinstance(event.shard, run.Part)
            for outcome in event.outcomes:
                ended += 1
                how = f"failed: {outcome.error}" if outcome.error else f"{time.monotonic() - since:.0f} s"
                echo_err(f"{ended} of {len(missing)}: {event.shard.name}: {how}")
                if outcome.error:
                    errors[event.shard.experiment] = f"{event.shard.part}: {outcome.error}"
    return errors


def print_verdicts(verdicts: pd.DataFrame) -> None:
    """One line a rule, grouped by claim, and the notes below."""
    rows: list[tuple[str, ...]] = []
    for (number, claim), group in verdicts.groupby(["number", "claim"], sort=False):
        rows.append((str(number), str(claim), overall(list(group["verdict"])).upper(), "", "", "", ""))
        rows += [_line(row) for row in group.itertuples()]
    print_table(("no", "claim", "verdict", "effect, 95 % interval", "wanted", "n", "Holm"), rows)
    for r in verdicts[verdicts["note"] != ""].itertuples():
        tell(f"{r.claim}, {r.rule}: {r.note}")
    counts = verdicts.groupby("claim", sort=False)["verdict"].agg(lambda group: overall(list(group))).value_counts()
    tell(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))


def _line(row: Any) -> tuple[str, ...]:
    return "", f"  {row.rule}", row.verdict, _effect(row), row.threshold, str(row.n), _flag(row)


def _effect(row: Any) -> str:
    if row.low == row.high:
        return f"{row.effect:.4g}"
    return f"{row.effect:.3g} [{row.low:.3g}, {row.high:.3g}]"


def _flag(row: Any) -> str:
    return "" if pd.isna(row.p) else "holds" if row.holm else "–"
