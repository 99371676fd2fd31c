"""The claims suite: runs what is missing, judges every claim by tables, keeps both."""

from __future__ import annotations

import glob
import io
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from ganbench.analysis.statistics import holm
from ganbench.claims.catalogue import experiments_of, find_claims
from ganbench.claims.claim import Claim, RuleResult
from ganbench.claims.experiment import COLUMNS, Experiment, Measurements, Profile
from ganbench.claims.lab import on_device
from ganbench.errors import DamageError
from ganbench.interfaces.executor import Callbacks, Job, RunContext, TrialResult
from ganbench.spec import Trial
from ganbench.store import schema
from ganbench.store.files import parquet_bytes, read_record, replace_files
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_file, typed
from ganbench.study.provenance import machine, source, versions

LEVEL = 0.05  # of the Holm-adjusted flag


@dataclass(frozen=True)
class Part(Job):
    """One part of an experiment under a profile: what executors run.

    Attributes:
        experiment: its name.
        part: the part's name.
        profile: how much is spent.
    """

    experiment: str
    part: str
    profile: Profile
    seeds: tuple[int, ...] = (0,)  # of nothing: it is not split

    @property
    def name(self) -> str:
        """What progress displays call it."""
        return f"{self.experiment} · {self.part}"

    def identity(self) -> tuple[Hashable, ...]:
        """What tells it from every other part of a run."""
        return self.experiment, self.part

    def work(self) -> int:
        """One step, as it reports nothing before its end."""
        return 1

    def cost(self) -> float:
        """Minutes, roughly."""
        return self._experiment().minutes

    def trials(self) -> list[Trial]:
        """One, which stands for the part in events."""
        return [Trial("", "", self.name, 0, self._experiment().key(self.profile))]

    def with_seeds(self, seeds: Iterable[int]) -> Self:
        """The same."""
        return self

    def run(self, context: RunContext, callbacks: Callbacks) -> list[TrialResult]:
        """Measure, and store what was measured."""
        callbacks.working()
        with on_device(context.device):
            rows = self._experiment().run(self.profile, self.part)
        self.write(Path(context.results), [{"experiment": self.experiment, "part": self.part, **row} for row in rows])
        return [TrialResult(trial, "completed") for trial in self.trials()]

    def file(self, folder: Path) -> Path:
        """Where its measurements are kept: another protocol has another place."""
        key = self._experiment().key(self.profile)
        return folder / "experiments" / self.experiment / f"{self.part}-{key}.parquet"

    def record(self, folder: Path) -> Path:
        """What says how they were made, and holds their checksum."""
        return self.file(folder).with_suffix(".json")

    def read(self, folder: Path) -> bytes | None:
        """The stored measurements; None where there are none that are, to the byte, what was written."""
        file = self.file(folder)
        try:
            return read_file(file.parent, read_record(self.record(folder)) or {}, file.name)
        except DamageError:
            return None

    def write(self, folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
        """Store measurements, and their record last. Raises StorageError."""
        file, record = self.file(folder), self.record(folder)
        store = StudyFolder(folder)
        store.make(file.parent)
        for remains in file.parent.glob(f".{glob.escape(file.stem)}.*.part"):  # of a process that was killed
            store.remove(remains)
        store.remove(record)  # it may be damaged
        named = {"schema": schema.VERSION, "experiment": self.experiment, "part": self.part}
        made = {"profile": self.profile.settings(), "versions": versions(), "machine": machine(), "git": source()}
        table = typed(pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)
        replace_files(record, {**named, **made}, {file.name: parquet_bytes(table, COLUMNS)}, folder)

    def _experiment(self) -> Experiment:
        return next(e for e in experiments_of(find_claims(())) if e.name == self.experiment)


def parts_of(claims: Sequence[Claim], profile: Profile) -> list[Part]:
    """All pieces of work that some claims need."""
    return [Part(experiment.name, part, profile) for experiment in experiments_of(claims) for part in experiment.parts]


def measurements(claim: Claim, profile: Profile, folder: Path) -> Measurements | None:
    """The stored measurements of all experiments of a claim; None where one is missing or damaged."""
    contents = [part.read(folder) for part in parts_of([claim], profile)]
    tables = [pd.read_parquet(io.BytesIO(content)) for content in contents if content is not None]
    return pd.concat(tables, ignore_index=True) if len(tables) == len(contents) else None


def judge(claims: Sequence[Claim], profile: Profile, folder: Path, errors: Mapping[str, str]) -> pd.DataFrame:
    """The verdict table: one row a rule, with the columns of ``schema.VERDICTS``.

    Args:
        claims: what to judge.
        profile: under which profile.
        folder: where measurements are kept.
        errors: by experiment, why it has no measurements.
    """
    results = [(claim, result) for claim in claims for result in _results(claim, profile, folder, errors)]
    adjusted = holm([result.p for _, result in results])
    rows = [_row(claim, result, p) for (claim, result), p in zip(results, adjusted, strict=True)]
    return typed(pd.DataFrame(rows, columns=list(schema.VERDICTS)), schema.VERDICTS)


def _results(claim: Claim, profile: Profile, folder: Path, errors: Mapping[str, str]) -> list[RuleResult]:
    table = measurements(claim, profile, folder)
    if table is not None:
        return claim.decide(table)
    why = [f"{e.name} failed: {errors[e.name]}" for e in claim.experiments if e.name in errors]
    return [rule.not_judged("; ".join(why) or "not measured") for rule in claim.rules]


def _row(claim: Claim, result: RuleResult, adjusted: float) -> dict[str, object]:
    rule = result.rule
    sentence = {"number": claim.number, "claim": claim.id, "sentence": claim.sentence, "source": claim.source}
    numbers = {name: getattr(result, name) for name in ("effect", "low", "high", "n", "p")}
    text = {"rule": rule.name, "measure": rule.measure, "threshold": rule.threshold, "note": result.note}
    return {**sentence, **numbers, **text, "verdict": result.verdict, "holm": bool(adjusted < LEVEL)}


def write_verdicts(verdicts: pd.DataFrame, folder: Path) -> Path:
    """Keep the verdict table."""
    store = StudyFolder(folder)
    with store.lock("study"):
        store.write_verdicts(verdicts)
    return folder / "verdicts.parquet"


def default_folder(profile: Profile) -> Path:
    """Where a profile's results go by default."""
    return Path("results") / f"reproduce-{profile.name}"
