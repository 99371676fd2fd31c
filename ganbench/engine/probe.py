"""The probe: a frozen generator, a fresh critic trained against it, and the generator's gradient as the critic learns.

Arjovsky & Bottou (2017), figures 2 and 3. Nothing but the critic moves. Readings are taken at log-spaced critic steps
on one fixed batch of latents and of real samples that the critic is never trained on; the noise of the generator's
gradient comes from fresh minibatches of the training size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.engine.batches import Batch
from ganbench.engine.cohort import Cohort, TrainingConfig, restore, snapshot
from ganbench.engine.readings import CriticReadings, GeneratorReadings, to_float64
from ganbench.interfaces.objective import Objective
from ganbench.spec import ProbeProtocol

FIXED_BATCH = 512

Weights = Mapping[str, Tensor]
Report = Callable[[int], None]


@dataclass(frozen=True)
class NoiseSampling:
    """What the noise of the generator's gradient is taken from.

    Attributes:
        number: how many; at least two, or 0 where nobody asks for the noise: it is NaN then.
        size: latents in each; 0 takes the training size.
        ends_only: whether it is read before the critic's first update and after its last only.
    """

    number: int = 16
    size: int = 0
    ends_only: bool = False

    def wanted(self, step: int, protocol: ProbeProtocol) -> bool:
        """Whether the noise is read after so many critic steps."""
        return self.number > 0 and (not self.ends_only or step in (0, protocol.critic_steps))


@dataclass(frozen=True)
class ProbeReading:
    """One moment of the probe, for all seeds; every array is (seeds,)."""

    generator_step: int
    critic_step: int
    generator_grad_norm: NDArray[np.float64]
    generator_grad_noise: NDArray[np.float64]
    critic_accuracy: NDArray[np.float64]
    critic_loss: NDArray[np.float64]


def probe(
    config: TrainingConfig,
    seeds: tuple[int, ...],
    protocol: ProbeProtocol,
    generators: Mapping[int, list[Weights]],
    report: Report = lambda step: None,
    noise: NoiseSampling = NoiseSampling(),
    watchers: Sequence[Objective] = (),
) -> Iterator[ProbeReading]:
    """Probe an objective on frozen generators: at every moment its reading, then one of every watcher, in order.

    Args:
        config: the objective, and what it is probed on.
        seeds: one generator and one critic each.
        protocol: ages and lengths.
        generators: for each age, the weights of every seed's generator, in the order of ``seeds``.
        report: told after every critic step how many are done in all.
        noise: what the noise of gradients is taken from.
        watchers: further objectives, of whose losses the gradients are read at the very same critics.
    """
    population, held_out = config.population.hold_out(FIXED_BATCH)
    config = replace(config, population=population, steps=protocol.critic_steps)
    # One cohort serves all ages: its functions are traced once, and each age begins from the same fresh critic.
    cohort = Cohort(config, seeds)
    start = snapshot(cohort)
    cohorts = [cohort, *(_watcher(cohort, objective) for objective in watchers)]
    batches = [_fixed_batches(each, held_out, noise) for each in cohorts]
    for number, age in enumerate(protocol.generator_steps):
        restore(cohort, start, seeds)
        _freeze(cohort, generators[age])
        for step in _train_critic(cohort, protocol):
            if step in protocol.moments():
                noisy = noise.wanted(step, protocol)
                yield from (_read(each, fixed, age, step, noisy) for each, fixed in zip(cohorts, batches, strict=True))
            if step and step % cohort.sampler.length == 0:
                report(number * protocol.critic_steps + step)


def _freeze(cohort: Cohort, weights: list[Weights]) -> None:
    with torch.no_grad():
        for k in range(len(cohort.generator.flat)):
            for name, value in weights[min(k, len(weights) - 1)].items():
                cohort.generator.weights[name][k].copy_(value)


def _watcher(cohort: Cohort, objective: Objective) -> Cohort:
    """The same two players under the losses of another objective."""
    watcher = Cohort(replace(cohort.config, objective=objective), cohort.seeds)
    watcher.generator, watcher.critic = cohort.generator, cohort.critic
    return watcher


def _train_critic(cohort: Cohort, protocol: ProbeProtocol) -> Iterator[int]:
    """Train a fresh critic, stopping after every step (and before the first) with the number that are done."""
    sampler = cohort.make_sampler(cohort.config.batch_size, prefix="probe-")
    clock = cohort.clock(0)  # a schedule stays at its beginning: the objective is probed as it starts
    yield 0
    for step, batch in enumerate(sampler.first_critic_batches(protocol.critic_steps), 1):
        cohort.update_critic(batch, clock)
        yield step


@dataclass(frozen=True)
class _Fixed:
    """What every moment is read on.

    Attributes:
        real: held-out real samples, which no critic is trained on: (seeds, n, *sample_shape).
        critic, generator: one batch of n for each player's loss, with the same latents.
        minibatches: for the noise of the generator's gradient.
    """

    real: Tensor
    critic: Batch
    generator: Batch
    minibatches: list[Batch]


def _fixed_batches(cohort: Cohort, held_out: Tensor, noise: NoiseSampling) -> _Fixed:
    large = cohort.make_sampler(len(held_out), prefix="probe-fixed-")
    small = cohort.make_sampler(noise.size or cohort.config.batch_size, prefix="probe-noise-")
    blocks = range(-(-noise.number // small.length))
    minibatches = [batch for block in blocks for batch in small.generator(block)][: noise.number]
    real = held_out.to(cohort.config.device, cohort.config.dtype)
    generator = large.generator(0)[0]
    critic = large.critic(0, 0)[0]._replace(latent=generator.latent)
    return _Fixed(real.expand(len(cohort.generator.flat), *real.shape), critic, generator, minibatches)


def _read(cohort: Cohort, fixed: _Fixed, age: int, step: int, noisy: bool) -> ProbeReading:
    clock = cohort.clock(0)
    _, critic = cohort.critic_gradient(cohort.inputs(fixed.critic, clock)._replace(real=fixed.real))
    _, generator = cohort.generator_gradient(cohort.inputs(fixed.generator, clock)._replace(real=fixed.real))
    gradients = (cohort.generator_gradient(cohort.inputs(batch, clock))[0] for batch in fixed.minibatches)
    of_critic, of_generator = CriticReadings(*critic.unbind(1)), GeneratorReadings(*generator.unbind(1))
    noise = torch.full_like(of_generator.generator_grad_norm, torch.nan)
    if noisy:
        noise = gradient_noise(map(to_float64, gradients))
    columns = of_generator.generator_grad_norm, noise, of_critic.critic_accuracy, of_critic.critic_loss
    return ProbeReading(age, step, *(c[: len(cohort.seeds)].double().cpu().numpy() for c in columns))


def gradient_noise(gradients: Iterator[Tensor]) -> Tensor:
    """Trace of the minibatch gradients' covariance over the squared norm of their mean: (seeds,).

    Computed as the gradients come, by Welford's recurrence, so that no more than one of them is kept.

    Args:
        gradients: one a minibatch, each (seeds, size); at least two.
    """
    mean = next(gradients).clone()
    spread, n = torch.zeros_like(mean[:, 0]), 1
    for n, gradient in enumerate(gradients, 2):
        off = gradient - mean
        mean += off / n
        spread += (off * (gradient - mean)).sum(dim=1)
    return spread / (n - 1) / mean.square().sum(dim=1)
