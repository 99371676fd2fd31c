"""What critics and optimal transport say of parallel lines, by how far apart the lines are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.known_pairs import critics, scores
from ganbench.claims.laboratory import objective
from ganbench.claims.scalar_generator import Line, ScalarLine
from ganbench.exhibits.parallel_lines import line_samples, sampled_w1
from ganbench.losses import js_lower_bound
from ganbench.objective import Objective, Optimizer
from ganbench.streams import stream

THETAS = (-1.0, -0.75, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
FINE = tuple(round(i / 10, 1) for i in range(-10, 11))
SAMPLES = 2000  # of either line
STEPS = {"js": 400, "critic": 300}
BATCH = 128


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All estimates of one kind, at every θ: by ``js``, by ``critic`` or by ``transport``."""
    seeds, thetas = profile.replications(profile.pick(6, 10)), profile.pick(THETAS, FINE)
    if part == "transport":
        return [
            row("w1", sampled_w1(theta, SAMPLES, _rng(seed, i)), arm=part, seed=seed, at=theta)
            for seed in seeds
            for i, theta in enumerate(thetas)
        ]
    return critic_rows(part, seeds, thetas, STEPS[part] * profile.pick(1, 5))


def critic_rows(part: str, seeds: Sequence[int], thetas: Sequence[float], steps: int) -> list[dict[str, Any]]:
    """``js``, the lower bound of a classifier, or ``w1``, the score gap of a critic: on held-out samples."""
    trained = critics(Line(), ScalarLine(), _objective(part), seeds, thetas, steps, BATCH)
    real = torch.stack([_line(0.0, seed, "held-out-real") for _ in thetas for seed in seeds])
    fake = torch.stack([_line(theta, seed, "held-out-fake") for theta in thetas for seed in seeds])
    pairs = zip(scores(trained, real).double(), scores(trained, fake).double(), strict=True)
    found = [js_lower_bound(a, b) if part == "js" else a.mean() - b.mean() for a, b in pairs]
    quantity, places = ("js" if part == "js" else "w1"), [(theta, seed) for theta in thetas for seed in seeds]
    return [
        row(quantity, value.item(), arm=part, seed=seed, at=theta)
        for (theta, seed), value in zip(places, found, strict=True)
    ]


def _objective(part: str) -> Objective:
    if part == "js":
        return objective("gan", optimizer=Optimizer("adam", lr=1e-3))
    return objective("wgan-gp", optimizer=Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9))


def _line(theta: float, seed: int, purpose: str) -> Tensor:
    points = line_samples(theta, SAMPLES, np.random.default_rng(stream(seed, purpose)))
    return torch.from_numpy(points).float()


def _rng(seed: int, place: int) -> np.random.Generator:
    return np.random.default_rng(stream(seed, "transported-lines", place))


LINE_ESTIMATES = Experiment("line-estimates", ("critic", "js", "transport"), run, 0.9)
