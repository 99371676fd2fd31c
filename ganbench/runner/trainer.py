"""Trains one cohort, evaluates it on the way, and leaves checkpoints behind in case that it does not get to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import torch

from ganbench.engine.cohort import Cohort, TrainingConfig, restore, snapshot
from ganbench.engine.loop import LogChunk, train
from ganbench.engine.sampling import evaluate
from ganbench.engine.tracing import require_compiler
from ganbench.engine.training_log import TrainingLog, joined
from ganbench.errors import StorageError, UsageError
from ganbench.interfaces.executor import Callbacks, Cancelled
from ganbench.metrics.suite import MetricSuite
from ganbench.spec import CohortSpec
from ganbench.store.checkpoint import Checkpoint, Checkpoints

LEAST_SHARE = 50  # writing a checkpoint takes at most one part in so many of the time until the next


@dataclass
class Trainer:
    """One cohort's training.

    Attributes:
        spec: what is trained.
        checkpoints: where to look for a beginning, and to leave one.
        every: seconds between checkpoints, at least.
        callbacks: callbacks to the process that runs it.
        record: what has been measured; it stands even where the training raises.
        cohort: the players; None until they have been made.
        earlier: seconds that earlier processes have spent on it.
    """

    spec: CohortSpec
    checkpoints: Checkpoints
    every: float
    callbacks: Callbacks
    record: TrainingLog = field(init=False)
    cohort: Cohort | None = None
    earlier: float = 0.0

    def __post_init__(self) -> None:
        self.record = TrainingLog(self.spec.seeds)
        self._began = self._written = time.perf_counter()
        self._cost = 0.0

    def wall_seconds(self) -> float:
        """How long it has taken, over all processes."""
        return self.earlier + time.perf_counter() - self._began

    def run(self, config: TrainingConfig, suite: MetricSuite) -> None:
        """Train to the end.

        Raises:
            Cancelled: it was asked to end early and has left a checkpoint.
            Exception: whatever the objective raises.
        """
        self.cohort = build_cohort(config, self.spec.seeds)
        stops = set(self.spec.protocol.evaluations())
        for chunk in train(self.cohort, stops, self._resume(suite)):
            self.record.note(chunk)
            if not any(self.record.active_seeds().values()):
                return
            if chunk.last in stops:
                self._examine(suite, chunk.last)
            self.callbacks.report(chunk.last)
            if chunk.last % self.cohort.sampler.length == 0 and chunk.last < config.steps:
                self._keep()

    def _resume(self, suite: MetricSuite) -> LogChunk | None:
        assert self.cohort is not None
        found = self.checkpoints.find(self.spec)
        if found is None:
            self._examine(suite, 0)
            return None
        restore(self.cohort, found.tensors, found.record.seeds)
        self.record, self.earlier = found.record.of(self.spec.seeds), found.wall_seconds
        self.callbacks.say(f"{self.spec.name}: goes on after step {self.record.last_step()}")
        self.callbacks.report(self.record.last_step())
        return joined(self.record.chunks)

    def _examine(self, suite: MetricSuite, step: int) -> None:
        assert self.cohort is not None
        self.record.add_evaluation(step, evaluate(self.cohort, suite, self.record.active_seeds()))

    def _keep(self) -> None:
        """Write a checkpoint if it is time to, or if everything is about to end."""
        stopped, waited = self.callbacks.stopped(), time.perf_counter() - self._written
        if stopped or waited >= max(self.every, LEAST_SHARE * self._cost):
            self._write()
        if stopped:
            raise Cancelled

    def _write(self) -> None:
        assert self.cohort is not None
        began = time.perf_counter()
        try:
            self.checkpoints.write(self.spec, Checkpoint(self.record, snapshot(self.cohort), self.wall_seconds()))
        except StorageError as error:  # the training does not need it; the user is told
            self.callbacks.say(f"{self.spec.name}: no checkpoint could be left: {error}")
        self._written = time.perf_counter()
        self._cost = self._written - began


def build_cohort(config: TrainingConfig, seeds: tuple[int, ...]) -> Cohort:
    """A cohort before its first step, compiled where that is asked for and its objective can be traced.

    Raises:
        UsageError: compilation does not work, for want of a C++ compiler, say.
        ObjectiveError: the objective breaks its contract.
        Exception: whatever the objective raises.
    """
    plain = Cohort(replace(config, compiled=False), seeds)  # raises what is the objective's fault, not the compiler's
    if not (config.compiled and plain.traceable):
        return plain
    if config.device.type == "cpu":
        require_compiler()
    try:
        return Cohort(config, seeds)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        sentence = f"--compile on: {config.objective.name} cannot be compiled: {reason}; say off"
        raise UsageError(sentence, subject="--compile", code="compiler", remedy="--compile off") from error
