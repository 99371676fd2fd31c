"""Whether a cohort's programs are compiled: where its training is long enough to get back what compiling takes.

Compiling changes rounding, so the choice must not hang on the machine's mood or on the company that a seed is in. It is
made by the work that one seed's training is: the floating-point operations of its matrix products.
"""

from __future__ import annotations

import statistics
import time
import warnings
from dataclasses import dataclass, replace

import torch

from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.functional import StepInputs
from ganbench.engine.tracing import missing_compiler, require_compiler
from ganbench.errors import UsageError

# One core does about 40e9 such operations a second. Compiling takes 8 to 28 s where nothing is in its cache and saves
# 11 to 31 % of the time afterwards: three seeds of 3e12 operations took 241 s compiled, compiling included, and 242 s
# without (benchmarks/README.md).
WORTH = 5e12  # operations of one seed's training
ROUNDS = 15  # of the comparison that is recorded


@dataclass(frozen=True)
class Pace:
    """How a cohort's programs run, for the record.

    Attributes:
        asked: ``auto``, ``on`` or ``off``.
        compiled: whether they were compiled.
        reason: why, in words, with what was measured.
    """

    asked: str
    compiled: bool
    reason: str


def settle(asked: str, setting: TrainingConfig, seeds: tuple[int, ...]) -> tuple[Cohort, Pace]:
    """A cohort at rest before its first step, with its programs compiled where that pays or is asked for.

    Raises:
        UsageError: compiling is asked for and does not work, for want of a C++ compiler, say.
        ObjectiveError: the objective breaks its contract.
    """
    cohort = Cohort(setting, seeds)
    wanted, reason = _wish(asked, cohort)
    if not wanted:
        return cohort, Pace(asked, False, reason)
    began = time.perf_counter()
    try:
        quick = Cohort(replace(setting, compiled=True), seeds)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the compiler's own; whatever the objective raises, it has raised above
        said = f"{setting.objective.name} could not be compiled: {str(error).strip().partition(chr(10))[0]}"
        if asked == "on":
            raise UsageError(f"--compile on: {said}; say off") from error
        warnings.warn(f"{said}; it runs slower", stacklevel=2)
        return cohort, Pace(asked, False, said)
    seconds = time.perf_counter() - began
    for program in cohort.programs.recorded.values():
        program.patience = 0  # what is recorded is what compiling has to beat
    _time(cohort)
    share = statistics.median(_time(quick) / _time(cohort) for _ in range(ROUNDS))
    return quick, Pace(asked, True, f"{reason}; compiled in {seconds:.1f} s, passes take {share:.2f} of the time")


def _wish(asked: str, cohort: Cohort) -> tuple[bool, str]:
    """Whether to compile, and why."""
    setting, lacks = cohort.setting, missing_compiler()
    if asked == "off":
        return False, "asked for"
    if not cohort.programs.recordable:
        return False, f"{setting.objective.name} cannot be recorded"
    if setting.device.type == "cpu" and lacks:
        if asked == "on":
            require_compiler()
        return False, f"there is no C++ compiler ({lacks})"
    if asked == "on":
        return True, "asked for"
    if setting.device.type != "cpu":
        return False, "it is of use on processors"
    if cohort.loops:
        return False, "its passes are large, and between their products there is little to gain"
    work = operations(cohort)
    said = f"a seed's training is {work:.1e} operations, and compiling pays from {WORTH:.0e} on"
    return work >= WORTH, said


def operations(cohort: Cohort) -> float:
    """Floating-point operations of the matrix products of one seed's whole training."""
    passes = cohort.programs.passes
    functions = passes.critic_gradients, passes.generator_gradients
    critic, generator = (cohort.programs.operations(*pair) for pair in zip(functions, _first(cohort), strict=True))
    return cohort.setting.steps * (cohort.setting.objective.n_critic * critic + generator)


def _first(cohort: Cohort) -> tuple[StepInputs, StepInputs]:
    """What the critic's and the generator's first passes need."""
    clock = cohort.clock(1)
    return cohort.arguments(cohort.feed.critic(0, 0)[0], clock), cohort.arguments(cohort.feed.generator(0)[0], clock)


def _time(cohort: Cohort) -> float:
    """Seconds of the passes of one step; nothing moves."""
    critic, generator = _first(cohort)
    began = time.perf_counter()
    for _ in range(cohort.setting.objective.n_critic):
        cohort.critic_gradient(critic)
    cohort.generator_gradient(generator)
    return time.perf_counter() - began
