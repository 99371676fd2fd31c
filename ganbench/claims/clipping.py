"""Clipping of the critic's weights: the constant, and gradients by depth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.claims.claim import INCONCLUSIVE, Claim, Rule, RuleResult, by_interval, by_mean, by_value
from ganbench.claims.deep_critics import ARMS, EXPERIMENT
from ganbench.claims.effects import medians, row_slopes, table
from ganbench.claims.experiment import Experiment, Measurements, Profile, row, values
from ganbench.claims.lab import cohort, measure_reference, measure_samples, objective, population, sliced_w1, training
from ganbench.datasets.synthetic import Ring
from ganbench.engine.cohort import Cohort
from ganbench.engine.readings import READINGS
from ganbench.interfaces.objective import Optimizer
from ganbench.networks.mlp import Mlp

# -- clip sweep --------------------------------------------------------------------------------------------------------

CONSTANTS = {"0.001": 0.001, "0.003": 0.003, "0.01": 0.01, "0.03": 0.03, "0.1": 0.1, "0.3": 0.3, "1": 1.0}
ONLY_FULL = ("0.003", "0.3")
OPTIMIZER = Optimizer("rmsprop", lr=5e-4)
AT_THE_BOUND = 0.95  # of the constant
MOST = 0.9  # of the weights
LAST = 100  # generator steps whose gradients are averaged


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one constant; none under the quick profile where that leaves it out."""
    if part in ONLY_FULL and profile.name == "quick":
        return []
    seeds = profile.replications(profile.pick(6, 10))
    return list(measure(CONSTANTS[part], seeds, profile.pick(600, 1500), depth=3))


def measure(c: float, seeds: Sequence[int], steps: int, depth: int) -> Iterator[dict[str, Any]]:
    """Train one cohort.

    Quantities, with the constant as ``at``: ``boundary``, the first generator step after which 90 % of the critic's
    weights are at the bound, infinite where that never comes; ``share``, how many are there at the end;
    ``log_gradient``, the mean of log10 of the generator's gradient norm over the last steps; ``sliced_w1`` at the end.
    """
    samples = population(Ring())
    clipped = objective("wgan", clip=c, optimizer=OPTIMIZER)
    trained = cohort(samples, Mlp(depth=depth), clipped, seeds, steps)
    shares, norms = [], []
    for chunk in training(trained, range(1, steps + 1)):
        shares.append(at_the_bound(trained, c))
        norms.append(chunk.readings[:, :, READINGS.index("generator_grad_norm")])
    there = torch.stack(shares).cpu().numpy()  # (steps, seeds)
    with np.errstate(divide="ignore"):  # a gradient of exactly zero is a result: minus infinity
        gradients = np.log10(np.concatenate(norms)[-LAST:]).mean(axis=0)
    real = measure_reference(samples)
    distances = [sliced_w1(fake, real, diverged=math.inf) for fake in measure_samples(trained)]  # nothing can be worse
    for k, seed in enumerate(seeds):
        yield row("boundary", first_step(there[:, k] >= MOST), seed=seed, at=c)
        yield row("share", there[-1, k], seed=seed, at=c)
        yield row("log_gradient", gradients[k], seed=seed, at=c)
        yield row("sliced_w1", distances[k], seed=seed, at=c)


def at_the_bound(trained: Cohort, c: float) -> Tensor:
    """The share of each critic's weights and biases beyond 95 % of the constant: (seeds,)."""
    weights = torch.cat([w.flatten(1) for w in trained.critic.weights.values()], dim=1)
    return (weights.abs() > AT_THE_BOUND * c).double().mean(dim=1)[: len(trained.seeds)]


def first_step(reached: NDArray[np.bool_]) -> float:
    """The first step, counted from 1, at which a condition holds; infinite where it never does."""
    steps = np.flatnonzero(reached)
    return float(steps[0] + 1) if len(steps) else math.inf


SWEEP = Experiment("clip-sweep", tuple(CONSTANTS), run, 0.7)


# -- clip constant -----------------------------------------------------------------------------------------------------

SMALL, LARGE = 0.001, 0.1  # the constants whose gradients are compared

ORDERS = (0, -1, 1)  # of the runs that never got there; see ``correlation``


