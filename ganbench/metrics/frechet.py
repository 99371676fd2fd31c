"""The Frechet distance."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.errors import MetricError
from ganbench.fidelity import Gaussian, frechet_distance, gaussian
from ganbench.measured import Measured, Metric
from ganbench.metrics.defined import require_samples


@dataclass(frozen=True)
class FrechetDistance(Metric):
    """Squared Frechet distance between Gaussians fitted to the features of fake and real samples: FID on an evaluator.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Heusel et al. (2017), eq. 6.

    Traps: biased upward, the more so the fewer samples there are, and by an amount that depends on the generator
    (Chong & Forsyth 2020): compare at one sample count, against the floor. It sees two moments only: on the
    eight modes of ``ring`` it does not notice that every second one is missing. With no more samples than
    features the covariance is singular and the bias swallows the value: that is an error here, where other
    programs return a number.
    """

    name = "fid"
    direction = "lower"
    unit = "squared feature distance"

    def value(self, fake: Measured, real: Measured) -> float:
        """The distance. Raises MetricError unless both sets have more samples than features."""
        require_samples(self, fake, real)
        n_features = fake.features.shape[1]
        for side, samples in (("fake", fake), ("real", real)):
            if len(samples) <= n_features:
                raise MetricError(
                    f"fid needs more samples than the {n_features} features of its evaluator, "
                    f"got {len(samples)} {side} ones"
                )
        return frechet_distance(moments(fake), moments(real))


def moments(samples: Measured) -> Gaussian:
    """Mean and covariance of the features, computed once for samples that stay."""
    return samples.once("moments", lambda: gaussian(samples.features))
