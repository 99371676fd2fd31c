"""Critics from scratch against frozen generators, which many claims on vanishing gradients read.

A generator is trained by nsgan for some steps and frozen; then a fresh critic learns against it, and the
gradient that the generator would get is read as the critic gets better. The generators, the initial critics, the
batches and the latents are the same for every objective. Arms are called ``dataset-step/objective``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.lab import cohort, objective, train_fully, training_config
from ganbench.datasets.digits import Digits
from ganbench.datasets.synthetic import Ring, Ring64
from ganbench.engine.probe import NoiseSampling, ProbeReading, Weights, probe
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.objective import Objective, Optimizer
from ganbench.networks.mlp import Mlp
from ganbench.spec import ProbeProtocol

ADAM = Optimizer("adam", lr=1e-3, beta1=0.5, beta2=0.999)  # of every critic, and of the generators while they learn
BATCH = 128
NOISE = NoiseSampling(32, 64, ends_only=True)
NONE = NoiseSampling(0)
SHORT, MIDDLE, LONG = 400, 1000, 2000  # updates of a critic
CLIP, WEIGHT = 0.05, 10.0
SIGMA = 0.5  # of the instance noise that the claim was fixed for


@dataclass(frozen=True)
class Case:
    """A frozen generator, and what is trained against it.

    Attributes:
        generator_step: after which it is frozen.
        steps: of the classifiers.
        wasserstein: whether Wasserstein critics are trained, too.
        noised: whether critics with instance noise are trained, too.
    """

    dataset: Dataset
    architecture: Mlp
    generator_step: int
    steps: int
    wasserstein: bool = False
    noised: bool = False

    @property
    def name(self) -> str:
        """What parts and arms call it."""
        return f"{self.dataset.name}-{self.generator_step}"


PLANE, CURVED, IMAGES = (Ring(), Mlp(latent=2)), (Ring64(sigma=0.05), Mlp(latent=8)), (Digits(), Mlp(latent=8))
UNTRAINED = Case(*PLANE, 0, MIDDLE, wasserstein=True)
OVERLAPPING = Case(*PLANE, 400, MIDDLE)
SURFACE = tuple(Case(*CURVED, step, LONG, wasserstein=True, noised=True) for step in (0, 300, 900))
PIXELS = tuple(Case(*IMAGES, step, LONG if step else MIDDLE) for step in (0, 300, 900))
CASES = {case.name: case for case in (UNTRAINED, OVERLAPPING, *SURFACE, *PIXELS)}


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of a case; ``at`` is the number of critic updates.

    Quantities: ``grad_norm`` of the generator on the fixed batch; ``grad_noise`` of its minibatch gradients, for gan
    and nsgan at the first and the last moment; ``accuracy`` and ``loss`` of the critic on samples that it is not
    trained on.
    """
    case, seeds = CASES[part], profile.replications(profile.pick(10, 20))
    generators = {case.generator_step: frozen(case, seeds)}
    return [row for arm in arms(case, profile) for row in measure(case, arm, seeds, generators)]


@dataclass(frozen=True)
class Arm:
    """A critic's training.

    Attributes:
        label: what measurements call it.
        objective: what the critic is trained by.
        steps: how many updates it gets.
        noise: what the noise of the generator's gradient is taken from.
        watchers: further objectives by label: their generator losses are read at the same critics.
    """

    label: str
    objective: Objective
    steps: int
    noise: NoiseSampling = NONE
    watchers: tuple[tuple[str, Objective], ...] = ()


def arms(case: Case, profile: Profile) -> Iterator[Arm]:
    """What is trained against a generator: gan and nsgan, whose critics are the same one, and more where asked for."""
    trick = ("nsgan", objective("nsgan", optimizer=ADAM))
    yield Arm("gan", objective("gan", optimizer=ADAM), case.steps, NOISE, (trick,))
    if case.wasserstein:
        yield Arm("wgan", objective("wgan", optimizer=ADAM, clip=CLIP), SHORT)
        yield Arm("wgan-gp", objective("wgan-gp", optimizer=ADAM, weight=WEIGHT), SHORT)
    for sigma in profile.pick((SIGMA,), (0.25, SIGMA, 1.0)) if case.noised else ():
        noised = objective("noisegan", optimizer=ADAM, sigma=sigma, anneal_until=0.0)
        yield Arm(f"noisegan[sigma={sigma:g}]", noised, case.steps)


def frozen(case: Case, seeds: Sequence[int]) -> list[Weights]:
    """The weights of every seed's generator at its step."""
    trick, steps = objective("nsgan", optimizer=ADAM), max(case.generator_step, 1)
    fresh = cohort(case.dataset, case.architecture, trick, seeds, steps, BATCH)
    weights = (train_fully(fresh) if case.generator_step else fresh).generator.weights
    return [{name: weight[k].clone() for name, weight in weights.items()} for k in range(len(seeds))]


def measure(
    case: Case, arm: Arm, seeds: Sequence[int], generators: dict[int, list[Weights]]
) -> Iterator[dict[str, Any]]:
    """Train the critics of one arm; one row a seed, moment and quantity."""
    config = training_config(case.dataset, case.architecture, arm.objective, arm.steps, BATCH)
    watchers, labels = [watcher for _, watcher in arm.watchers], [arm.label, *(label for label, _ in arm.watchers)]
    protocol = ProbeProtocol((case.generator_step,), arm.steps)
    readings = probe(config, tuple(seeds), protocol, generators, noise=arm.noise, watchers=watchers)
    for i, reading in enumerate(readings):
        noisy = arm.noise.wanted(reading.critic_step, protocol)
        yield from _rows(f"{case.name}/{labels[i % len(labels)]}", seeds, reading, noisy)


def _rows(arm: str, seeds: Sequence[int], reading: ProbeReading, noisy: bool) -> Iterator[dict[str, Any]]:
    named = {
        "grad_norm": reading.generator_grad_norm,
        "accuracy": reading.critic_accuracy,
        "loss": reading.critic_loss,
    }
    if noisy:
        named["grad_noise"] = reading.generator_grad_noise
    for quantity, by_seed in named.items():
        for seed, value in zip(seeds, by_seed, strict=True):
            yield row(quantity, value, arm=arm, seed=seed, at=reading.critic_step)


FROZEN_RING = Experiment("frozen-ring", (UNTRAINED.name,), run, 0.5)
FROZEN_OVERLAP = Experiment("frozen-overlap", (OVERLAPPING.name,), run, 0.5)
FROZEN_SURFACE = Experiment("frozen-ring64", tuple(case.name for case in SURFACE), run, 2.0)
FROZEN_PIXELS = Experiment("frozen-digits", tuple(case.name for case in PIXELS), run, 1.0)
