"""What ``gpu.py`` measures: functions that give figures by name, with the unit in brackets.

    python benchmarks/measures.py '[{"measure": "throughput", "arguments": {...}}, ...]'

Measures one after the other and writes a line of JSON for each to standard output; ends with the first that fails.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plain
import torch
from commands import MIB, Figures, answer
from guarded import NO_DEVICE
from sides import setting_of
from throughput import product_rate, seconds

from ganbench.claims.catalogue import find_claims
from ganbench.claims.claim import overall
from ganbench.claims.experiment import Profile, row
from ganbench.claims.frozen_generator import ADAM, BATCH, CASES, NONE, Case, arms
from ganbench.claims.lab import cohort, objective, on_device, train_fully, training_config
from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import LogChunk, train
from ganbench.engine.memory import release
from ganbench.engine.probe import Weights, probe
from ganbench.engine.readings import READINGS
from ganbench.engine.tracing import TracedFunction, trace
from ganbench.plugins.isolation import set_precision
from ganbench.plugins.registry import load_plugins
from ganbench.spec import ProbeProtocol

RATE = "rate [seed-steps/s]"
STOPS = (8, 16, 32)  # of the first block: nothing is timed before the first, and the norm is read at the second
NORM = "generator's gradient norm, seed 0, step 16"


# -- the machine ------------------------------------------------------------------------------------------------------


def machine(device: str) -> Figures:
    """What it runs on."""
    found = {"torch": torch.__version__, "python": sys.version.split()[0], "cores": os.cpu_count()}
    if device == "cpu":
        return {"device": "cpu", **found}
    if not torch.cuda.is_available():
        raise RuntimeError(NO_DEVICE)
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        **found,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "compute capability": f"{properties.major}.{properties.minor}",
        "memory [MiB]": round(properties.total_memory / MIB),
        "multiprocessors": properties.multi_processor_count,
    }


# -- training ---------------------------------------------------------------------------------------------------------


def throughput(case: str, seeds: int, batch: int, device: str, spend: float) -> Figures:
    """The engine's rate, as ``ganbench run`` trains on the device."""
    return variant(case, seeds, batch, device, spend, "as run")


def plain_loop(case: str, batch: int, device: str, spend: float) -> Figures:
    """The rate of a plain PyTorch loop of one seed; its networks are checked to be ganbench's."""
    config = _setting(case, batch, device)
    plain.check_same(case, config.architecture, config.population.sample_shape)
    loop = plain.loop(config.population, config.objective, batch, config.device)
    loop(3)
    steps, elapsed = 0, 0.0
    while steps == 0 or elapsed < spend:
        elapsed += seconds(lambda: loop(10))
        steps += 10
    return {RATE: steps / elapsed}


def precision(case: str, seeds: int, batch: int, device: str, spend: float, arithmetic: str) -> Figures:
    """The engine's rate with products of some precision."""
    return variant(case, seeds, batch, device, spend, "as run", arithmetic)


def products(device: str, arithmetic: str, side: int) -> Figures:
    """The rate of large matrix products: what the device can do at most."""
    set_precision(arithmetic)
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    return {"rate [TFLOP/s]": product_rate(torch.device(device), dtype, side) / 1e12}


def variant(
    case: str, seeds: int, batch: int, device: str, spend: float, way: str, arithmetic: str = "float32"
) -> Figures:
    """The engine's rate with its steps run in some way."""
    set_precision(arithmetic)
    config = _setting(case, batch, device, precision=arithmetic)
    began = time.perf_counter()
    made = WAYS[way](config, tuple(range(seeds)))
    running = train(made, set(STOPS))
    next(running)
    prepared = time.perf_counter() - began
    rate, norm = _timed(running, seeds, spend)
    skipped = {"graphs that the compiler left out": _skipped()} if way == "reduce-overhead" else {}
    return {RATE: rate, NORM: norm, "preparation [s]": prepared, **skipped}


def _skipped() -> int:
    """How many programs ``torch.compile`` has compiled without capturing them: all of them on a processor."""
    from torch._dynamo.utils import counters

    return int(counters["inductor"]["cudagraph_skips"])


def _setting(case: str, batch: int, device: str, **changes: Any) -> TrainingConfig:
    config = setting_of(case, "gan", batch, load_plugins(), torch.device(device))
    return TrainingConfig(**{**vars(config), **changes})


def _timed(running: Iterator[LogChunk], seeds: int, spend: float) -> tuple[float, float]:
    """Seed-steps a second, of whole blocks where there is time for two of them, and the norm at the second stop.

    A segment ends when its readings have come from the device. Later blocks are drawn while the device is at work on
    the one before; the first is drawn ahead of everything that is timed.
    """
    times: list[tuple[int, float]] = []
    norm = math.nan
    while not times or sum(took for _, took in times) < spend:
        began = time.perf_counter()
        chunk = next(running)
        times.append((chunk.last - chunk.first + 1, time.perf_counter() - began))
        if chunk.last == STOPS[1]:
            norm = float(chunk.readings[-1, 0, READINGS.index("generator_grad_norm")])
    blocks = times[len(STOPS) :]
    counted = blocks if len(blocks) > 1 else times
    return seeds * sum(steps for steps, _ in counted) / sum(took for _, took in counted), norm


class Uncaptured(Cohort):
    """A cohort whose steps are not captured; its functions are traced."""

    def __init__(self, config: TrainingConfig, seeds: tuple[int, ...]) -> None:
        super().__init__(config, seeds, capture=None)


