"""Classifying critics trained between two known densities, and how near they come to the optimal one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.known_pairs import NormalPair, StandardNormal, critics, scores
from ganbench.claims.laboratory import objective
from ganbench.cohort import Cohort
from ganbench.exhibits.generator_gradients import generator_gradients
from ganbench.exhibits.optimal_critic import Gaussian, Scores, js, optimal_critic
from ganbench.losses import js_lower_bound, softplus
from ganbench.objective import Optimizer
from ganbench.streams import generator

OPTIMIZER = Optimizer("adam", lr=1e-3)
MEANS = {"0": 0.0, "0.5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0}
TRICK_MEAN = 1.5
HELD_OUT = 50_000  # samples of either kind
REAL = Gaussian(0.0)


def trained_critics(profile: Profile, mean: float, steps: int) -> Cohort:
    """Critics of N(0, 1) against N(mean, 1), 10 seeds."""
    chosen, seeds = objective("gan", optimizer=OPTIMIZER), profile.replications(10)
    return critics(StandardNormal(), NormalPair(), chosen, seeds, [mean], steps, profile.pick(128, 512))


def run_value(profile: Profile, part: str) -> list[dict[str, Any]]:
    """How near critics come to D* and to the value of the game; the part is the generated mean."""
    mean = MEANS[part]
    return list(value_rows(trained_critics(profile, mean, profile.pick(2000, 3000)), mean))


def value_rows(trained: Cohort, mean: float) -> Iterator[dict[str, Any]]:
    """``rmse`` of D under the mixture, by quadrature; ``js_error`` of the ``estimate`` ½ L + log 2, held out."""
    exact = js(REAL, Gaussian(mean)).item()
    for k, (seed, estimate) in enumerate(zip(trained.seeds, held_out_estimates(trained, mean), strict=True)):
        yield row("rmse", critic_error(score_of(trained, k), mean), seed=seed, at=mean)
        yield row("js_error", abs(estimate - exact), seed=seed, at=mean)
        yield row("estimate", estimate, seed=seed, at=mean)


def critic_error(score: Scores, mean: float) -> float:
    """Root of the mean of (D − D*)² under the mixture of both densities."""
    fake = Gaussian(mean)
    best = optimal_critic(REAL, fake)

    def missed(x: Tensor) -> Tensor:
        return (torch.sigmoid(score(x)) - best(x)).square()

    return ((REAL.expectation(missed) + fake.expectation(missed)) / 2).sqrt().item()


def held_out_estimates(trained: Cohort, mean: float) -> list[float]:
    """The critics' lower bounds on the divergence, on samples they were not trained on; each seed has its own."""
    real, fake = (_normals(trained.seeds, f"held-out-{side}") for side in ("real", "fake"))
    a, b = scores(trained, real).double(), scores(trained, mean + fake).double()
    return [js_lower_bound(*pair).item() for pair in zip(a, b, strict=True)]


def _normals(seeds: Sequence[int], purpose: str) -> Tensor:
    """(seeds, HELD_OUT, 1)."""
    return torch.stack([torch.randn(HELD_OUT, 1, generator=generator(seed, purpose)) for seed in seeds])


def score_of(trained: Cohort, k: int) -> Scores:
    """The score of one critic at points of a line, in double precision outside and its own inside."""
    weights = {name: w[k].detach() for name, w in trained.critic.weights.items()}

    def score(x: Tensor) -> Tensor:
        found: Tensor = functional_call(trained.critic.network, weights, (x.float()[:, None],))
        return found.double()

    return score


def run_trick(profile: Profile, part: str) -> list[dict[str, Any]]:
    """Both identities at θ = 1.5: by quadrature, and with trained critics."""
    exact = generator_gradients(TRICK_MEAN)
    identities = {"non-saturating": exact.non_saturating_error, "minimax": exact.minimax_error}
    rows = [row("identity", error, arm=arm, at=TRICK_MEAN) for arm, error in identities.items()]
    trained = trained_critics(profile, TRICK_MEAN, 3000)
    wanted = {"non-saturating": exact.kl - 2 * exact.js, "minimax": 2 * exact.js}
    for k, seed in enumerate(trained.seeds):
        for arm, found in pulls(score_of(trained, k), TRICK_MEAN).items():
            rows.append(row("gradient", found, arm=arm, seed=seed, at=TRICK_MEAN))
            rows.append(row("relative_error", abs(found / wanted[arm] - 1), arm=arm, seed=seed, at=TRICK_MEAN))
    return rows


def pulls(score: Scores, mean: float) -> dict[str, float]:
    """Derivatives by θ of E −log D(θ + z) and of E log(1 − D(θ + z)) for a critic that is held still."""
    return {
        "non-saturating": _slope(lambda x: softplus(-score(x)), mean),
        "minimax": _slope(lambda x: -softplus(score(x)), mean),
    }


def _slope(loss: Scores, mean: float) -> float:
    """Derivative of E loss(θ + z) by θ."""
    theta = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(Gaussian(theta).expectation(loss), theta)
    return slope.item()


VALUE = Experiment("optimal-critic", tuple(MEANS), run_value, 0.6)
TRICK = Experiment("generator-gradients", (f"{TRICK_MEAN:g}",), run_trick, 0.9)
