"""Estimates of the critic against the quality of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.claims.claim import Claim, Rule, RuleResult
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.learning_curves import GRID_WGAN, JENSEN_SHANNON, MOMENTUM_CURVE, PENALTY, RING_NSGAN, RING_WGAN

# -- estimates ---------------------------------------------------------------------------------------------------------

IGNORED = 2  # checkpoints at the start
LEAST = 6  # seeds

WASSERSTEIN_ARMS = ("ring/wgan", "ring/wgan-gp", "grid/wgan", "grid/wgan-gp")
DATASETS, RATIOS = ("ring", "ring64"), {"1:1": "nsgan", "5:1": "nsgan-5"}

TRACKS = tuple(
    Rule(f"{arm} tracks", "Spearman correlation of W estimate and sliced W1 in a run", above=0.6, least_seeds=LEAST)
    for arm in WASSERSTEIN_ARMS
)
GAPS = {
    (dataset, ratio): Rule(
        f"{dataset} {ratio}: behind W",
        "correlation with sliced W1, that of the W estimate minus that of the JS estimate, by seed",
        above=0.3,
        least_seeds=LEAST,
    )
    for dataset in DATASETS
    for ratio in RATIOS
}
POOR = {
    (dataset, ratio): Rule(
        f"{dataset} {ratio}: poor",
        "Spearman correlation of JS estimate and sliced W1 in a run",
        below=0.5,
        least_seeds=LEAST,
    )
    for dataset in DATASETS
    for ratio in RATIOS
}


def course(measurements: Measurements, quantity: str, arm: str, last: float) -> pd.DataFrame:
    """A quantity at the checkpoints up to ``last``, without the first two: one row a seed, one column a checkpoint."""
    chosen = measurements[(measurements["quantity"] == quantity) & (measurements["arm"] == arm)]
    wide = chosen[chosen["at"] <= last].pivot(index="seed", columns="at", values="value")
    return wide.sort_index(axis=1).iloc[:, IGNORED:]


def common_end(measurements: Measurements) -> float:
    """The last checkpoint of the shortest curve: what goes on beyond it was run for another claim."""
    curves = measurements[measurements["quantity"] == "estimate"]
    return float(curves.groupby("arm")["at"].max().min())


def tracking(measurements: Measurements, arm: str, last: float) -> pd.Series[Any]:
    """Spearman's correlation of estimate and sliced W1 over the checkpoints of each run, by seed."""
    said, true = (course(measurements, quantity, arm, last) for quantity in ("estimate", "sliced_w1"))
    return pd.Series(
        {seed: rank_correlation(said.loc[seed].to_numpy(), true.loc[seed].to_numpy()) for seed in said.index}
    )


def rank_correlation(said: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Spearman's correlation; NaN where a value is not finite, 0 where one side never moves and so says nothing."""
    if not (np.isfinite(said).all() and np.isfinite(true).all()):
        return math.nan
    if np.ptp(said) == 0 or np.ptp(true) == 0:
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(said, true).statistic)


def besides(measurements: Measurements, arm: str, last: float) -> str:
    """What a reader should know besides: the trend, and the correlation that is left without it."""
    said, true = (course(measurements, quantity, arm, last) for quantity in ("estimate", "sliced_w1"))
    steps = [np.diff(table.to_numpy(), axis=1) for table in (said, true)]
    without = np.nanmean([rank_correlation(a, b) for a, b in zip(*steps, strict=True)])
    floor = measurements[(measurements["quantity"] == "floor") & (measurements["arm"] == arm)]["value"].iloc[0]
    ends = [f"{table.iloc[:, i].median():.3g}" for table in (said, true) for i in (0, -1)]
    return (
        f"Median estimate {ends[0]} to {ends[1]}, sliced W1 {ends[2]} to {ends[3]} (real samples: {floor:.2g}); "
        f"mean correlation of the changes from checkpoint to checkpoint {without:.2f}"
    )


def decide_wasserstein(measurements: Measurements) -> list[RuleResult]:
    """Claim 15."""
    last = common_end(measurements)
    return [
        rule.judge_correlations(tracking(measurements, arm, last).to_list(), besides(measurements, arm, last))
        for rule, arm in zip(TRACKS, WASSERSTEIN_ARMS, strict=True)
    ]


def decide_jensen_shannon(measurements: Measurements) -> list[RuleResult]:
    """Claim 16."""
    last, findings = common_end(measurements), []
    for dataset in DATASETS:
        critic = tracking(measurements, f"{dataset}/wgan", last)
        for ratio, name in RATIOS.items():
            arm = f"{dataset}/{name}"
            classifier = tracking(measurements, arm, last)
            gap = (critic - classifier).loc[critic.index.intersection(classifier.index)]
            findings.append(GAPS[dataset, ratio].judge(gap.to_list()))
            note = besides(measurements, arm, last)
            findings.append(POOR[dataset, ratio].judge_correlations(classifier.to_list(), note))
    return findings


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


