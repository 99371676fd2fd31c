"""Parallel lines: divergences, estimates of critics, and a generator of one parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.claim import Claim, Rule, by_proportion
from ganbench.claims.effects import difference, row_slopes, select, table
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.fixed_generators import critics, scores
from ganbench.claims.lab import AgainstMlp, cohort, endless, objective, weight_course
from ganbench.interfaces.objective import Objective, Optimizer, js_lower_bound
from ganbench.metrics.transport import exact_distance
from ganbench.rng import stream

# -- scalar generator --------------------------------------------------------------------------------------------------

GENERATOR_STEPS = 150  # of the generator
TAIL = 50  # last steps, over which |θ| is averaged
STARTS = (0.5, 1.0, 2.0)  # |θ₀|
OPTIMIZERS = {"sgd": Optimizer("sgd", lr=0.1), "adam": Optimizer("adam", lr=0.03)}
CLASSIFIER = Optimizer("adam", lr=1e-3)
ARMS: dict[str, dict[str, Any]] = {
    "gan": {"optimizer": CLASSIFIER},
    "nsgan": {"optimizer": CLASSIFIER},
    "wgan": {"optimizer": Optimizer("rmsprop", lr=1e-3), "clip": 0.05},
    "wgan-gp": {"optimizer": Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9)},
}


def real_line(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Points (0, y), y uniform on [0, 1]: (*shape, 2)."""
    y = torch.rand(shape, generator=rng)
    return torch.stack([torch.zeros_like(y), y], dim=-1)


class ScalarGenerator(nn.Module):
    """Latents (batch, 1) to (θ, Φ(z)): a line at θ, the only parameter."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([start]))

    def forward(self, z: Tensor) -> Tensor:
        """Points (batch, 2)."""
        return torch.cat([self.theta.expand_as(z), torch.special.ndtr(z)], dim=1)


LINE = endless(real_line, 2)


def scalar_line(start: float = 1.0) -> AgainstMlp:
    """The scalar generator from θ₀ = ``start`` against an MLP critic."""
    return AgainstMlp(1, partial(ScalarGenerator, start))


def arm(name: str, optimizer: str, n_critic: int) -> str:
    """What a combination is called."""
    return f"{name}, {optimizer}, n_critic {n_critic}"


def run_scalar_generator(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one objective, or of the starts; those of wgan-gp under the full profile only."""
    if part == "starts":
        return list(from_starts(profile.replications(20), GENERATOR_STEPS))
    if part == "wgan-gp" and profile.name == "quick":
        return []
    counts = profile.pick((1, 10), (1, 5, 10, 20))
    return list(by_critic_steps(part, counts, profile.replications(profile.pick(10, 20)), GENERATOR_STEPS))