def correlation(times: pd.Series[Any], late: int) -> float:
    """Spearman's correlation of the constants and the times at which one seed's runs got there.

    Args:
        times: by constant; infinite where a run never got there.
        late: runs that never got there tie (0), or would have got there the later the larger the constant (1), or the
            smaller (-1).
    """
    constants = pd.Series(times.index, index=times.index)
    ranks = times.rank() + np.isinf(times) * late * constants / (2 * constants.max() * len(times))
    return float(ranks.corr(constants, method="spearman")) if ranks.nunique() > 1 else 0.0


def by_every_order(rule: Rule, steps: pd.DataFrame, note: str) -> RuleResult:
    """A verdict stands only if it does in whatever order the runs that never got there would have got there."""
    result, least, most = (
        by_mean(rule, [correlation(steps.loc[seed], late) for seed in steps.index], note) for late in ORDERS
    )
    if least.verdict == most.verdict:
        return result
    never, ends = int(np.isinf(steps.to_numpy()).sum()), f"[{least.effect:.2f}, {most.effect:.2f}]"
    why = f"{never} of {steps.size} runs never got there: the correlation lies in {ends}"
    return replace(result, verdict=INCONCLUSIVE, note=f"{why}. {result.note}")


def boundary_note(measurements: Measurements) -> str:
    """When the runs got there, and how many weights were at the bound at the end."""
    steps = table(measurements, "boundary").median().items()
    times = ", ".join(f"{c:g}: {'never' if math.isinf(step) else f'step {step:g}'}" for c, step in steps)
    return f"Medians by constant: {times}; share at the end: {medians(table(measurements, 'share'))}"


def starved(measurements: Measurements) -> pd.Series[Any]:
    """Final log gradient of the smaller constant minus that of the larger one, by seed."""
    small, large = (values(measurements, "log_gradient", at=c) for c in (SMALL, LARGE))
    return small - large


def distances(measurements: Measurements) -> pd.DataFrame:
    """Final sliced W1; infinite where it is NaN: one row a seed, one column a constant."""
    return table(measurements, "sliced_w1").fillna(math.inf)


def best_inside(measurements: Measurements) -> pd.Series[Any]:
    """Whether a seed's best constant is neither the smallest nor the largest."""
    by_constant = distances(measurements)
    ends = (min(by_constant.columns), max(by_constant.columns))
    return ~by_constant.idxmin(axis=1).astype(float).isin(ends)


def by_share(rule: Rule, outcomes: pd.Series[Any], note: str) -> RuleResult:
    """Decided by the share of seeds itself, as the rule asks for it and not for its interval."""
    from ganbench.analysis.statistics import proportion_interval

    inside, n = int(outcomes.sum()), len(outcomes)
    result = by_interval(rule, proportion_interval(inside, n), note)
    return result if n < rule.least_seeds else replace(result, verdict=by_value(rule, inside / n).verdict)


CONSTANT_RULES = (
    Rule(
        "large constants are slow",
        "Spearman correlation of the constant and the steps until 90 % of the weights are at the bound, by seed",
        partial(table, quantity="boundary"),
        by_every_order,
        boundary_note,
        above=0.8,
    ),
    Rule(
        "small constants starve",
        "log10 of the generator's gradient norm at the end, c = .001 minus c = .1, by seed",
        starved,
        note=lambda measurements: f"Medians by constant: {medians(table(measurements, 'log_gradient'))}",
        below=-2,
    ),
    Rule(
        "the best lies between",
        "share of seeds whose best final sliced W1 has neither the smallest nor the largest constant; at least .8 "
        "wanted",
        best_inside,
        by_share,
        lambda measurements: f"Median sliced W1 by constant: {medians(distances(measurements))}",
        above=0.7999,
    ),
)


# -- depth gradients ---------------------------------------------------------------------------------------------------

SLOPE = "slope of log10 of the layers' gradient norms over the number of the layer, by seed"
WIDE, NARROW = ARMS["clip-0.1-wide-1"].label, ARMS["clip-0.1"].label  # the narrow one is measured, not judged
PENALTY = ARMS["gp"].label


