"""Seed-steps per second: a plain PyTorch loop against ganbench's engine, in one process, alternating.

    python benchmarks/throughput.py [--cases ring/mlp] [--objectives gan,wgan] [--seeds 1,5,10,20,64] [--json]
    python benchmarks/throughput.py --memory

Both do the same mathematics on the same networks with the same optimizers, the generator's gradient norm recorded at
every step; the plain networks are checked to give ganbench's numbers before anything is timed. Alternating rounds and
medians are what counts: a machine's mood shifts all sides alike.

A line's columns: seed-steps a second of the plain loop and of ganbench in this process; how much quicker ganbench is,
in this process with as many threads, in processes of one thread each (as ``ganbench run`` trains), and compiled there:
medians of the rounds' own ratios, with the lowest and the highest; the share of the machine's limit that the quickest
of them has, which is the floating-point operations that the plain loop needs (its matrix products and convolutions,
counted by PyTorch) at its rate, over the rate of large matrix products measured in the same process; what readings
cost, as a part of a step without them; what the default evaluations cost, as a part of a whole run. ``--memory`` prints
the peak memory of a process for every number of seeds.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import plain
import torch
from sides import FEWEST, Crew, Silent, setting_of, trained

from ganbench.engine.cohort import Cohort
from ganbench.engine.functional import flops
from ganbench.engine.sampling import evaluate
from ganbench.plugins.isolation import set_precision
from ganbench.plugins.registry import PluginRegistry, load_plugins
from ganbench.runner.cohort_run import make_suite

BLOCKS = {"ring": 64, "digits": 32}  # generator steps a round: a block of draws, or what patience allows; 2 elsewhere
EVALUATIONS, STEPS = 11, 2000  # of a default run
SIDE = 1024  # of the matrices whose product is the machine's limit


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are seed-steps per second, medians over the rounds."""

    case: str
    objective: str
    batch: int
    seeds: int
    plain: float
    engine: float
    inside: tuple[float, float, float]  # how much quicker the engine is in this process: median, lowest, highest
    apart: tuple[float, float, float]  # and in processes of one thread, as ``ganbench run`` trains
    compiled: tuple[float, float, float]  # and compiled there
    limit: float  # share of the machine's limit that the quickest of them has, 0 to 1
    readings: float  # what they cost, as a part of a step without them: median of the rounds' own
    evaluation: float  # as a part of a default run, 0 to 1


def seconds(work: Callable[[], object]) -> float:
    """How long something takes, on the device, too."""
    _wait()
    began = time.perf_counter()
    work()
    _wait()
    return time.perf_counter() - began


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def block_of(case: str) -> int:
    """Generator steps of a round."""
    return BLOCKS.get(case.partition("/")[0], 2)


def product_rate(device: torch.device, dtype: torch.dtype = torch.float32, side: int = 0) -> float:
    """Floating-point operations a second of large matrix products: the median of nine."""
    side = side or (SIDE if device.type == "cpu" else 8 * SIDE)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / statistics.median(seconds(lambda: a @ b) for _ in range(9))


def measure(
    case: str, objective: str, batch: int, seeds: list[int], rounds: int, registry: PluginRegistry, device: torch.device
) -> Iterator[Row]:
    """Rows of one case and objective: in every round each side trains one after the other."""
    config, block = setting_of(case, objective, batch, registry, device), block_of(case)
    plain.check_same(case, config.architecture, config.population.sample_shape)
    loop = plain.loop(config.population, config.objective, batch, device)
    needed = flops(lambda: loop(1))
    cohorts = {k: Cohort(config, tuple(range(k))) for k in seeds}
    sides: dict[tuple[int, str], Iterator[None] | Crew] = {}
    for k, cohort in cohorts.items():
        sides[k, "inside"] = trained(cohort, block)
        sides[k, "silent"] = trained(Silent(config, tuple(range(k))), block)
        for way in ("apart", "compiled") if k >= FEWEST and device.type == "cpu" else ():
            sides[k, way] = Crew(case, objective, batch, k, block, compiled=way == "compiled")
    loop(2)
    for running in sides.values():
        next(running)
    times: dict[tuple[int, str], list[float]] = {side: [] for side in sides}
    alone, limits = [], []
    for _ in range(rounds):
        limits.append(product_rate(device))
        alone.append(seconds(lambda: loop(block)) / block)
        for (k, way), running in sides.items():
            times[k, way].append(seconds(running.__next__) / block / k)
    suite = make_suite(registry, config.population, 0)
    for k in seeds:
        step, loud = statistics.median(times[k, "inside"]), times[k, "inside"]
        look = seconds(lambda k=k: evaluate(cohorts[k], suite, dict.fromkeys(range(k), True))) / k
        quickest = min(statistics.median(times[k, way]) for way in ("inside", "apart", "compiled") if (k, way) in times)
        yield Row(
            case, objective, batch, k, 1 / statistics.median(alone), 1 / step,
            *(_ratio(alone, times.get((k, way))) for way in ("inside", "apart", "compiled")),
            limit=needed / quickest / statistics.median(limits),
            readings=statistics.median(a / b - 1 for a, b in zip(loud, times[k, "silent"], strict=True)),
            evaluation=EVALUATIONS * look / (EVALUATIONS * look + STEPS * step),
        )  # fmt: skip
    for running in sides.values():
        running.close()