def momentum_course(measurements: Measurements, quantity: str, arm: str) -> pd.DataFrame:
    """A quantity at the checkpoints both arms have, without the first two: one row a seed, one column a checkpoint."""
    chosen = measurements[measurements["quantity"] == quantity]
    wide = chosen[(chosen["arm"] == arm) & (chosen["at"] <= momentum_end(measurements))]
    return wide.pivot(index="seed", columns="at", values="value").sort_index(axis=1).iloc[:, IGNORED:]


def momentum_end(measurements: Measurements) -> float:
    """The last step of the run with momentum; the other went on for another claim."""
    return float(measurements.loc[measurements["arm"] == MOMENTUM, "at"].max())


def counted(measurements: Measurements, arm: str) -> pd.Series[Any]:
    """Number of rises by seed; NaN where an estimate is not finite."""
    table = momentum_course(measurements, "estimate", arm)
    return table.apply(lambda run: float(rises(run.to_numpy()).sum()) if np.isfinite(run).all() else math.nan, axis=1)


def association(negative: NDArray[np.float64], risen: NDArray[np.bool_]) -> float:
    """Pearson's correlation over the checkpoints of a run.

    0 where the share of negative cosines never changes, for then it has no part in any rise; NaN where nothing rises.
    """
    if risen.all() or not risen.any():
        return math.nan
    return float(np.corrcoef(negative, risen)[0, 1]) if np.ptp(negative) > 0 else 0.0


def decide(measurements: Measurements) -> list[RuleResult]:
    """One finding a rule."""
    return [_more_rises(measurements), _worse_samples(measurements), _uphill(measurements)]


def _more_rises(measurements: Measurements) -> RuleResult:
    momentum, steady = (counted(measurements, arm) for arm in (MOMENTUM, STEADY))
    told = f"Means: {momentum.mean():.1f} rises with momentum, {steady.mean():.1f} without"
    return UNSTABLE.judge(paired(momentum, steady), told)


def _worse_samples(measurements: Measurements) -> RuleResult:
    momentum, steady = (
        values(measurements, "sliced_w1", arm, momentum_end(measurements)) for arm in (MOMENTUM, STEADY)
    )
    told = f"Medians: sliced W1 {momentum.median():.3g} with momentum, {steady.median():.3g} without"
    return WORSE.judge(paired(np.log(momentum), np.log(steady)), told)


def _uphill(measurements: Measurements) -> RuleResult:
    estimates, negative = (momentum_course(measurements, quantity, MOMENTUM) for quantity in ("estimate", "negative"))
    found = [association(negative.loc[s].to_numpy(), rises(estimates.loc[s].to_numpy())) for s in estimates.index]
    mean = momentum_course(measurements, "cosine", MOMENTUM).to_numpy().mean()
    told = f"Mean share of negative cosines {negative.to_numpy().mean():.2g}, mean cosine {mean:.2f}"
    return UPHILL.judge_correlations(found, told)


def paired(momentum: pd.Series[Any], steady: pd.Series[Any]) -> list[float]:
    """Differences by seed, for the seeds that both arms have."""
    both = momentum.index.intersection(steady.index)
    return list((momentum.loc[both] - steady.loc[both]).astype(float))


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
        rules=TRACKS,
        caveat="A trend over time alone gives a high correlation: see the correlation of the changes in the notes. "
        "The scale of an estimate depends on its critic, so runs of different critics do not compare. The authors "
        "themselves do not call it a quantitative method of evaluation.",
        experiments=(RING_WGAN, GRID_WGAN, PENALTY),
        decide=decide_wasserstein,
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
        rules=tuple(rule for key in GAPS for rule in (GAPS[key], POOR[key])),
        caveat="The estimate is a lower bound that depends on how well the critic is trained. In the plane generated "
        "and real samples overlap, and the paper's argument does not apply.",
        experiments=(RING_WGAN, RING_NSGAN, JENSEN_SHANNON),
        decide=decide_jensen_shannon,
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
        rules=(UNSTABLE, WORSE, UPHILL),
        caveat="The paper says 'at times', and it is no theorem. WGAN-GP uses Adam, with beta1 0 in its paper and .5 "
        "in its code.",
        experiments=(RING_WGAN, MOMENTUM_CURVE),
        decide=decide,
    ),
)
