"""The loop: blocks of steps, readings gathered on the device, one transfer a chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.engine.batches import Batch
from ganbench.engine.cohort import Cohort
from ganbench.engine.readings import READINGS, VITAL


@dataclass(frozen=True)
class LogChunk:
    """What a stretch of steps gave.

    Attributes:
        first, last: generator steps, both inclusive, counted from 1.
        readings: (steps, seeds, readings), float64, in the order of READINGS.
        critic_updates: how many the critic has had at each step, since the start: (steps,).
        seconds: wall-clock seconds of training at each step, since the start, shared by the cohort: (steps,).
    """

    first: int
    last: int
    readings: NDArray[np.float64]
    critic_updates: NDArray[np.int64]
    seconds: NDArray[np.float64]


def train(cohort: Cohort, stops: set[int], after: LogChunk | None = None) -> Iterator[LogChunk]:
    """Train to the last step, yielding at the end of every block and at every step in ``stops``.

    Between yields the cohort does not change: it may be sampled, and that does not count as training time.
    Where a step raises, what was read before it is yielded first.

    Args:
        cohort: what is trained, in the state that it had after ``after``.
        stops: further steps to yield at.
        after: the last chunk of an earlier run, which ended with a block; training goes on behind it.
    """
    steps, length = cohort.config.steps, cohort.sampler.length
    done, updates, elapsed = (after.last, int(after.critic_updates[-1]), after.seconds[-1]) if after else (0, 0, 0.0)
    assert done % length == 0 or done == steps, "training goes on where a block begins"
    following: _Block | None = None
    for start in range(done + 1, steps + 1, length):
        began = time.perf_counter()
        block = following or _Block(cohort, (start - 1) // length, start)
        following = None
        for first, last in _stretches(start, min(start + length - 1, steps), stops):
            rows: list[Tensor] = []
            counts: list[int] = []
            fault = None
            try:
                for step in range(first, last + 1):
                    batches, clock = block.critic_batches(step), block.clocks[step - start]
                    rows.append(cohort.step(batches, block.generator[step - start], clock))
                    updates += len(batches)
                    counts.append(updates)
            except Exception as error:  # a third party's loss may raise anything; the steps before it were taken
                fault = error
            # A GPU is still busy with the steps that were launched: the next block is drawn meanwhile. On a CPU this
            # would only keep two blocks in memory.
            if cohort.runs_behind and last == start + length - 1 < steps:
                following = block.following()
            if rows:
                # Steps of one stretch share its time evenly: a clock at every step would make the device wait.
                seconds = elapsed + (time.perf_counter() - began) * np.arange(1, len(rows) + 1) / len(rows)
                elapsed = seconds[-1]
                yield LogChunk(first, first + len(rows) - 1, _gather(cohort, rows), np.array(counts), seconds)
            if fault:
                raise fault
            began = time.perf_counter()


class _Block:
    """The batches of one block, drawn when they are first asked for."""

    def __init__(self, cohort: Cohort, block: int, start: int) -> None:
        self.start = start
        self.clocks = cohort.clocks(start, cohort.sampler.length)
        self.generator = cohort.sampler.generator(block)
        self._cohort, self._block = cohort, block
        self._critic: dict[int, list[Batch]] = {}

    def following(self) -> _Block:
        """The next block, drawn as far as this one was."""
        block = _Block(self._cohort, self._block + 1, self.start + self._cohort.sampler.length)
        for update in self._critic:
            block._draw(update)
        return block

    def critic_batches(self, step: int) -> list[Batch]:
        """The batches of a step's critic updates, in order."""
        updates = range(self._cohort.config.objective.critic_steps(step))
        return [self._draw(update)[step - self.start] for update in updates]

    def _draw(self, update: int) -> list[Batch]:
        if update not in self._critic:
            self._critic[update] = self._cohort.sampler.critic(self._block, update)
        return self._critic[update]


def _stretches(start: int, last: int, stops: set[int]) -> Iterator[tuple[int, int]]:
    ends = sorted({s for s in stops if start <= s < last} | {last})
    for end in ends:
        yield start, end
        start = end + 1


def _gather(cohort: Cohort, rows: list[Tensor]) -> NDArray[np.float64]:
    readings = torch.stack(rows)[:, : len(cohort.seeds)].cpu().double().numpy()
    assert readings.shape == (len(rows), len(cohort.seeds), len(READINGS))
    return readings


def first_divergence(readings: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each seed the index of the first row with a reading that is not finite, or -1: (seeds,).

    Args:
        readings: (steps, seeds, readings).
    """
    broken = ~np.isfinite(readings[:, :, list(VITAL)]).all(axis=2)
    return np.where(broken.any(axis=0), broken.argmax(axis=0), -1)
