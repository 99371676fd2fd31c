"""What has been measured of one cohort so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganbench.engine.loop import LogChunk, first_divergence
from ganbench.engine.readings import READINGS, VITAL
from ganbench.metrics.suite import Evaluation


@dataclass
class TrainingLog:
    """Grows while a cohort is trained; no number that was noted is ever changed.

    Attributes:
        seeds: of the cohort, in the order of its readings.
        chunks: readings, in order. They are joined to few long ones: small arrays that stay, among large ones that go
            with every block, kept the C library from using those places again; a process grew by 40 KB a step.
        evaluations: by seed, rows of the evaluations table without their keys.
        modes: by seed, what each evaluation found of every mode: step, samples and captured, the last two a list.
        diverged: by seed, the step whose readings were the first not to be finite, and these readings: (readings,).
    """

    seeds: tuple[int, ...]
    chunks: list[LogChunk] = field(default_factory=list)
    evaluations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    modes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    diverged: dict[int, tuple[int, NDArray[np.float64]]] = field(default_factory=dict)

    def note(self, chunk: LogChunk) -> None:
        """Take in the readings of some more steps."""
        self.chunks.append(chunk)
        while len(self.chunks) > 1 and len(self.chunks[-2].readings) <= len(self.chunks[-1].readings):
            self.chunks[-2:] = [joined(self.chunks[-2:])]
        for k, row in enumerate(first_divergence(chunk.readings)):
            if row >= 0:
                self.diverged.setdefault(self.seeds[k], (chunk.first + int(row), chunk.readings[row, k]))

    def add_evaluation(self, step: int, findings: Mapping[int, Evaluation]) -> None:
        """Take in the metrics and modes at one step, by seed."""
        for seed, (rows, modes) in findings.items():
            self.evaluations.setdefault(seed, []).extend({"step": step, **row} for row in rows)
            if modes is not None:
                self.modes.setdefault(seed, []).append({"step": step, **modes._asdict()})

    def active_seeds(self) -> dict[int, bool]:
        """Which seeds have not diverged."""
        return {seed: seed not in self.diverged for seed in self.seeds}

    def last_step(self) -> int:
        """The last step that there are readings of."""
        return self.chunks[-1].last if self.chunks else 0

    def divergence(self, seed: int) -> str:
        """In one sentence what of a seed was not finite, and when; empty where all was."""
        if seed not in self.diverged:
            return ""
        step, readings = self.diverged[seed]
        broken = [f"{READINGS[i]} was {readings[i]}" for i in VITAL if not np.isfinite(readings[i])]
        return f"NotFinite: at step {step} {', '.join(broken)}"

    def of(self, seeds: Sequence[int]) -> TrainingLog:
        """What was measured of some of the seeds."""
        rows = [self.seeds.index(seed) for seed in seeds]
        evaluations = {seed: list(self.evaluations.get(seed, [])) for seed in seeds}
        modes = {seed: list(self.modes.get(seed, [])) for seed in seeds}
        chosen = TrainingLog(tuple(seeds), evaluations=evaluations, modes=modes)
        for chunk in self.chunks:
            chosen.note(replace(chunk, readings=chunk.readings[:, rows]))
        return chosen


def joined(chunks: Sequence[LogChunk]) -> LogChunk:
    """All segments of a run as one; at least one is needed."""
    return LogChunk(
        chunks[0].first,
        chunks[-1].last,
        np.concatenate([s.readings for s in chunks]),
        np.concatenate([s.critic_updates for s in chunks]),
        np.concatenate([s.seconds for s in chunks]),
    )