class Eager(Uncaptured):
    """A cohort that runs every operation as it is written, through ``vmap`` and ``grad``, in every step."""

    def _trace(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


class Reduced(Uncaptured):
    """A cohort whose functions are compiled by ``torch.compile(mode="reduce-overhead")``, which captures them itself.

    Raises:
        RuntimeError: a function cannot be traced.
    """

    def _trace(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.traced[name] = TracedFunction(function, name, _reduced, "traced", 0)

        def run(*args: Any) -> Any:
            result = self.traced[name](*args)
            if None in self.traced[name].made.values():
                raise RuntimeError(f"{name} cannot be traced")
            return result

        return run


def _reduced(function: Callable[..., Any], leaves: list[Any]) -> Callable[..., Any]:
    """A traced program, compiled in that mode; what it gives is copied, as the next call writes over it."""
    quick = torch.compile(trace(function, leaves), mode="reduce-overhead", dynamic=False, fullgraph=True)
    return lambda *given: torch.utils._pytree.tree_map(torch.clone, quick(*given))


WAYS: dict[str, Callable[[TrainingConfig, tuple[int, ...]], Cohort]] = {
    "as run": Cohort,  # on CUDA in a graph
    "traced": Uncaptured,
    "eager": Eager,
    "reduce-overhead": Reduced,
}


# -- memory -----------------------------------------------------------------------------------------------------------


def memory(case: str, seeds: Sequence[int], batch: int, device: str) -> Figures:
    """Peak memory with few and with many seeds, and what a further seed takes."""
    few, many = seeds
    measure = _device_memory if device == "cuda" else _process_memory
    peaks = {n: measure(case, n, batch) for n in seeds}
    found: Figures = {}
    for kind in peaks[few]:
        found |= {f"{kind}, {n} seeds [MiB]": peaks[n][kind] for n in seeds}
        found[f"{kind}, a further seed [MiB]"] = (peaks[many][kind] - peaks[few][kind]) / (many - few)
    return found


def _device_memory(case: str, seeds: int, batch: int) -> dict[str, float]:
    release()
    torch.cuda.reset_peak_memory_stats()
    running = train(Cohort(_setting(case, batch, "cuda"), tuple(range(seeds))), set(STOPS))
    next(running)
    peaks = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return dict(zip(("allocated", "reserved"), (peak / MIB for peak in peaks), strict=True))


def _process_memory(case: str, seeds: int, batch: int) -> dict[str, float]:
    """As ``throughput.py --memory`` does it: the most that a process of its own has held."""
    command = [sys.executable, str(Path(__file__).with_name("throughput.py")), "--cases", case, "--objectives", "gan"]
    command += ["--batch-sizes", str(batch), "--peak", str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-500:]}")
    return {"process": float(done.stdout)}


# -- claims -----------------------------------------------------------------------------------------------------------


def claim(number: int, cases: Sequence[str], updates: int, seeds: int, device: str, shorten: int) -> Figures:
    """A claim on frozen generators, measured on the device and judged by its own rules.

    Args:
        number: of the claim.
        cases: the generators that its rules read, as ``frozen_generator.CASES`` calls them.
        updates: of a critic; the rules read the last.
        seeds: how many.
        device: where generators and critics are trained.
        shorten: all trainings are so many times shorter, and what is read at their end counts as read at ``updates``:
            to see whether it works, at no price.
    """
    with on_device(device):
        rows = [r for name in cases for r in _frozen(CASES[name], updates, tuple(range(seeds)), shorten)]
    findings = find_claims([str(number)])[0].decide(pd.DataFrame(rows))
    effects = {f"{f.rule.name} [{f.rule.measure}], wanted {f.rule.threshold}": f.effect for f in findings}
    return {"verdict": overall([f.verdict for f in findings]), "seeds": seeds, **effects}


def _frozen(case: Case, updates: int, seeds: tuple[int, ...], shorten: int) -> Iterator[dict[str, Any]]:
    """What ``frozen_generator.run`` measures of gan's critics."""
    arm, last = next(arms(case, Profile())), max(2, updates // shorten)
    config = training_config(case.dataset, case.architecture, arm.objective, last, BATCH)
    generators = {case.generator_step: _generators(case, config, seeds, shorten)}
    for found in probe(config, seeds, ProbeProtocol((case.generator_step,), last), generators, noise=NONE):
        at = updates if found.critic_step == last else found.critic_step
        named = {"grad_norm": found.generator_grad_norm, "accuracy": found.critic_accuracy, "loss": found.critic_loss}
        for quantity, by_seed in named.items():
            for seed, value in zip(seeds, by_seed, strict=True):
                yield row(quantity, value, arm=f"{case.name}/gan", seed=seed, at=at)


def _generators(case: Case, config: TrainingConfig, seeds: tuple[int, ...], shorten: int) -> list[Weights]:
    steps, trick = -(-case.generator_step // shorten), objective("nsgan", optimizer=ADAM)
    trained = cohort(config.population, case.architecture, trick, seeds, max(steps, 1), BATCH)
    if steps:
        train_fully(trained)
    return [{name: w[k].clone() for name, w in trained.generator.weights.items()} for k in range(len(seeds))]


MEASURES: dict[str, Callable[..., Figures]] = {
    f.__name__: f for f in (machine, throughput, plain_loop, precision, products, variant, memory, claim)
}


if __name__ == "__main__":
    answer(MEASURES, release)
