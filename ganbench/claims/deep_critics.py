"""Gradients inside a critic of twelve hidden layers that was trained on the swiss roll, clipped or penalised.

Gulrajani et al. (2017), section 3.2 and figure 1b, left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.lab import cohort, objective, population, train_fully
from ganbench.datasets.synthetic import Swissroll
from ganbench.engine.cohort import Cohort
from ganbench.engine.sampling import draw_samples, evaluation_latents
from ganbench.interfaces.objective import Optimizer
from ganbench.networks.mlp import Mlp

DEPTH = 12  # hidden layers of either player
LATENT = 2
POINTS = 256  # real ones, and as many generated ones, at which gradients are taken
CLIPPED = Optimizer("rmsprop", lr=5e-4)


@dataclass(frozen=True)
class Arm:
    """One way to constrain a critic.

    Attributes:
        objective: its name.
        fields: of the objective.
        width: of the hidden layers.
        dtype: in which the players are trained; gradients are always taken in float64.
        half: 0 or 1 for every other seed, where one part would take too long; None for all of them.
    """

    objective: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    width: int = 128
    dtype: torch.dtype = torch.float64
    half: int | None = None

    @property
    def label(self) -> str:
        """What the arm is called in the measurements: the same for both halves."""
        bound = f" {self.fields['clip']:g}" if "clip" in self.fields else ""
        return f"{self.objective}{bound}, width {self.width}"

    def some(self, seeds: Sequence[int]) -> Sequence[int]:
        """The seeds that this part trains."""
        return seeds if self.half is None else seeds[self.half :: 2]


def _clip(c: float) -> dict[str, Any]:
    return {"clip": c, "optimizer": CLIPPED}


ARMS = {
    "clip-0.1-wide-1": Arm("wgan", _clip(0.1), 512, torch.float32, 0),
    "clip-0.1-wide-2": Arm("wgan", _clip(0.1), 512, torch.float32, 1),
    "clip-0.1": Arm("wgan", _clip(0.1)),
    "clip-0.01": Arm("wgan", _clip(0.01)),
    "clip-0.001": Arm("wgan", _clip(0.001)),
    "gp": Arm("wgan-gp"),
}


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one arm, or of half its seeds."""
    arm = ARMS[part]
    seeds = arm.some(profile.replications(profile.pick(8, 10)))
    return list(measure(arm, seeds, profile.pick(40, 200))) if seeds else []


def measure(arm: Arm, seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """Train one cohort. ``log_gradient`` is log10 of a layer's gradient norm, ``at`` counts layers from the input."""
    chosen, networks = objective(arm.objective, **arm.fields), Mlp(latent=LATENT, width=arm.width, depth=DEPTH)
    trained = train_fully(cohort(Swissroll(), networks, chosen, seeds, steps, 64, dtype=arm.dtype))
    for seed, norms in zip(seeds, profiles(trained), strict=True):
        for layer, norm in enumerate(norms, 1):
            yield row("log_gradient", norm, arm=arm.label, seed=seed, at=layer)


def profiles(trained: Cohort) -> NDArray[np.float64]:
    """log10 of every hidden layer's gradient norm, on fixed real points and generated ones: (seeds, layers)."""
    n, real = len(trained.seeds), population(Swissroll()).reference(POINTS).double()
    latents = evaluation_latents(trained.seeds, POINTS, LATENT).to(trained.config.dtype)
    fake = draw_samples(trained.sample, latents).double()
    weights = {name: w[:n].double().cpu() for name, w in trained.critic.weights.items()}
    norms = torch.func.vmap(layer_gradients, in_dims=(0, None, 0))(weights, real, fake)
    logarithms: NDArray[np.float64] = norms.log10().numpy()  # of exactly zero: minus infinity, which is a result
    return logarithms


def layer_gradients(weights: Mapping[str, Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """‖∂L/∂h_l‖ of a ReLU critic's hidden layers, from the input on: (layers,).

    L is the score gap E f(fake) − E f(real), h_l the activations of layer l at all points. A penalty of the loss is
    taken at other points, so that this is the whole gradient for wgan-gp, too.

    Args:
        weights: of an ``Mlp`` critic, by name.
        real: (n, d).
        fake: (m, d).
    """
    names = [name.removesuffix(".weight") for name in weights if name.startswith("body.") and name.endswith(".weight")]
    points = torch.cat([real, fake])
    shares = torch.cat([points.new_full((len(real),), -1 / len(real)), points.new_full((len(fake),), 1 / len(fake))])

    def loss(offsets: list[Tensor]) -> Tensor:
        h = points
        for name, offset in zip(names, offsets, strict=True):
            h = torch.relu(linear(h, weights[f"{name}.weight"], weights[f"{name}.bias"])) + offset
        return shares @ linear(h, weights["head.weight"], weights["head.bias"]).squeeze(1)

    at_rest = [points.new_zeros(len(points), len(weights[f"{name}.bias"])) for name in names]
    return torch.stack([gradient.norm() for gradient in torch.func.grad(loss)(at_rest)])


EXPERIMENT = Experiment("deep-critics", tuple(ARMS), run, 1.0)
