"""The largest cohort that fits into memory: found by trying, so that nothing has to be known of the device."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import train
from ganbench.engine.sampling import evaluate
from ganbench.interfaces.executor import EXHAUSTED, Failure
from ganbench.metrics.suite import MetricSuite


def largest(fits: Callable[[int], bool], least: int, most: int) -> int:
    """The largest number in [least, most) that fits, by bisection; ``least`` is taken to fit, and ``most`` not to.

    Args:
        fits: whether so many do; where there is room for some, there is room for fewer.
        least: at least 1.
        most: above ``least``.
    """
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if fits(middle) else (least, middle)
    return least


def fits(config: TrainingConfig, seeds: tuple[int, ...], suite: MetricSuite) -> bool:
    """Whether a cohort can be made, take a step and be evaluated."""
    try:
        _rehearse(config, seeds, suite)
    except Exception as error:
        if Failure.of(error).kind != EXHAUSTED:
            raise
        return False
    finally:
        release()
    return True


def _rehearse(config: TrainingConfig, seeds: tuple[int, ...], suite: MetricSuite) -> None:
    cohort = Cohort(config, seeds)
    next(train(cohort, {1}))
    evaluate(cohort, suite, dict.fromkeys(seeds, True))


def release() -> None:
    """Give back the memory of what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def evenly(seeds: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """As few cohorts as possible of at most so many seeds, as even as possible: none is left with a single one."""
    n = -(-len(seeds) // most)
    return [seeds[i::n] for i in range(n)]
