"""Claim 21: momentum on a clipped critic makes training unstable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.learning_curves import MOMENTUM_CURVE, RING_WGAN

STEADY, MOMENTUM = "ring/wgan", "ring/wgan-momentum"
IGNORED = 2  # checkpoints at the start, where every critic's estimate rises because the critic begins to learn
RISE = 0.3

UNSTABLE = Rule(
    "more rises",
    "rises of the W estimate by 30 % in a run, Adam with beta1 .9 minus RMSprop by seed",
    above=0,
    least_seeds=6,
)
WORSE = Rule(
    "worse samples",
    "natural logarithm of the ratio of final sliced W1, Adam with beta1 .9 over RMSprop by seed (log 1.2 = .182)",
    above=math.log(1.2),
    least_seeds=6,
)
UPHILL = Rule(
    "uphill steps when it rises",
    "correlation over a run between the share of critic steps with a negative cosine to the negative gradient and "
    "rises",
    above=0,
    least_seeds=6,
)


def rises(estimates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """At which checkpoints an estimate has risen by 30 % of the lowest value since the last such rise: (checkpoints,).

    A rise by 69 % therefore counts twice. NaN never counts.
    """
    lowest, found = math.inf, np.zeros(len(estimates), dtype=bool)
    for i, estimate in enumerate(estimates):
        if estimate > lowest + RISE * abs(lowest):
            found[i], lowest = True, estimate
        lowest = min(lowest, estimate)
    return found


def course(measurements: Measurements, quantity: str, arm: str) -> pd.DataFrame:
    """A quantity at the checkpoints both arms have, without the first two: one row a seed, one column a checkpoint."""
    chosen = measurements[measurements["quantity"] == quantity]
    wide = chosen[(chosen["arm"] == arm) & (chosen["at"] <= end(measurements))]
    return wide.pivot(index="seed", columns="at", values="value").sort_index(axis=1).iloc[:, IGNORED:]


def end(measurements: Measurements) -> float:
    """The last step of the run with momentum; the other went on for another claim."""
    return float(measurements.loc[measurements["arm"] == MOMENTUM, "at"].max())


def counted(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """Number of rises by seed; NaN where an estimate is not finite."""
    table = course(measurements, "estimate", arm)
    return table.apply(lambda run: float(rises(run.to_numpy()).sum()) if np.isfinite(run).all() else math.nan, axis=1)


def association(negative: NDArray[np.float64], risen: NDArray[np.bool_]) -> float:
    """Pearson's correlation over the checkpoints of a run.

    0 where the share of negative cosines never changes, for then it has no part in any rise; NaN where nothing rises.
    """
    if risen.all() or not risen.any():
        return math.nan
    return float(np.corrcoef(negative, risen)[0, 1]) if np.ptp(negative) > 0 else 0.0


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    return [_more_rises(measurements), _worse_samples(measurements), _uphill(measurements)]


def _more_rises(measurements: Measurements) -> Finding:
    momentum, steady = (counted(measurements, arm) for arm in (MOMENTUM, STEADY))
    told = f"Means: {momentum.mean():.1f} rises with momentum, {steady.mean():.1f} without"
    return UNSTABLE.judge(paired(momentum, steady), told)


def _worse_samples(measurements: Measurements) -> Finding:
    momentum, steady = (values(measurements, "sliced_w1", arm, end(measurements)) for arm in (MOMENTUM, STEADY))
    told = f"Medians: sliced W1 {momentum.median():.3g} with momentum, {steady.median():.3g} without"
    return WORSE.judge(paired(np.log(momentum), np.log(steady)), told)


def _uphill(measurements: Measurements) -> Finding:
    estimates, negative = (course(measurements, quantity, MOMENTUM) for quantity in ("estimate", "negative"))
    found = [association(negative.loc[s].to_numpy(), rises(estimates.loc[s].to_numpy())) for s in estimates.index]
    mean = course(measurements, "cosine", MOMENTUM).to_numpy().mean()
    told = f"Mean share of negative cosines {negative.to_numpy().mean():.2g}, mean cosine {mean:.2f}"
    return UPHILL.judge_correlations(found, told)


def paired(momentum: pd.Series[Any], steady: pd.Series[Any]) -> list[float]:
    """Differences by seed, for the seeds that both arms have."""
    both = momentum.index.intersection(steady.index)
    return list((momentum.loc[both] - steady.loc[both]).astype(float))


CLAIMS = (
    Claim(
        number=21,
        id="momentum-destabilises-clipped-wgan",
        sentence="A momentum-based optimizer on the clipped critic makes training unstable, and the cosine between "
        "its steps and the gradient turns negative when that happens; RMSprop stays stable.",
        source="Arjovsky, Chintala & Bottou (2017), section 4.2",
        protocol="ring (8 modes, sigma .02), MLP of two hidden layers of 128, batch 128, wgan with clip .05 and five "
        "critic updates a step, 1,500 generator steps, 6 seeds (full: 2,000; 10). Critic: RMSprop 5e-4 against Adam "
        "5e-4 with betas .9 and .999; generator: RMSprop 5e-4 in both arms. W estimate: on samples the critic has not "
        "seen, median of 101 steps, at a checkpoint every 30 steps (full: 50), without the first two. A rise: 30 % "
        "above the lowest value since the last rise. Cosine: between every critic step, before clipping, and the "
        "negative gradient of its batch; the share of negative ones since the last checkpoint is set against the "
        "rises at the checkpoints. Where it never changes though the estimate rises, the correlation is 0 (settled "
        "after a first trial on other seeds, in which no cosine was negative). Sliced W1: 2,500 samples, 100 "
        "directions. The second rate of the paper's remark on high learning rates is left out.",
        rules=(UNSTABLE, WORSE, UPHILL),
        caveat="The paper says 'at times', and it is no theorem. WGAN-GP uses Adam, with beta1 0 in its paper and .5 "
        "in its code.",
        experiments=(RING_WGAN, MOMENTUM_CURVE),
        decide=decide,
    ),
)