def _ratio(alone: list[float], side: list[float] | None) -> tuple[float, float, float]:
    """Median, lowest and highest of the rounds' own."""
    ratios = [p / e for p, e in zip(alone, side or [float("nan")] * len(alone), strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def peak(case: str, objective: str, batch: int, seeds: int) -> None:
    """Train a few steps and print the most memory that this process has held, in MiB."""
    cohort = Cohort(setting_of(case, objective, batch, load_plugins()), tuple(range(seeds)))
    running = trained(cohort, block_of(case))
    next(running)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def print_memory(case: str, objective: str, batch: int, seeds: list[int]) -> None:
    """Peak memory by seeds, each in a process of its own, and what a further seed takes."""
    command = [sys.executable, __file__, "--cases", case, "--objectives", objective, "--batch-sizes", str(batch)]
    found = []
    for k in seeds:
        done = subprocess.run([*command, "--peak", str(k)], capture_output=True, text=True, check=True)
        found.append(float(done.stdout))
        more = (found[-1] - found[-2]) / (k - seeds[len(found) - 2]) if len(found) > 1 else float("nan")
        print(f"{case:14}{objective:8}{batch:6}{k:6}{found[-1]:8.0f} MiB{more:8.2f} MiB a further seed", flush=True)


def text(row: Row) -> str:
    """A row as a line of the table."""
    numbers = f"{row.plain:9.0f}{row.engine:9.0f}"
    ratios = "".join(
        f"{middle:7.2f}x ({low:.2f} to {high:.2f})" if middle == middle else f"{'–':>23}"
        for middle, low, high in (row.inside, row.apart, row.compiled)
    )
    shares = f"{row.limit:8.0%}{row.readings:+9.1%}{row.evaluation:8.1%}"
    return f"{row.case:14}{row.objective:8}{row.batch:6}{row.seeds:6}{numbers}{ratios}{shares}"


HEAD = f"{'case':14}{'':8}{'batch':>6}{'seeds':>6}{'plain/s':>9}{'engine/s':>9}"
HEAD += "".join(f"{way:>8}{'':15}" for way in ("inside", "apart", "compiled"))


def _machine(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="ring/mlp,digits/dcgan,mnist/dcgan")
    parser.add_argument("--objectives", default="gan,wgan,wgan-gp")
    parser.add_argument("--batch-sizes", default="64")
    parser.add_argument("--seeds", default="1,5,10,20,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true", help="print peak memory instead")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    set_precision("float32")
    seeds, registry = [int(k) for k in options.seeds.split(",")], load_plugins()
    wanted = [
        (case, objective, int(batch))
        for case in options.cases.split(",")
        for objective in options.objectives.split(",")
        for batch in options.batch_sizes.split(",")
    ]
    if options.peak:
        peak(*wanted[0], options.peak)
        return
    if not options.json:
        print(f"torch {torch.__version__}, {_machine(options.device)}, {options.threads} threads")
        if not options.memory:
            print(f"{HEAD}{'limit':>8}{'readings':>9}{'evaluation':>11}")
    for case in wanted:
        if options.memory:
            print_memory(*case, seeds)
            continue
        for row in measure(*case, seeds, options.rounds, registry, torch.device(options.device)):
            print(json.dumps(vars(row)) if options.json else text(row), flush=True)


if __name__ == "__main__":
    main()
