"""Estimates of the critic against the quality of samples."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.claims.claim import Claim, Rule, by_correlation
from ganbench.claims.effects import table
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.learning_curves import GRID_WGAN, JENSEN_SHANNON, MOMENTUM_CURVE, PENALTY, RING_NSGAN, RING_WGAN

# -- estimates ---------------------------------------------------------------------------------------------------------

IGNORED = 2  # checkpoints at the start

WASSERSTEIN_ARMS = ("ring/wgan", "ring/wgan-gp", "grid/wgan", "grid/wgan-gp")
DATASETS, RATIOS = ("ring", "ring64"), {"1:1": "nsgan", "5:1": "nsgan-5"}


def course(measurements: Measurements, quantity: str, arm: str, last: float) -> pd.DataFrame:
    """A quantity at the checkpoints up to ``last``, without the first two: one row a seed, one column a checkpoint."""
    return table(measurements[measurements["at"] <= last], quantity, arm).iloc[:, IGNORED:]


def common_end(measurements: Measurements) -> float:
    """The last checkpoint of the shortest curve: what goes on beyond it was run for another claim."""
    curves = measurements[measurements["quantity"] == "estimate"]
    return float(curves.groupby("arm")["at"].max().min())


def both_courses(measurements: Measurements, arm: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate and sliced W1 of an arm up to the common end."""
    last = common_end(measurements)
    return course(measurements, "estimate", arm, last), course(measurements, "sliced_w1", arm, last)