def by_critic_steps(name: str, counts: Sequence[int], seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """``final``: |θ| after the last step from θ₀ = 1, with so many critic updates a step."""
    for label, optimizer in OPTIMIZERS.items():
        for n in counts:
            thetas = _course(name, n, optimizer, 1.0, seeds, steps)
            for seed, theta in zip(seeds, thetas[-1], strict=True):
                yield row("final", abs(theta), arm=arm(name, label, n), seed=seed, at=1.0)


def from_starts(seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """``tail``: |θ| averaged over the last steps of nsgan with one critic update a step, with θ₀ as ``at``."""
    for label, optimizer in OPTIMIZERS.items():
        for start in STARTS:
            tails = np.abs(_course("nsgan", 1, optimizer, start, seeds, steps)[-TAIL:]).mean(axis=0)
            for seed, tail in zip(seeds, tails, strict=True):
                yield row("tail", tail, arm=arm("nsgan", label, 1), seed=seed, at=start)


def _course(
    name: str, n_critic: int, optimizer: Optimizer, start: float, seeds: Sequence[int], steps: int
) -> NDArray[np.float64]:
    chosen = objective(name, n_critic=n_critic, **ARMS[name])
    trained = cohort(LINE, scalar_line(start), chosen, seeds, steps, generator_optimizer=optimizer)
    return weight_course(trained, "theta")


SCALAR_GENERATOR = Experiment("scalar-generator", (*ARMS, "starts"), run_scalar_generator, 0.5)


# -- line estimates ----------------------------------------------------------------------------------------------------

THETAS = (-1.0, -0.75, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
FINE = tuple(round(i / 10, 1) for i in range(-10, 11))
SAMPLES = 2000  # of either line
ESTIMATE_STEPS = {"js": 400, "critic": 300}
BATCH = 128


def line_samples(theta: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n, 2) of the line at θ."""
    return np.column_stack([np.full(n, theta), rng.random(n)])


def sampled_w1(theta: float, n: int, rng: np.random.Generator) -> float:
    """1-Wasserstein distance of n points of either line, by POT's network simplex.

    At least |θ|, and above it by no more than the distance between the two samples of y.
    """
    return exact_distance(line_samples(theta, n, rng), line_samples(0.0, n, rng))


def run_line_estimates(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All estimates of one kind, at every θ: by ``js``, by ``critic`` or by ``transport``."""
    seeds, thetas = profile.replications(profile.pick(6, 10)), profile.pick(THETAS, FINE)
    if part == "transport":
        return [
            row("w1", sampled_w1(theta, SAMPLES, _rng(seed, i)), arm=part, seed=seed, at=theta)
            for seed in seeds
            for i, theta in enumerate(thetas)
        ]
    return critic_rows(part, seeds, thetas, ESTIMATE_STEPS[part] * profile.pick(1, 5))


def critic_rows(part: str, seeds: Sequence[int], thetas: Sequence[float], steps: int) -> list[dict[str, Any]]:
    """``js``, the lower bound of a classifier, or ``w1``, the score gap of a critic: on held-out samples."""
    trained = critics(LINE, scalar_line(), _objective(part), seeds, thetas, steps, BATCH)
    real = torch.stack([_line_at(0.0, seed, "held-out-real") for _ in thetas for seed in seeds])
    fake = torch.stack([_line_at(theta, seed, "held-out-fake") for theta in thetas for seed in seeds])
    pairs = zip(scores(trained, real).double(), scores(trained, fake).double(), strict=True)
    estimates = [js_lower_bound(a, b) if part == "js" else a.mean() - b.mean() for a, b in pairs]
    quantity, places = ("js" if part == "js" else "w1"), [(theta, seed) for theta in thetas for seed in seeds]
    return [
        row(quantity, value.item(), arm=part, seed=seed, at=theta)
        for (theta, seed), value in zip(places, estimates, strict=True)
    ]


def _objective(part: str) -> Objective:
    if part == "js":
        return objective("gan", optimizer=Optimizer("adam", lr=1e-3))
    return objective("wgan-gp", optimizer=Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9))


def _line_at(theta: float, seed: int, purpose: str) -> Tensor:
    points = line_samples(theta, SAMPLES, np.random.default_rng(stream(seed, purpose)))
    return torch.from_numpy(points).float()


def _rng(seed: int, place: int) -> np.random.Generator:
    return np.random.default_rng(stream(seed, "transported-lines", place))


LINE_ESTIMATES = Experiment("line-estimates", ("critic", "js", "transport"), run_line_estimates, 0.9)


# -- parallel lines ----------------------------------------------------------------------------------------------------

APART = 0.1 - 1e-9  # |θ| from which on the lines are apart


def estimates(measurements: Measurements, arm: str, least: float = 0.0) -> pd.DataFrame:
    """Estimates where |θ| is at least ``least``: one row a seed, one column a θ."""
    return table(measurements[measurements["at"].abs() >= least], arm=arm)


def slopes(measurements: Measurements, arm: str) -> list[float]:
    """Least-squares slope of the estimates against |θ|, by seed; NaN where one is not finite."""
    return row_slopes(estimates(measurements, arm))


def distances_note(measurements: Measurements, arm: str, least: float = 0.0) -> str:
    """Mean estimates by |θ|."""
    means = estimates(measurements, arm, least).mean().groupby(lambda theta: abs(theta)).mean()
    return "Means by |theta|: " + ", ".join(f"{theta:g}: {mean:.3g}" for theta, mean in means.items())


def level_note(measurements: Measurements) -> str:
    """The constant that is expected, and how much the estimates vary with θ."""
    spread = estimates(measurements, "js", APART).to_numpy().std(axis=1, ddof=1).mean()
    return (
        f"log 2 is .6931. Mean over seeds of the standard deviation over theta: {spread:.2g}. "
        f"{distances_note(measurements, 'js', APART)}"
    )


LINE_RULES = (
    Rule(
        "W by transport",
        "slope of exact W1 against |theta|, by seed",
        partial(slopes, arm="transport"),
        note=partial(distances_note, arm="transport"),
        above=0.9,
        below=1.1,
    ),
    Rule(
        "W by a critic",
        "slope of the WGAN-GP estimate against |theta|, by seed",
        partial(slopes, arm="critic"),
        note=partial(distances_note, arm="critic"),
        above=0.8,
        below=1.2,
    ),
    Rule(
        "JS is large",
        "mean JS estimate where |theta| >= .1, in nats, by seed",
        lambda measurements: estimates(measurements, "js", APART).mean(axis=1, skipna=False),
        note=level_note,
        above=0.66,
    ),
    Rule(
        "JS is flat",
        "size of the slope of the JS estimate where |theta| >= .1, by seed",
        lambda measurements: [abs(slope) for slope in row_slopes(estimates(measurements, "js", APART))],
        below=0.05,
    ),
)


# -- critic strength ---------------------------------------------------------------------------------------------------

WEAK, STRONG = 1, 10  # critic updates per generator step
NEAR = 0.1  # |θ| below which the generator has learnt
SHARE = 0.8


def harm(measurements: Measurements, optimizer: str) -> pd.Series[Any]:
    """By how much more |θ| grows with the critic's updates for gan than for wgan, by seed."""
    gan, wgan = (
        difference(measurements, "final", arm(name, optimizer, STRONG), arm(name, optimizer, WEAK))
        for name in ("gan", "wgan")
    )
    return gan - wgan


def finals_note(measurements: Measurements, optimizer: str) -> str:
    """Medians of all arms under one optimizer."""
    finals = select(measurements, "final")
    chosen = finals[finals["arm"].str.contains(f", {optimizer}, ", regex=False)]
    medians = chosen.groupby("arm", sort=False)["value"].median()
    return "Median final |θ|: " + "; ".join(f"{name} {value:.3g}" for name, value in medians.items())


DILEMMA_RULES = tuple(
    Rule(
        f"dilemma, generator by {name}",
        "final |θ| from θ₀ = 1: [gan at n_critic 10 − at 1] − [wgan at 10 − at 1], by seed",
        partial(harm, optimizer=name),
        note=partial(finals_note, optimizer=name),
        above=0.3,
    )
    for name in OPTIMIZERS
)


def tails(measurements: Measurements, optimizer: str, start: float) -> pd.Series[Any]:
    """|θ| of nsgan with one critic update a step, averaged over the last steps, by seed."""
    return values(measurements, "tail", arm("nsgan", optimizer, WEAK), start)


def learnt(measurements: Measurements, optimizer: str, start: float) -> pd.Series[Any]:
    """Which seeds end near the real line."""
    return tails(measurements, optimizer, start) < NEAR


def learnt_note(measurements: Measurements, optimizer: str, start: float) -> str:
    """How many seeds have learnt, and how far off the worst is."""
    thetas = tails(measurements, optimizer, start)
    return f"{(thetas < NEAR).sum()} of {len(thetas)} seeds; largest mean |θ| {thetas.max():.3g}"


LEARNING_RULES = tuple(
    Rule(
        f"learns from {start:g}, generator by {name}",
        f"share of seeds whose mean |θ| over the last 50 steps is below .1, θ₀ = {start:g}, nsgan, n_critic 1",
        partial(learnt, optimizer=name, start=start),
        by_proportion,
        partial(learnt_note, optimizer=name, start=start),
        above=SHARE,
        least_seeds=20,
    )
    for name in OPTIMIZERS
    for start in STARTS
)

SET_UP = (
    "Parallel lines: real points (0, y), generated points (θ, Φ(z)), y uniform on [0, 1], z standard normal; the "
    "generator is the one number θ, the critic the MLP of two hidden layers of 128. Batch 128, 150 generator steps. "
    "Generator by SGD 0.1 or Adam 0.03 (.5, .999); critic by Adam 1e-3 (.5, .999) for gan and nsgan, RMSprop 1e-3 and "
    "clip .05 for wgan, Adam 1e-3 (0, .9) for wgan-gp"
)


# -- claims ------------------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        number=4,
        id="parallel-lines-js-flat-w-linear",
        sentence="Between parallel lines at a distance |theta| > 0 the Jensen-Shannon divergence is log 2 whatever "
        "the distance, and the Wasserstein distance is |theta|.",
        source="Arjovsky, Chintala & Bottou (2017), example 1 and figure 1",
        protocol="Real points (0, y), generated points (theta, y), y uniform on [0, 1]; theta at 0, .1, .25, .5, .75 "
        "and 1 to both sides, 6 seeds (full: 21 values from -1 to 1, 10 seeds; the quick sizes were cut for their "
        "cost, before any run was judged). At each theta: exact optimal transport of 2,000 samples of either line; "
        "the WGAN-GP estimate, weight 10, Adam 1e-3 with betas 0 and .9, 300 critic steps (full: 1,500); the JS "
        "estimate L/2 + log 2 of gan, Adam 1e-3, 400 critic steps (full: 2,000). Critics are MLPs of two hidden "
        "layers of 128, batch 128 of fresh samples, read on 2,000 held-out samples of either line. Slopes by least "
        "squares against |theta|.",
        rules=LINE_RULES,
        caveat="KL is infinite and has no estimate. A critic that is trained too little gives a smooth JS estimate "
        "that falls towards theta = 0, which is why standard GANs can learn here all the same (claim 19).",
        experiments=(LINE_ESTIMATES,),
    ),
    Claim(
        number=18,
        id="d-strength-dilemma",
        sentence="More critic updates per generator step hurt the minimax GAN and help WGAN.",
        source="Arjovsky & Bottou (2017), section 2; Arjovsky, Chintala & Bottou (2017), sections 3 and 4.3",
        protocol=f"{SET_UP}. θ₀ = 1, n_critic 1 and 10; gan, nsgan and wgan; 10 seeds (full: 1, 5, 10 and 20; also "
        "wgan-gp; 20 seeds). nsgan and wgan-gp are measured and not judged. The same game on ring64 is left out: the "
        "threshold is in units of θ₀ and has no counterpart there.",
        rules=DILEMMA_RULES,
        caveat="With one critic update a step the minimax GAN learns as well (Fedus et al. 2018): it is the critic's "
        "lead that stops it, not the divergence. One parameter and one geometry.",
        experiments=(SCALAR_GENERATOR,),
    ),
    Claim(
        number=19,
        id="ns-gan-learns-disjoint",
        sentence="A non-saturating GAN learns although the Jensen-Shannon divergence is saturated all the way.",
        source="Fedus et al. (2018), Many paths to equilibrium: a counter-claim to Arjovsky & Bottou (2017)",
        protocol=f"{SET_UP}. nsgan with n_critic 1, θ₀ of .5, 1 and 2, 20 seeds; a seed has learnt if |θ|, averaged "
        "over the last 50 steps, is below .1; Wilson's interval of the share.",
        rules=LEARNING_RULES,
        caveat="It contradicts 'no gradient, hence no learning' as a general statement, not the theorem: the critic "
        "here is far from optimal, and with ten updates a step (claim 18) the same game can oscillate.",
        experiments=(SCALAR_GENERATOR,),
    ),
)
