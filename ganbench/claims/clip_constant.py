"""Claim 22: the clipping constant trades slow weights against vanishing gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ganbench.claims.claim import INCONCLUSIVE, Claim, Finding, Rule
from ganbench.claims.clip_sweep import SWEEP
from ganbench.claims.experiment import Measurements, values

SMALL, LARGE = 0.001, 0.1  # the constants whose gradients are compared

SLOW = Rule(
    "large constants are slow",
    "Spearman correlation of the constant and the steps until 90 % of the weights are at the bound, by seed",
    above=0.8,
    least_seeds=6,
)
VANISHING = Rule(
    "small constants starve",
    "log10 of the generator's gradient norm at the end, c = .001 minus c = .1, by seed",
    below=-2,
    least_seeds=6,
)
INTERIOR = Rule(
    "the best lies between",
    "share of seeds whose best final sliced W1 has neither the smallest nor the largest constant; at least .8 wanted",
    above=0.7999,
    least_seeds=6,
)


def by_constant(measurements: Measurements, quantity: str) -> pd.DataFrame:
    """A quantity of every run: one row a seed, one column a constant, ascending."""
    chosen = measurements[measurements["quantity"] == quantity]
    return chosen.pivot(index="seed", columns="at", values="value").sort_index(axis=1)


def decide(measurements: Measurements) -> list[Finding]:
    """One finding a rule."""
    return [_slow(measurements), _vanishing(measurements), _interior(measurements)]


def _slow(measurements: Measurements) -> Finding:
    """A verdict stands only if it does in whatever order the runs that never got there would have got there."""
    table = by_constant(measurements, "boundary")
    shares = _medians(by_constant(measurements, "share"))
    told = f"Medians by constant: {_medians(table, _when)}; share at the end: {shares}"
    found, least, most = (
        SLOW.judge([correlation(table.loc[s], late) for s in table.index], told) for late in (0, -1, 1)
    )
    if least.verdict == most.verdict:
        return found
    never = int(np.isinf(table.to_numpy()).sum())
    note = (
        f"{never} of {table.size} runs never got there: the correlation lies in [{least.effect:.2f}, {most.effect:.2f}]"
    )
    return replace(found, verdict=INCONCLUSIVE, note=f"{note}. {found.note}")


def _medians(table: pd.DataFrame, text: Callable[[float], str] = "{:.3g}".format) -> str:
    return ", ".join(f"{c:g}: {text(median)}" for c, median in table.median().items())


def _when(step: float) -> str:
    return "never" if math.isinf(step) else f"step {step:g}"


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


def _vanishing(measurements: Measurements) -> Finding:
    small, large = (values(measurements, "log_gradient", at=c) for c in (SMALL, LARGE))
    told = _medians(by_constant(measurements, "log_gradient"))
    return VANISHING.judge(list(small - large), f"Medians by constant: {told}")


def _interior(measurements: Measurements) -> Finding:
    """Decided by the share itself, as the rule asks for it and not for its interval."""
    from ganbench.statistics import proportion_interval

    table = by_constant(measurements, "sliced_w1").fillna(math.inf)
    best, ends = table.idxmin(axis=1).astype(float), (min(table.columns), max(table.columns))
    inside = int((~best.isin(ends)).sum())
    interval = proportion_interval(inside, len(table))
    counted = INTERIOR.judge_interval(interval, note=f"Median sliced W1 by constant: {_medians(table)}")
    if interval.n < INTERIOR.least_seeds:
        return counted
    return replace(counted, verdict=INTERIOR.judge_exact(inside / len(table)).verdict)


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
        rules=(SLOW, VANISHING, INTERIOR),
        caveat="Initial weights go up to .088 in a hidden layer of 128, so the first clipping itself puts nearly all "
        "of them at a bound far below that. The critic's Lipschitz constant grows like the clipping constant to the "
        "power of the layers, so gradients and estimates of different constants do not share a scale.",
        experiments=(SWEEP,),
        decide=decide,
    ),
)
