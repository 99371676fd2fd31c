"""The kernel distance."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.fidelity import kernel_distance
from ganbench.measured import Measured, Metric
from ganbench.metrics.defined import require_samples


@dataclass(frozen=True)
class KernelDistance(Metric):
    """Unbiased squared maximum mean discrepancy of the features, with the cubic kernel (x.y / d + 1)^3.

    Source: Binkowski et al. (2018), "Demystifying MMD GANs" (KID). The estimate is averaged over random
    subsets of both sets; where a set is smaller than a subset, the subsets shrink to it, which changes the
    variance and not the mean. Both numbers stand in the protocol.

    Traps: an unbiased estimate of nothing is negative half of the time, so small negative values are right. A
    cubic kernel compares three moments: what differs beyond them stays unseen.

    Attributes:
        subsets: random subsets that the estimate is averaged over.
        subset_size: samples in each of them, at most as many as there are.
        seed: of the choice of subsets.
    """

    name = "kid"
    direction = "lower"
    unit = "squared kernel distance"

    subsets: int = 50
    subset_size: int = 1000
    seed: int = 0

    def value(self, fake: Measured, real: Measured) -> float:
        """The distance. Raises MetricError with fewer than two samples or with ones that are not finite."""
        require_samples(self, fake, real, at_least=2)
        size = min(self.subset_size, len(fake), len(real))
        whole = size == len(fake) == len(real)  # every subset would be the same
        return kernel_distance(fake.features, real.features, 1 if whole else self.subsets, size, self.seed)

    def constants(self, n_samples: int) -> dict[str, float]:
        """Subsets and their size, always: the size depends on the number of samples."""
        size = {"subsets": self.subsets, "subset_size": min(self.subset_size, n_samples)}
        return size | {name: value for name, value in super().constants(n_samples).items() if name not in size}