def tracking(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """Spearman's correlation of estimate and sliced W1 over the checkpoints of each run, by seed."""
    estimates, distances = both_courses(measurements, arm)
    return pd.Series(
        {s: rank_correlation(estimates.loc[s].to_numpy(), distances.loc[s].to_numpy()) for s in estimates.index}
    )


def rank_correlation(estimates: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Spearman's correlation; NaN where a value is not finite, 0 where one side never moves and so says nothing."""
    if not (np.isfinite(estimates).all() and np.isfinite(distances).all()):
        return math.nan
    if np.ptp(estimates) == 0 or np.ptp(distances) == 0:
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(estimates, distances).statistic)


def lead(measurements: Measurements, dataset: str, rival: str) -> list[float]:
    """By how much the W estimate tracks better than the JS estimate, by seed, for the seeds that both arms have."""
    return paired(tracking(measurements, f"{dataset}/wgan"), tracking(measurements, f"{dataset}/{rival}"))


def paired(first: pd.Series[Any], second: pd.Series[Any]) -> list[float]:
    """Differences by seed, for the seeds that both arms have."""
    both = first.index.intersection(second.index)
    return list((first.loc[both] - second.loc[both]).astype(float))


def trend_note(measurements: Measurements, arm: str) -> str:
    """The trend, and the correlation that is left without it."""
    courses = both_courses(measurements, arm)
    steps = [np.diff(wide.to_numpy(), axis=1) for wide in courses]
    without = np.nanmean([rank_correlation(a, b) for a, b in zip(*steps, strict=True)])
    floor = measurements[(measurements["quantity"] == "floor") & (measurements["arm"] == arm)]["value"].iloc[0]
    ends = [f"{wide.iloc[:, i].median():.3g}" for wide in courses for i in (0, -1)]
    return (
        f"Median estimate {ends[0]} to {ends[1]}, sliced W1 {ends[2]} to {ends[3]} (real samples: {floor:.2g}); "
        f"mean correlation of the changes from checkpoint to checkpoint {without:.2f}"
    )


WASSERSTEIN_RULES = tuple(
    Rule(
        f"{arm} tracks",
        "Spearman correlation of W estimate and sliced W1 in a run",
        partial(tracking, arm=arm),
        by_correlation,
        partial(trend_note, arm=arm),
        above=0.6,
    )
    for arm in WASSERSTEIN_ARMS
)


def classifier_rules(dataset: str, ratio: str) -> tuple[Rule, Rule]:
    """How much worse than the W estimate a classifier's tracks, and how well by itself."""
    return (
        Rule(
            f"{dataset} {ratio}: behind W",
            "correlation with sliced W1, that of the W estimate minus that of the JS estimate, by seed",
            partial(lead, dataset=dataset, rival=RATIOS[ratio]),
            above=0.3,
        ),
        Rule(
            f"{dataset} {ratio}: poor",
            "Spearman correlation of JS estimate and sliced W1 in a run",
            partial(tracking, arm=f"{dataset}/{RATIOS[ratio]}"),
            by_correlation,
            partial(trend_note, arm=f"{dataset}/{RATIOS[ratio]}"),
            below=0.5,
        ),
    )


PROTOCOL = (
    "MLP of two hidden layers of 128, batch 128, {seeds}, 1,200 generator steps (full: 2,000; 10 seeds). ring: 8 "
    "modes, sigma .02; {more}. wgan: five critic updates a step, clip .05, RMSprop 5e-4 for both players (the "
    "published 5e-5 hardly moves a generator in so many steps); {arms}. Forty checkpoints, of which the first two are "
    "left out. Estimate: on samples the critic has not seen, median of the 101 steps around the checkpoint. Quality: "
    "sliced W1, 2,500 samples, 100 directions. A correlation is 0 where an estimate never moves. The mean over seeds "
    "is taken after Fisher's z."
)


# -- critic momentum ---------------------------------------------------------------------------------------------------

STEADY, MOMENTUM = "ring/wgan", "ring/wgan-momentum"
RISE = 0.3


def rises(estimates: NDArray[np.float64]) -> NDArray[np.bool_]:
    """At which checkpoints an estimate has risen by 30 % of the lowest value since the last such rise: (checkpoints,).

    A rise by 69 % therefore counts twice. NaN never counts.
    """
    lowest, risen = math.inf, np.zeros(len(estimates), dtype=bool)
    for i, estimate in enumerate(estimates):
        if estimate > lowest + RISE * abs(lowest):
            risen[i], lowest = True, estimate
        lowest = min(lowest, estimate)
    return risen


def momentum_end(measurements: Measurements) -> float:
    """The last step of the run with momentum; the other went on for another claim."""
    return float(measurements.loc[measurements["arm"] == MOMENTUM, "at"].max())


def momentum_course(measurements: Measurements, quantity: str, arm: str = MOMENTUM) -> pd.DataFrame:
    """A quantity at the checkpoints both arms have, without the first two: one row a seed, one column a checkpoint."""
    return course(measurements, quantity, arm, momentum_end(measurements))


def counted(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """Number of rises by seed; NaN where an estimate is not finite."""
    estimates = momentum_course(measurements, "estimate", arm)
    return estimates.apply(lambda e: float(rises(e.to_numpy()).sum()) if np.isfinite(e).all() else math.nan, axis=1)


def final_distance(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """Sliced W1 at the end of the run with momentum, by seed."""
    return values(measurements, "sliced_w1", arm, momentum_end(measurements))


def association(negative: NDArray[np.float64], risen: NDArray[np.bool_]) -> float:
    """Pearson's correlation over the checkpoints of a run.

    0 where the share of negative cosines never changes, for then it has no part in any rise; NaN where nothing rises.
    """
    if risen.all() or not risen.any():
        return math.nan
    return float(np.corrcoef(negative, risen)[0, 1]) if np.ptp(negative) > 0 else 0.0


def associations(measurements: Measurements) -> list[float]:
    """Of the share of negative cosines and the rises, by seed."""
    estimates, negative = (momentum_course(measurements, quantity) for quantity in ("estimate", "negative"))
    return [association(negative.loc[s].to_numpy(), rises(estimates.loc[s].to_numpy())) for s in estimates.index]


def rises_note(measurements: Measurements) -> str:
    """Mean numbers of rises."""
    momentum, steady = (counted(measurements, arm).mean() for arm in (MOMENTUM, STEADY))
    return f"Means: {momentum:.1f} rises with momentum, {steady:.1f} without"


def distances_note(measurements: Measurements) -> str:
    """Median distances."""
    momentum, steady = (final_distance(measurements, arm).median() for arm in (MOMENTUM, STEADY))
    return f"Medians: sliced W1 {momentum:.3g} with momentum, {steady:.3g} without"


def cosines_note(measurements: Measurements) -> str:
    """How often steps go uphill, and the mean cosine."""
    negative, cosine = (momentum_course(measurements, q).to_numpy().mean() for q in ("negative", "cosine"))
    return f"Mean share of negative cosines {negative:.2g}, mean cosine {cosine:.2f}"


MOMENTUM_RULES = (
    Rule(
        "more rises",
        "rises of the W estimate by 30 % in a run, Adam with beta1 .9 minus RMSprop by seed",
        lambda measurements: paired(*(counted(measurements, arm) for arm in (MOMENTUM, STEADY))),
        note=rises_note,
        above=0,
    ),
    Rule(
        "worse samples",
        "natural logarithm of the ratio of final sliced W1, Adam with beta1 .9 over RMSprop by seed (log 1.2 = .182)",
        lambda measurements: paired(*(np.log(final_distance(measurements, arm)) for arm in (MOMENTUM, STEADY))),
        note=distances_note,
        above=math.log(1.2),
    ),
    Rule(
        "uphill steps when it rises",
        "correlation over a run between the share of critic steps with a negative cosine to the negative gradient and "
        "rises",
        associations,
        by_correlation,
        cosines_note,
        above=0,
    ),
)


# -- claims ------------------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        number=15,
        id="w-estimate-tracks-quality",
        sentence="The estimate of a Wasserstein critic falls as the samples get better, and correlates with quality.",
        source="Arjovsky, Chintala & Bottou (2017), figure 3; Gulrajani et al. (2017), figure 5a",
        protocol=PROTOCOL.format(
            seeds="6 seeds (wgan on ring: 10)",
            more="grid: 25 modes, sigma .05",
            arms="wgan-gp: its defaults (weight 10, Adam 1e-4 with betas 0 and .9)",
        )
        + " No warm-up of the critic beyond the two checkpoints; the paper's arm that fails is left out.",
        rules=WASSERSTEIN_RULES,
        caveat="A trend over time alone gives a high correlation: see the correlation of the changes in the notes. "
        "The scale of an estimate depends on its critic, so runs of different critics do not compare. The authors "
        "themselves do not call it a quantitative method of evaluation.",
        experiments=(RING_WGAN, GRID_WGAN, PENALTY),
    ),
    Claim(
        number=16,
        id="js-estimate-does-not-track",
        sentence="The Jensen-Shannon estimate of a standard GAN's critic correlates poorly with quality, and often "
        "rises or stays near log 2.",
        source="Arjovsky, Chintala & Bottou (2017), figure 4",
        protocol=PROTOCOL.format(
            seeds="6 seeds (wgan and nsgan 1:1 on ring: 10 and 20)",
            more="ring64: the ring with sigma .05 on a curved surface in 64 dimensions, latent of 8",
            arms="nsgan: Adam 2e-4 with betas .5 and .999, one critic update a step (1:1) or five (5:1)",
        )
        + " Each dataset is judged by rules of its own, and the expectation was written down before the runs: poor on "
        "ring64, where the supports have no volume in common, and not on ring, where they overlap and the estimate "
        "can track.",
        rules=tuple(rule for dataset in DATASETS for ratio in RATIOS for rule in classifier_rules(dataset, ratio)),
        caveat="The estimate is a lower bound that depends on how well the critic is trained. In the plane generated "
        "and real samples overlap, and the paper's argument does not apply.",
        experiments=(RING_WGAN, RING_NSGAN, JENSEN_SHANNON),
    ),
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
        rules=MOMENTUM_RULES,
        caveat="The paper says 'at times', and it is no theorem. WGAN-GP uses Adam, with beta1 0 in its paper and .5 "
        "in its code.",
        experiments=(RING_WGAN, MOMENTUM_CURVE),
    ),
)
