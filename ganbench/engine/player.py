"""The two players of a cohort: their stacked weights, their initial values and their optimizers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganbench.interfaces.architecture import CriticNetwork
from ganbench.interfaces.objective import Optimizer
from ganbench.rng import stream

# Every seed's weights start and end on a 64-byte boundary. Vector instructions then treat all of them alike; with a
# ragged end, the last few weights of some seeds would go through scalar code that rounds differently, and a seed's
# numbers would depend on how many others are in its cohort.
ALIGNMENT = 16


@dataclass(frozen=True)
class Player:
    """One player for all seeds of a cohort.

    Attributes:
        network: the module, without weights of its own (on the meta device).
        flat: all weights, one row a seed: (seeds, size), each parameter padded to a multiple of ALIGNMENT.
        weights: the parameters by name, views into ``flat``: (seeds, *shape).
        optimizer: works on ``flat``; being elementwise, it cannot mix seeds.
    """

    # All weights of all seeds lie in one tensor, so an optimizer's step is one elementwise kernel whatever the network.
    # The named views share its memory: what the optimizer writes, the networks see.
    network: nn.Module
    flat: Tensor
    weights: dict[str, Tensor]
    optimizer: torch.optim.Optimizer

    def flatten(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Stacked gradients in the layout of ``flat``: (seeds, size)."""
        rows = []
        for name in self.weights:
            gradient = gradients[name].flatten(1)
            rows.append(gradient)
            if margin := -gradient.shape[1] % ALIGNMENT:
                rows.append(gradient.new_zeros(len(gradient), margin))
        return torch.cat(rows, dim=1)

    def update(self, gradient: Tensor) -> None:
        """One optimizer step with a flattened gradient."""
        self.flat.grad = gradient
        self.optimizer.step()

    def moments(self) -> dict[str, Tensor]:
        """The optimizer's running averages and its step count; nothing before its first step."""
        state = self.optimizer.state_dict()["state"].get(0, {})  # of one parameter, the flat one
        return {name: value for name, value in state.items() if isinstance(value, Tensor)}

    def load_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Set what ``moments`` gave. None sets those of an optimizer that has moved to zero, where they began."""
        own = self.moments()
        if own and not moments:
            for value in own.values():
                value.zero_()
            return
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": {0: dict(moments)} if moments else {}, "param_groups": groups})


def make_player(
    build: Callable[[], nn.Module],
    seeds: Sequence[int],
    purpose: str,
    optimizer: Optimizer,
    device: torch.device,
    dtype: torch.dtype,
) -> Player:
    """A player whose initial weights are keyed by (seed, purpose) alone.

    Raises:
        ValueError: if the network carries buffers, which would be state outside its weights.
    """
    # Each seed's network is built by itself under its own stream, so that its initial weights do not depend on the
    # others, nor on how many random numbers another objective has used.
    networks = [_initialised(build, stream(seed, purpose)) for seed in seeds]
    if any(True for _ in networks[0].buffers()):
        raise ValueError(
            f"{type(networks[0]).__name__} carries buffers (running statistics?); a network is its weights"
        )
    initial = [{name: p.detach() for name, p in network.named_parameters()} for network in networks]
    flat, weights = _lay_out(initial, device, dtype)
    return Player(copy.deepcopy(networks[0]).to("meta"), flat, weights, _make_optimizer(optimizer, flat))


def _initialised(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _lay_out(
    initial: Sequence[Mapping[str, Tensor]], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, dict[str, Tensor]]:
    """One row a seed, and views of the parameters in it."""
    sizes = {name: w.numel() + -w.numel() % ALIGNMENT for name, w in initial[0].items()}
    flat = torch.zeros(len(initial), sum(sizes.values()), device=device, dtype=dtype)
    weights, start = {}, 0
    for name, first in initial[0].items():
        view = flat[:, start : start + first.numel()].unflatten(1, first.shape or (1,))
        weights[name] = view.squeeze(1) if first.shape == () else view
        weights[name].copy_(torch.stack([w[name] for w in initial]))
        start += sizes[name]
    return flat, weights


def _make_optimizer(chosen: Optimizer, flat: Tensor) -> torch.optim.Optimizer:
    fused = flat.device.type in ("cpu", "cuda")
    capturable = flat.device.type == "cuda"  # a captured step counts on the device
    if chosen.name == "adam":
        betas = chosen.beta1, chosen.beta2
        return torch.optim.Adam([flat], chosen.lr, betas=betas, fused=fused, capturable=capturable)
    if chosen.name == "rmsprop":
        return torch.optim.RMSprop([flat], chosen.lr, alpha=chosen.alpha, capturable=capturable)
    return torch.optim.SGD([flat], chosen.lr, fused=fused)


class FunctionalCritic:
    """The critic of one seed, as a loss sees it: a network with given weights.

    Scores that were computed ahead, for real and fake in one pass, are handed out when a loss asks for them.
    """

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        self.network = network
        self.weights = weights
        self._known: list[tuple[Tensor, Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        """Raw scores (batch,) of samples (batch, *sample)."""
        for samples, known in self._known:
            if samples is x:
                return known
        scores: Tensor = functional_call(self.network, dict(self.weights), (x,))
        self._known.append((x, scores))
        return scores

    # Samples are known by identity: a loss that scores a changed copy gets a pass of its own. One pass over twice the
    # batch is quicker than two, and readings after the loss cost no pass at all.
    def score_jointly(self, real: Tensor, fake: Tensor) -> None:
        """Score two batches in one pass: the same numbers wherever a sample's score does not depend on its batch."""
        scores = functional_call(self.network, dict(self.weights), (torch.cat([real, fake]),))
        self._known += [(real, scores[: len(real)]), (fake, scores[len(real) :])]

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer: (batch, width).

        Raises:
            TypeError: if the architecture's critic is not a CriticNetwork.
        """
        if not isinstance(self.network, CriticNetwork):
            raise TypeError(f"{type(self.network).__name__} is not a CriticNetwork, so it has no features")
        body = {name.removeprefix("body."): w for name, w in self.weights.items() if name.startswith("body.")}
        features: Tensor = functional_call(self.network.body, body, (x,))
        return features