def slopes(measurements: Measurements, arm: str) -> list[float]:
    """Slope a layer of each seed's gradient norms, by least squares; NaN where a layer has none that is finite."""
    return row_slopes(table(measurements, arm=arm))


def sign_note(measurements: Measurements, arm: str) -> str:
    """What the sign of a slope means."""
    return f"{arm}: + means vanishing towards the input"


def wide_note(measurements: Measurements) -> str:
    """The same, and the slopes of the narrow critic."""
    narrow = slopes(measurements, NARROW)
    ends = f"from {min(narrow):.3g} to {max(narrow):.3g}"
    return f"{sign_note(measurements, WIDE)}; {NARROW}: mean {np.mean(narrow):.3g}, {ends}"


DEPTH_RULES = (
    Rule("clip .1 explodes", SLOPE, partial(slopes, arm=WIDE), note=wide_note, below=-0.1),
    *(
        Rule(f"clip {c} vanishes", SLOPE, partial(slopes, arm=arm), note=partial(sign_note, arm=arm), above=0.1)
        for c, arm in ((".01", ARMS["clip-0.01"].label), (".001", ARMS["clip-0.001"].label))
    ),
    Rule(
        "penalty is flat",
        f"absolute {SLOPE}",
        lambda measurements: np.abs(slopes(measurements, PENALTY)),
        note=partial(sign_note, arm=PENALTY),
        below=0.1,
    ),
)


# -- claims ------------------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        number=22,
        id="clip-constant-trade-off",
        sentence="With a large clipping constant the critic's weights take long to reach their bound; with a small "
        "one the gradients vanish.",
        source="Arjovsky, Chintala & Bottou (2017), section 3",
        protocol="ring (8 modes, sigma .02), wgan with clip .001, .01, .03, .1 and 1, MLP of three hidden layers of "
        "128, batch 128, five critic updates a step, RMSprop 5e-4 for both players, 600 generator steps, 6 seeds "
        "(full: 1,500; 10; also .003 and .3). At the bound: at least 90 % of the critic's weights and biases beyond "
        ".95 of the constant, looked at after every generator step. Runs that never get there tie; as a first trial "
        "on other seeds showed that many do not, the rule is decided only where every order among them would give the "
        "same verdict. Gradient: norm over all generator parameters, mean of log10 over the last 100 steps. Sliced "
        "W1: 2,500 samples, 100 directions. Deeper networks are left out for their cost.",
        rules=CONSTANT_RULES,
        caveat="Initial weights go up to .088 in a hidden layer of 128, so the first clipping itself puts nearly all "
        "of them at a bound far below that. The critic's Lipschitz constant grows like the clipping constant to the "
        "power of the layers, so gradients and estimates of different constants do not share a scale.",
        experiments=(SWEEP,),
    ),
    Claim(
        number=23,
        id="clip-depth-gradients",
        sentence="In a deep critic that is clipped, gradients explode or vanish exponentially with depth, as the bound "
        "has it; with a gradient penalty they keep their size.",
        source="Gulrajani et al. (2017), section 3.2 and figure 1b, left",
        protocol="swissroll (noise .25, divided by 7.5); generator and critic of twelve hidden ReLU layers, latent 2; "
        "batch 64, 40 generator steps of five critic updates, so 200 of these (full: 200 steps), 8 seeds (full: 10). "
        "wgan with RMSprop 5e-4, clip .1 at width 512, and .1, .01, .001 at width 128; wgan-gp as in the paper "
        "(weight 10, Adam 1e-4, betas 0 and .9) at width 128. After the last step: norm of the gradient of "
        "E f(fake) − E f(real) by the activations of each hidden layer, at 256 real and 256 generated points, in "
        "float64; slope of its log10 over the layer's number by least squares. A slope below zero explodes towards "
        "the input. Training is in float64, at width 512 in float32 for its cost: growing gradients do not underflow.",
        rules=DEPTH_RULES,
        caveat="The clipped critics' rate is ten times the released code's, for a fraction of its steps. What a bound "
        "does depends on the width, and on how far training has aligned the layers. Where gradients vanish, RMSprop's "
        "constant of 1e-8 ends all learning, so that those critics are little more than clipped initial weights.",
        experiments=(EXPERIMENT,),
    ),
)
