"""Seconds and memory of every metric on MNIST: what evaluating a study costs.

    GANBENCH_DATA=... python benchmarks/metrics.py [--samples 10000] [--seeds 5] [--threads 2]

Every seed gets its own real images in the place of a generator's, halves of them spoiled with noise so that the
transport problem is not trivial. Metrics that share work (precision with recall, density with coverage) are timed in
the order of the table: the first of a pair pays. The target is less than 60 s and 3 GiB on two cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from ganbench.interfaces.dataset import Population
from ganbench.metrics.suite import MetricSuite
from ganbench.plugins.registry import load_plugins
from ganbench.rng import generator


def fake_samples(population: Population, n: int, seed: int) -> Tensor:
    """Real images, every second one with noise on it: (n, 1, 28, 28)."""
    rng = generator(seed, "benchmark")
    samples = population.take(population.draw((n,), rng))
    samples[::2] = (samples[::2] + 0.5 * torch.randn(samples[::2].shape, generator=rng)).clamp(-1, 1)
    return samples


def peak_gib() -> float:
    """The most memory this process has held, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    registry = load_plugins()
    population = registry.datasets.find("mnist")().load(Path(os.environ["GANBENCH_DATA"]))
    metrics = [cls() for cls in registry.metrics]
    seconds = dict.fromkeys(["real samples", "fake samples", *(metric.name for metric in metrics)], 0.0)

    def clock(name: str, began: float) -> None:
        seconds[name] += time.perf_counter() - began

    began = time.perf_counter()
    suite = MetricSuite.of(population, metrics, options.samples)
    clock("real samples", began)
    for seed in range(options.seeds):
        samples = fake_samples(population, options.samples, seed)
        began = time.perf_counter()
        fake = suite.evaluator.measure(samples)
        clock("fake samples", began)
        for metric in metrics:
            began = time.perf_counter()
            metric.value(fake, suite.real)
            clock(metric.name, began)
    print(
        f"{options.samples} MNIST samples, {options.seeds} seeds, {options.threads} threads, torch {torch.__version__}"
    )
    for name, spent in seconds.items():
        print(f"{name:14}{spent:8.2f} s")
    print(f"{'total':14}{sum(seconds.values()):8.2f} s   peak {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()
