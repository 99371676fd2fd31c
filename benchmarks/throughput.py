"""Seed-steps per second: a plain PyTorch loop against ganbench's engine, in one process, alternating.

    python benchmarks/throughput.py [--seeds 1,5,10,20] [--batch-sizes 64,256] [--rounds 5] [--threads 2] [--json]

Both do the same mathematics on the same networks: one critic and one generator update of the minimax game with Adam,
the generator's gradient norm recorded at every step. The plain loop trains one seed after the other with torch's own
modules, as tutorials write it; its networks are checked to give ganbench's numbers before anything is timed.
Alternating rounds and medians are what counts: a machine's mood shifts both sides alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from ganbench_objectives.gan import Minimax
from torch import nn
from torch.func import functional_call

from ganbench.cohort import Cohort, Setting
from ganbench.dataset import Population
from ganbench.networks.architecture import Architecture
from ganbench.plugins import load_plugins
from ganbench.training import train


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are seed-steps per second, medians over the rounds."""

    case: str
    batch: int
    seeds: int
    plain: float
    engine: float
    ratio: float  # median of the rounds' own ratios
    lowest: float
    highest: float


def plain_networks(case: str) -> tuple[nn.Module, nn.Module]:
    """Generator and critic of torch's own modules, for the two cases."""
    if case == "ring/mlp":
        generator = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))
        critic = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
        return generator, critic
    generator = nn.Sequential(
        nn.Linear(64, 256),
        nn.Unflatten(1, (64, 2, 2)),
        nn.BatchNorm2d(64, track_running_stats=False),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32, track_running_stats=False),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(256, 1),
    )
    return generator, critic


def check_same(case: str, architecture: Architecture, shape: tuple[int, ...]) -> None:
    """Raises AssertionError unless the plain networks compute what ganbench's do, weight for weight."""
    ours = architecture.generator(shape), architecture.critic(shape)
    latent, x = torch.randn(8, architecture.latent), torch.randn(8, *shape)
    for own, plain, inputs in zip(ours, plain_networks(case), (latent, x), strict=True):
        weights = [p.detach() for p in own.parameters()]
        names = [name for name, _ in plain.named_parameters()]
        assert len(names) == len(weights), case
        converted = {n: _plain_layout(case, n, w) for n, w in zip(names, weights, strict=True)}
        torch.testing.assert_close(
            functional_call(plain, converted, (inputs,)).flatten(), own(inputs).detach().flatten(), rtol=1e-4, atol=1e-5
        )


def _plain_layout(case: str, name: str, weight: torch.Tensor) -> torch.Tensor:
    """Ganbench keeps taps before channels, and a pixel's channels side by side in vectors; torch the other way."""
    if weight.ndim == 4:
        return weight.permute(3, 2, 0, 1)
    if case == "digits/dcgan" and name.startswith("0.") and weight.shape[0] == 256:
        return weight.unflatten(0, (2, 2, 64)).movedim(2, 0).flatten(0, 2)
    if case == "digits/dcgan" and weight.shape == (1, 256):
        return weight.unflatten(1, (2, 2, 64)).movedim(3, 1).flatten(1)
    return weight


def plain_loop(case: str, population: Population, batch: int) -> Callable[[int], None]:
    """One seed, one step after the other, as tutorials write it."""
    generator, critic = plain_networks(case)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    rng, bce, norms = torch.Generator().manual_seed(0), nn.BCEWithLogitsLoss(), []
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)

    def steps(n: int) -> None:
        for _ in range(n):
            real = population.take(population.draw((batch,), rng))
            fake = generator(torch.randn(batch, 64))
            critic_optimizer.zero_grad()
            (bce(critic(real), ones) + bce(critic(fake.detach()), zeros)).backward()
            critic_optimizer.step()
            generator_optimizer.zero_grad()
            (-bce(critic(generator(torch.randn(batch, 64))), zeros)).backward()
            norms.append(torch.nn.utils.get_total_norm([p.grad for p in generator.parameters()]).item())
            generator_optimizer.step()

    return steps


def engine(setting: Setting, seeds: int) -> Iterator[None]:
    """Ganbench's own loop over a cohort; every ``next`` trains one block."""
    for _ in train(Cohort(setting, tuple(range(seeds))), set()):
        yield


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(case: str, batch: int, seeds: list[int], rounds: int) -> Iterator[Row]:
    """Rows of one case: in every round the plain loop and each cohort size train one after the other."""
    dataset, architecture_name = case.split("/")
    registry = load_plugins()
    population = registry.datasets.find(dataset)().load(Path())
    architecture = registry.architectures.find(architecture_name)()
    check_same(case, architecture, population.sample_shape)
    setting = Setting(population, architecture, Minimax(), 10**6, batch)
    plain, block = plain_loop(case, population, batch), 64
    engines = {k: engine(setting, k) for k in seeds}
    plain(block)
    for running in engines.values():
        next(running)
    times: dict[int, list[float]] = {k: [] for k in (0, *seeds)}
    for _ in range(rounds):
        times[0].append(timed(lambda: plain(block)) / block)
        for k, running in engines.items():
            times[k].append(timed(lambda running=running: next(running)) / block / k)
    for k in seeds:
        ratios = [p / e for p, e in zip(times[0], times[k], strict=True)]
        rates = [1 / statistics.median(t) for t in (times[0], times[k])]
        yield Row(case, batch, k, *rates, statistics.median(ratios), min(ratios), max(ratios))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="ring/mlp,digits/dcgan")
    parser.add_argument("--batch-sizes", default="64,256")
    parser.add_argument("--seeds", default="1,5,10,20")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeds = [int(k) for k in options.seeds.split(",")]
    if not options.json:
        print(f"torch {torch.__version__}, {platform.processor() or platform.machine()}, {options.threads} threads")
        print(f"{'case':14}{'batch':>6}{'seeds':>6}{'plain/s':>10}{'engine/s':>10}{'ratio':>8}  (lowest to highest)")
    for case in options.cases.split(","):
        for batch in map(int, options.batch_sizes.split(",")):
            for row in measure(case, batch, seeds, options.rounds):
                if options.json:
                    print(json.dumps(vars(row)), flush=True)
                else:
                    numbers = f"{row.plain:10.0f}{row.engine:10.0f}{row.ratio:7.2f}x"
                    spread = f"({row.lowest:.2f} to {row.highest:.2f})"
                    print(f"{row.case:14}{row.batch:6}{row.seeds:6}{numbers}  {spread}", flush=True)


if __name__ == "__main__":
    main()
