"""Seed-steps per second: a plain PyTorch loop against ganbench's engine, in one process, alternating.

    python benchmarks/throughput.py [--cases ring/mlp] [--objectives gan,wgan] [--seeds 1,5,10,20,64] [--json]
    python benchmarks/throughput.py --memory

Both do the same mathematics on the same networks with the same optimizers, the generator's gradient norm recorded at
every step; the plain networks are checked to give ganbench's numbers before anything is timed. Alternating rounds and
medians are what counts: a machine's mood shifts all sides alike.

A line's columns: seed-steps a second of the plain loop and of ganbench; their ratio, the median of the rounds' own,
with the lowest and the highest; the share of the machine's limit, which is the floating-point operations that the
plain loop needs (its matrix products and convolutions, counted by PyTorch) at ganbench's rate, over the rate of large
matrix products measured in the same process; what readings cost, as a part of a step without them; what the default
evaluations cost, as a part of a whole run. ``--memory`` prints the peak memory of a process for every number of seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import plain
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ganbench.cohort import Cohort, Setting
from ganbench.evaluation import evaluate
from ganbench.execution import make_examiner
from ganbench.passes import Arguments
from ganbench.plugins import Registry, load_plugins
from ganbench.programs import Programs
from ganbench.readings import CRITIC_READINGS, GENERATOR_READINGS
from ganbench.training import train

BLOCKS = {"ring": 64, "digits": 64, "mnist": 2}  # generator steps a round: a block of draws, or what patience allows
EVALUATIONS, STEPS = 11, 2000  # of a default run
SIDE = 1024  # of the matrices whose product is the machine's limit
DATA = Path(os.environ.get("GANBENCH_DATA", "."))


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are seed-steps per second, medians over the rounds."""

    case: str
    objective: str
    batch: int
    seeds: int
    plain: float
    engine: float
    ratio: float  # median of the rounds' own ratios
    lowest: float
    highest: float
    limit: float  # share of the machine's limit, 0 to 1
    readings: float  # what they cost, as a part of a step without them: median of the rounds' own
    evaluation: float  # as a part of a default run, 0 to 1


class Silent(Programs):
    """Programs without readings: what those cost is the difference."""

    def _critic_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        gradients = self._for_all(lambda part: self.passes.critic_gradients(part)[0], arguments)
        return self._critic.flatten(gradients), torch.zeros(len(arguments.latent), len(CRITIC_READINGS))

    def _generator_gradient(self, arguments: Arguments) -> tuple[Tensor, Tensor]:
        gradients = self._for_all(lambda part: self.passes.generator_gradients(part)[0], arguments)
        return self._generator.flatten(gradients), torch.zeros(len(arguments.latent), len(GENERATOR_READINGS))


def silenced(setting: Setting, seeds: tuple[int, ...]) -> Cohort:
    """A cohort without readings."""
    cohort = Cohort(setting, seeds)
    how = {"compiled": setting.compiled, "precision": setting.precision}
    cohort.programs = Silent(cohort.programs.passes, cohort.generator, cohort.critic, **how)
    return cohort


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def product_rate() -> float:
    """Floating-point operations a second of large matrix products: the median of nine."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return 2 * SIDE**3 / statistics.median(seconds(lambda: a @ b) for _ in range(9))


def operations(one_step: Callable[[], None]) -> int:
    """Floating-point operations of the matrix products and convolutions of a generator step."""
    with FlopCounterMode(display=False) as counter:
        one_step()
    return counter.get_total_flops()


def trained(cohort: Cohort, block: int) -> Iterator[None]:
    """The engine's own loop; every ``next`` trains a block of generator steps."""
    for _ in train(cohort, set(range(block, cohort.setting.steps, block))):
        yield


def measure(case: str, objective: str, batch: int, seeds: list[int], rounds: int, registry: Registry) -> Iterator[Row]:
    """Rows of one case and objective: in every round each side trains one after the other."""
    setting, block = setting_of(case, objective, batch, registry), BLOCKS[case.partition("/")[0]]
    plain.check_same(case, setting.architecture, setting.population.sample_shape)
    loop = plain.loop(case, setting.population, setting.objective, batch)
    needed = operations(lambda: loop(1))
    cohorts = {k: Cohort(setting, tuple(range(k))) for k in seeds}
    sides = {k: (trained(cohorts[k], block), trained(silenced(setting, tuple(range(k))), block)) for k in seeds}
    loop(2)
    for running in (side for pair in sides.values() for side in pair):
        next(running)
    times: dict[int, list[tuple[float, float]]] = {k: [] for k in seeds}
    alone, limits = [], []
    for _ in range(rounds):
        limits.append(product_rate())
        alone.append(seconds(lambda: loop(block)) / block)
        for k, (loud, silent) in sides.items():
            times[k].append((seconds(loud.__next__) / block / k, seconds(silent.__next__) / block / k))
    examiner = make_examiner(registry, setting.population, 0)
    for k in seeds:
        ratios = [p / e for p, (e, _) in zip(alone, times[k], strict=True)]
        step = statistics.median(loud for loud, _ in times[k])
        look = seconds(lambda k=k: evaluate(cohorts[k], examiner, dict.fromkeys(range(k), True))) / k
        yield Row(
            case, objective, batch, k, 1 / statistics.median(alone), 1 / step,
            statistics.median(ratios), min(ratios), max(ratios),
            limit=needed / step / statistics.median(limits),
            readings=statistics.median(loud / silent - 1 for loud, silent in times[k]),
            evaluation=EVALUATIONS * look / (EVALUATIONS * look + STEPS * step),
        )  # fmt: skip


def setting_of(case: str, objective: str, batch: int, registry: Registry) -> Setting:
    """A run that does not end while it is looked at."""
    dataset, architecture = case.split("/")
    population = registry.datasets.find(dataset)().load(DATA)
    parts = registry.architectures.find(architecture)(), registry.objectives.find(objective)()
    return Setting(population, *parts, 10**6, batch)


def peak(case: str, objective: str, batch: int, seeds: int) -> None:
    """Train a few steps and print the most memory that this process has held, in MiB."""
    cohort = Cohort(setting_of(case, objective, batch, load_plugins()), tuple(range(seeds)))
    running = trained(cohort, BLOCKS[case.partition("/")[0]])
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
    numbers = f"{row.plain:9.0f}{row.engine:9.0f}{row.ratio:7.2f}x ({row.lowest:.2f} to {row.highest:.2f})"
    shares = f"{row.limit:8.0%}{row.readings:+9.1%}{row.evaluation:8.1%}"
    return f"{row.case:14}{row.objective:8}{row.batch:6}{row.seeds:6}{numbers}{shares}"


HEAD = f"{'case':14}{'':8}{'batch':>6}{'seeds':>6}{'plain/s':>9}{'engine/s':>9}{'ratio':>8}{'':15}{'limit':>8}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="ring/mlp,digits/dcgan,mnist/dcgan")
    parser.add_argument("--objectives", default="gan,wgan,wgan-gp")
    parser.add_argument("--batch-sizes", default="64")
    parser.add_argument("--seeds", default="1,5,10,20,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true", help="print peak memory instead")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
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
        print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}, {options.threads} threads")
        if not options.memory:
            print(f"{HEAD}{'readings':>9}{'evaluation':>11}")
    for case in wanted:
        if options.memory:
            print_memory(*case, seeds)
            continue
        for row in measure(*case, seeds, options.rounds, registry):
            print(json.dumps(vars(row)) if options.json else text(row), flush=True)


if __name__ == "__main__":
    main()
