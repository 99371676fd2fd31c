"""The claims suite: runs what is missing, judges every claim by tables, keeps both."""

from __future__ import annotations

import glob
import io
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from ganbench.analysis.statistics import holm
from ganbench.claims.catalogue import experiments_of, find_claims
from ganbench.claims.claim import Claim, RuleResult
from ganbench.claims.experiment import COLUMNS, Experiment, Measurements, Profile
from ganbench.errors import DamageError
from ganbench.runner.executors.forkserver import context_for
from ganbench.runner.executors.local import cores
from ganbench.store import schema
from ganbench.store.files import parquet_bytes, read_record, replace_files
from ganbench.store.folder import StudyFolder
from ganbench.store.results import read_file, typed
from ganbench.study.provenance import machine, source, versions

LEVEL = 0.05  # of the Holm-adjusted flag


@dataclass(frozen=True)
class Part:
    """A piece of work: one part of an experiment under a profile."""

    experiment: Experiment
    name: str
    profile: Profile

    def file(self, folder: Path) -> Path:
        """Where its measurements are kept: another protocol has another place."""
        return (
            folder / "experiments" / self.experiment.name / f"{self.name}-{self.experiment.key(self.profile)}.parquet"
        )

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
        told = {
            "schema": schema.VERSION,
            "experiment": self.experiment.name,
            "part": self.name,
            "profile": vars(self.profile),
        }
        made = {"versions": versions(), "machine": machine(), "git": source()}
        table = typed(pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)
        replace_files(record, {**told, **made}, {file.name: parquet_bytes(table, COLUMNS)}, folder)


@dataclass(frozen=True)
class Done:
    """What became of a part; ``error`` is empty where it went well."""

    part: Part
    seconds: float
    error: str = ""


def parts_of(claims: Sequence[Claim], profile: Profile) -> list[Part]:
    """All pieces of work that some claims need, the longest first."""
    experiments = sorted(experiments_of(claims), key=lambda e: e.minutes, reverse=True)
    return [Part(experiment, name, profile) for experiment in experiments for name in experiment.parts]


def run_parts(parts: Sequence[Part], folder: Path, jobs: int = 0) -> Iterator[Done]:
    """Run parts in parallel processes of one thread each, storing every one as it ends."""
    jobs = min(jobs or cores(), len(parts)) or 1
    with ProcessPoolExecutor(jobs, mp_context=context_for("cpu"), initializer=_prepare) as pool:
        waiting = {pool.submit(measure, part.experiment.name, part.name, part.profile, folder): part for part in parts}
        try:
            for future in as_completed(waiting):
                yield _outcome(future, waiting[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(pool._processes.values()):  # what is running would otherwise be waited for
                process.terminate()
            raise


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    torch.set_num_threads(1)


def _outcome(future: Future[float], part: Part) -> Done:
    try:
        return Done(part, future.result())
    except BrokenProcessPool:
        return Done(part, 0.0, "WorkerDied: a process ended of itself (out of memory?)")
    except Exception as error:  # an experiment may raise anything; the claims that need it say so, the others go on
        return Done(part, 0.0, "".join(traceback.format_exception_only(error)).strip())


def measure(experiment: str, part: str, profile: Profile, folder: Path) -> float:
    """Run one part and store its measurements. Returns seconds."""
    began = time.perf_counter()
    chosen = next(e for e in experiments_of(find_claims(())) if e.name == experiment)
    rows = [{"experiment": experiment, "part": part, **row} for row in chosen.run(profile, part)]
    Part(chosen, part, profile).write(folder, rows)
    return time.perf_counter() - began


def measurements(claim: Claim, profile: Profile, folder: Path) -> Measurements | None:
    """The stored measurements of all experiments of a claim; None where one is missing or damaged."""
    found = [part.read(folder) for part in parts_of([claim], profile)]
    tables = [pd.read_parquet(io.BytesIO(content)) for content in found if content is not None]
    return pd.concat(tables, ignore_index=True) if len(tables) == len(found) else None


def judge(claims: Sequence[Claim], profile: Profile, folder: Path, errors: Mapping[str, str]) -> pd.DataFrame:
    """The verdict table: one row a rule, with the columns of ``schema.VERDICTS``.

    Args:
        claims: what to judge.
        profile: under which profile.
        folder: where measurements are kept.
        errors: by experiment, why it has no measurements.
    """
    found = [(claim, finding) for claim in claims for finding in _findings(claim, profile, folder, errors)]
    adjusted = holm([finding.p for _, finding in found])
    rows = [_row(claim, finding, p) for (claim, finding), p in zip(found, adjusted, strict=True)]
    return typed(pd.DataFrame(rows, columns=list(schema.VERDICTS)), schema.VERDICTS)


def _findings(claim: Claim, profile: Profile, folder: Path, errors: Mapping[str, str]) -> list[RuleResult]:
    table = measurements(claim, profile, folder)
    if table is None:
        why = [f"{e.name} failed: {errors[e.name]}" for e in claim.experiments if e.name in errors]
        return [rule.gate_failed("; ".join(why) or "not measured") for rule in claim.rules]
    found = claim.decide(table)
    missing = {rule.name for rule in claim.rules} ^ {finding.rule.name for finding in found}
    if missing:
        raise AssertionError(f"claim {claim.id} must give one finding a rule; differing: {sorted(missing)}")
    return found


def _row(claim: Claim, finding: RuleResult, adjusted: float) -> dict[str, object]:
    rule = finding.rule
    told = {"number": claim.number, "claim": claim.id, "sentence": claim.sentence, "source": claim.source}
    numbers = {name: getattr(finding, name) for name in ("effect", "low", "high", "n", "p")}
    text = {"rule": rule.name, "measure": rule.effect, "threshold": rule.threshold, "note": finding.note}
    return {**told, **numbers, **text, "verdict": finding.verdict, "holm": bool(adjusted < LEVEL)}


def write_verdicts(verdicts: pd.DataFrame, folder: Path) -> Path:
    """Keep the verdict table."""
    store = StudyFolder(folder)
    with store.lock("study"):
        store.write_verdicts(verdicts)
    return folder / "verdicts.parquet"


def default_folder(profile: Profile) -> Path:
    """Where a profile's results go unless told otherwise."""
    return Path("results") / f"reproduce-{profile.name}"
