"""What the critic's estimate says about quality: Wasserstein GANs (claim 15) and standard GANs (claim 16)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements
from ganbench.claims.learning_curves import GRID_WGAN, JENSEN_SHANNON, PENALTY, RING_NSGAN, RING_WGAN

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


def decide_wasserstein(measurements: Measurements) -> list[Finding]:
    """Claim 15."""
    last = common_end(measurements)
    return [
        rule.judge_correlations(tracking(measurements, arm, last).to_list(), besides(measurements, arm, last))
        for rule, arm in zip(TRACKS, WASSERSTEIN_ARMS, strict=True)
    ]


def decide_jensen_shannon(measurements: Measurements) -> list[Finding]:
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
)
