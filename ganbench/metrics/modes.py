"""Metrics that count modes: how many are found, how well they are hit and how evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbench.errors import MetricError
from ganbench.interfaces.metric import Measured, Metric
from ganbench.metrics.checks import require_modes, require_samples


def histogram(samples: Measured) -> NDArray[np.int64]:
    """How many samples each mode has: (n_modes,). Modes of a distribution count good samples only, classes all."""
    counted = samples.modes[samples.good] if samples.kind == "modes" else samples.modes
    return np.bincount(counted, minlength=samples.n_modes)


def captured(samples: Measured, share: float) -> NDArray[np.bool_]:
    """Which modes are captured, as ``Modes`` counts them: (n_modes,)."""
    least = max(1.0, share * len(samples) / samples.n_modes) if samples.kind == "classes" else 1.0
    return histogram(samples) >= least


@dataclass(frozen=True)
class Modes(Metric):
    """How many modes the generator has captured.

    A mode of a known distribution is captured when it is nearest to at least one good sample, one within three of its
    standard deviations: Srivastava et al. (2017, VEEGAN), section 4.1. A class of images is captured when at
    least ``share`` of its fair share 1 / n_modes of all samples belong to it, since a classifier's mistakes alone
    put a sample or two into every class. ``share`` = 0 asks for a single sample, as VEEGAN and PacGAN do on
    stacked MNIST.

    Traps: for known modes the definition is lenient, one sample of 2,500 suffices; look at ``mode_kl`` beside it.
    The number grows with the number of samples.

    Attributes:
        share: of its fair share of samples that a class needs to be captured; 0 asks for one sample.
    """

    name = "modes"
    direction = "higher"
    unit = "modes"
    needs_modes = True

    share: float = 0.25

    def value(self, fake: Measured, real: Measured) -> float:
        """Number of modes captured, 0 to n_modes. Raises MetricError without modes or finite samples."""
        require_samples(self, fake, real)
        require_modes(self, fake)
        return float(captured(fake, self.share).sum())


@dataclass(frozen=True)
class HighQuality(Metric):
    """The share of good samples: near enough to their mode or class to be taken for real ones.

    Source: Srivastava et al. (2017, VEEGAN), section 4.1, for known modes (three standard deviations); the
    evaluators of images hold their radius to the same share of real images.

    Traps: a perfect sampler does not reach 1 but 1 - exp(-9/2) = 98.89 % in two dimensions, and .9889^3 = 96.7 %
    where three channels must be good at once. A generator that draws one perfect sample for ever scores 1.
    """

    name = "high_quality"
    direction = "higher"
    unit = "share"
    needs_modes = True

    def value(self, fake: Measured, real: Measured) -> float:
        """Share of good samples, 0 to 1. Raises MetricError without modes or finite samples."""
        require_samples(self, fake, real)
        require_modes(self, fake)
        return float(fake.good.mean())


@dataclass(frozen=True)
class ModeKL(Metric):
    """Kullback-Leibler divergence of the generator's mode histogram from the real one, KL(fake || real), in nats.

    Known modes count good samples only, and without a single one the value is log n_modes, that of a generator
    stuck on one of equal modes; classes count all samples. The real shares are those of the real samples, not
    the uniform ones that the literature takes ("reverse KL": Lin et al. 2018, PacGAN).

    Traps: equal distributions score about (K - 1)/2 (1/n + 1/m) and not 0, with n fake and m real samples. Within
    a mode it sees nothing. It is infinite where a mode has fake samples and no real one; that is an error which
    asks for more real samples.
    """

    name = "mode_kl"
    direction = "lower"
    unit = "nats"
    needs_modes = True

    def value(self, fake: Measured, real: Measured) -> float:
        """Divergence of the mode histograms. Raises MetricError where a mode has fake samples but no real one."""
        require_samples(self, fake, real)
        require_modes(self, fake)
        found, expected = histogram(fake), histogram(real)
        if not found.any():
            return math.log(fake.n_modes)
        unmatched = np.flatnonzero((found > 0) & (expected == 0))
        if len(unmatched):
            raise MetricError(
                f"mode_kl is infinite: mode {unmatched[0]} has {found[unmatched[0]]} fake samples and none of "
                f"{len(real)} real ones; compare with more real samples",
                subject=self.name,
                code="infinite",
            )
        from scipy.special import rel_entr

        return float(rel_entr(found / found.sum(), expected / expected.sum()).sum())
