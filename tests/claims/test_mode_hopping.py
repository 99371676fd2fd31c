"""Claim 29: the demo's networks, the hop rate on histograms that can be counted, and every verdict of the rule."""

import math

import numpy as np
import pandas as pd
import pytest

from ganbench.claims.claim import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from ganbench.claims.experiment import row
from ganbench.claims.lab import SAMPLES
from ganbench.claims.mode_hopping import (
    CHECKPOINTS,
    CLAIMS,
    PARTS,
    UnrolledDemoMlp,
    counts_by_seed,
    hop_rate,
    measure,
)

(CLAIM,) = CLAIMS


def test_networks_are_the_demos():
    generator = [tuple(p.shape) for p in UnrolledDemoMlp().generator((2,)).parameters() if p.ndim == 2]
    critic = [tuple(p.shape) for p in UnrolledDemoMlp().critic((2,)).parameters() if p.ndim == 2]
    assert generator == [(128, 256), (128, 128), (2, 128)]
    assert critic == [(128, 2), (128, 128), (1, 128)]


@pytest.mark.slow
def test_every_checkpoint_has_every_mode():
    found = pd.DataFrame(measure((100, 101), steps=2 * CHECKPOINTS))
    counts = counts_by_seed(found)
    assert sorted(counts) == [100, 101]
    assert counts[100].shape == (CHECKPOINTS, 8)
    assert list(found["at"].unique()) == list(range(2, 2 * CHECKPOINTS + 1, 2))
    assert (counts[100].sum(axis=1) <= SAMPLES).all()


def test_both_parts_hold_every_seed_once():
    assert sorted(s for k in range(len(PARTS)) for s in range(10)[k::2]) == list(range(10))


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ([[500, 0], [0, 900], [300, 0]], 1.0),  # all to the other mode, and back
        ([[100, 100], [700, 700], [200, 200]], 0.0),  # more samples, same shares
        ([[100, 0], [100, 100], [90, 90]], 0.25),  # half of the mass once, then none: (.5 + 0) / 2
        ([[100, 0], [0, 99], [0, 100], [0, 200]], 0.0),  # what is next to a checkpoint with few is passed over
    ],
)
def test_the_hop_rate_is_the_mean_total_variation(counts, rate):
    assert hop_rate(np.array(counts, dtype=float)) == pytest.approx(rate)


def test_without_two_good_checkpoints_in_a_row_there_is_no_rate():
    assert math.isnan(hop_rate(np.array([[100, 0], [99, 0], [0, 100]], dtype=float)))


def measured(histograms, n=8):
    """The histograms of three checkpoints for every seed, the list repeated."""
    return pd.DataFrame(
        row("good", count, arm=f"mode {mode}", seed=seed, at=at)
        for seed in range(n)
        for at, counts in enumerate(histograms[seed % len(histograms)])
        for mode, count in enumerate(counts)
    )


HOPPING, STILL, EMPTY = [[900, 0], [0, 900], [900, 0]], [[90, 90]] * 3, [[0, 0]] * 3


@pytest.mark.parametrize(
    ("histograms", "n", "verdict", "effect"),
    [
        ([HOPPING], 8, REPRODUCED, 1.0),
        ([STILL], 8, NOT_REPRODUCED, 0.0),
        ([HOPPING, STILL, STILL, STILL], 8, INCONCLUSIVE, 0.25),
        ([HOPPING], 5, INCONCLUSIVE, 1.0),
        ([HOPPING, HOPPING, EMPTY], 9, INCONCLUSIVE, 1.0),  # a third of the seeds is lost
    ],
)
def test_every_verdict(histograms, n, verdict, effect):
    (found,) = CLAIM.decide(measured(histograms, n))
    assert found.verdict == verdict
    assert found.effect == pytest.approx(effect)


def test_chance_alone_gives_what_the_caveat_says():
    rng = np.random.default_rng(0)
    draws = [rng.multinomial(100, np.full(8, 1 / 8), 2).astype(float) for _ in range(2000)]
    assert np.mean([hop_rate(pair) for pair in draws]) == pytest.approx(0.15, abs=0.01)


def test_the_note_counts_modes_and_empty_checkpoints():
    (found,) = CLAIM.decide(measured([STILL, HOPPING, STILL, [[99, 0], [100, 0], [100, 0]]], 4))
    assert "1.5 at a time, at most 2" in found.note  # two for two seeds, one for two
    assert "8% of the checkpoints" in found.note  # one of twelve
