"""Batches of every seed: indices from its own stream, gathered on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from ganbench.interfaces.dataset import Population
from ganbench.interfaces.draw import RandomSpec, fill
from ganbench.rng import generator

# -- copies to the device ----------------------------------------------------------------------------------------------


def send(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of the CPU on a device. A CUDA device takes it from pinned memory when it gets there.

    Args:
        tensor: on the CPU.
        device: where it is to be.
        dtype: of the result; none keeps the tensor's own.
    """
    converted = tensor if dtype is None else tensor.to(dtype)
    if device.type == "cuda":
        converted = converted.pin_memory()  # a copy from pageable memory makes the host wait for the device
    return converted.to(device, non_blocking=True)


# -- batches -----------------------------------------------------------------------------------------------------------

T = TypeVar("T")

# Batches are drawn and moved a block at a time: a call per step would cost more than the numbers themselves, and every
# block has random streams of its own, so that a resumed run starts at a block without replaying what came before.
LONGEST_BLOCK = 64
BLOCK_BYTES = 64 * 2**20  # one seed's real batches of one block stay below this


def block_length(batch_size: int, sample_size: int) -> int:
    """Steps in a block: 64, or fewer where samples are large. Depends on nothing that differs between objectives."""
    longest = LONGEST_BLOCK
    while longest > 1 and longest * batch_size * sample_size * 4 > BLOCK_BYTES:
        longest //= 2
    return longest


class Batch(NamedTuple):
    """What one update of one player needs, for K seeds: tickets (K, batch, ...), latents (K, batch, z), numbers."""

    real: Tensor
    latent: Tensor
    numbers: list[Tensor]


@dataclass(frozen=True)
class BatchSampler:
    """Draws blocks. The keys hold the seed, the purpose and the place in the run, and never the objective.

    Critic update c of a step has its own streams, so an objective with five updates a step and one with a single
    update share the first of them, and all generator updates.
    """

    seeds: tuple[int, ...]
    population: Population
    batch_size: int
    latent: int
    length: int
    device: torch.device
    dtype: torch.dtype
    critic_specs: Sequence[RandomSpec] = ()
    generator_specs: Sequence[RandomSpec] = ()
    prefix: str = ""  # of every purpose: an experiment beside the training draws numbers of its own

    def critic(self, block: int, update: int) -> list[Batch]:
        """Batches of critic update ``update`` (from 0) at every step of a block."""
        real = self._stack([self._tickets(seed, block, update) for seed in self.seeds])
        latent = self._stack(self._latents("critic-latent", block, update))
        numbers = self._numbers("critic-draw", self.critic_specs, block, update)
        return self._batches(real, latent, numbers)

    def first_critic_batches(self, n: int) -> Iterator[Batch]:
        """Batches of n critic updates in a row, one a step: for critics that learn against frozen generators."""
        blocks = (self.critic(block, 0) for block in count())
        return islice(chain.from_iterable(blocks), n)

    def generator(self, block: int) -> list[Batch]:
        """Batches of the generator update at every step of a block; its real samples are the first critic update's."""
        real = self._stack([self._tickets(seed, block, 0) for seed in self.seeds])
        latent = self._stack(self._latents("generator-latent", block))
        numbers = self._numbers("generator-draw", self.generator_specs, block)
        return self._batches(real, latent, numbers)

    def _batches(self, real: Tensor, latent: Tensor, numbers: list[Tensor]) -> list[Batch]:
        return [Batch(real[i], latent[i], [n[i] for n in numbers]) for i in range(self.length)]

    def _tickets(self, seed: int, block: int, update: int) -> Tensor:
        return self.population.draw(
            (self.length, self.batch_size), generator(seed, f"{self.prefix}real", block, update)
        )

    def _latents(self, purpose: str, *indices: int) -> list[Tensor]:
        spec = RandomSpec("normal", (self.batch_size, self.latent))
        return self._for_each(lambda rng: fill(spec, self.length, rng), purpose, *indices)

    def _numbers(self, purpose: str, specs: Sequence[RandomSpec], *indices: int) -> list[Tensor]:
        drawn = self._for_each(lambda rng: [fill(spec, self.length, rng) for spec in specs], purpose, *indices)
        return [self._stack([numbers[i] for numbers in drawn]) for i in range(len(specs))]

    def _for_each(self, draw: Callable[[torch.Generator], T], purpose: str, *indices: int) -> list[T]:
        """Draw from every seed's own stream: on all cores at once where these would only wait for a device."""
        streams = [generator(seed, self.prefix + purpose, *indices) for seed in self.seeds]
        if self.device.type == "cpu":
            return [draw(rng) for rng in streams]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(draw, streams))

    def _stack(self, per_seed: list[Tensor]) -> Tensor:
        """(steps, seeds, ...) on the device, floating numbers in the cohort's precision."""
        stacked = torch.stack(per_seed, dim=1)
        return send(stacked, self.device, self.dtype if stacked.is_floating_point() else None)
