"""Distances between distributions of features: Fréchet, kernel, and torch-fidelity's FID and KID."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganbench.errors import DataError, SampleError
from ganbench.interfaces.metric import Measured, Metric
from ganbench.metrics.checks import require_samples

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


# -- torch-fidelity ----------------------------------------------------------------------------------------------------

Features = NDArray[np.float64]

INCEPTION = "inception-v3-compat"
INCEPTION_HASH = "6726825d"  # how the SHA-256 of the published weights begins; it also ends their file name


@dataclass(frozen=True)
class Gaussian:
    """A mean (d,) and a covariance (d, d): all that the Frechet distance sees of a distribution."""

    mean: Features
    covariance: Features


def gaussian(features: Features) -> Gaussian:
    """The mean and the unbiased covariance of features (n, d)."""
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics

    statistics = fid_features_to_statistics(torch.from_numpy(features))
    return Gaussian(statistics["mu"], np.atleast_2d(statistics["sigma"]))


def frechet_distance(fake: Gaussian, real: Gaussian) -> float:
    """Squared Frechet distance of two Gaussians: Heusel et al. (2017), eq. 6.

    Rounding can take equal Gaussians a hair below zero, where no distance lies: such a value is zero.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    statistics = [{"mu": side.mean, "sigma": side.covariance} for side in (fake, real)]
    return max(0.0, float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]))


def kernel_distance(fake: Features, real: Features, subsets: int, subset_size: int, seed: int) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3: Binkowski et al. (2018), KID.

    Args:
        fake: features (n, d).
        real: features (m, d).
        subsets: over how many random subsets of both the estimate is averaged.
        subset_size: samples in each, at most n and m.
        seed: of the choice of the subsets; no global generator is touched.
    """
    from torch_fidelity.metric_kid import mmd2

    rng, values = np.random.RandomState(seed), []
    for _ in range(subsets):
        x, y = (side[rng.choice(len(side), subset_size, replace=False)] for side in (fake, real))
        values.append(mmd2(_cubic_kernel(x, x), _cubic_kernel(x, y), _cubic_kernel(y, y)))
    return float(np.mean(values))


def _cubic_kernel(x: Features, y: Features) -> Features:
    """(x.y / d + 1)^3 of features (n, d) and (m, d): (n, m). The library's own takes a power, fifty times slower."""
    kernel: Features = x @ y.T / x.shape[1] + 1
    return kernel * kernel * kernel


def inception(weights: Path | None = None, *, download: bool = False) -> FeatureExtractorInceptionV3:
    """The InceptionV3 of the original FID code, giving 2048 features of uint8 images (n, 3, height, width).

    Args:
        weights: a state dict as torch-fidelity publishes it; by default the copy in torch.hub's cache.
        download: fetch the published weights into that cache (91 MiB) where it has none.

    Raises:
        DataError: where there are no weights, or the file is not what it should be.
    """
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = weights if weights is not None else _cached_weights(download)
    try:
        content = path.read_bytes()
    except OSError as error:
        sentence = f"no Inception weights at {path}: give the path of a readable file"
        raise DataError(sentence, subject=path, code="missing") from error
    try:
        # The library unpickles without restriction: only bytes that hold nothing but tensors may reach it.
        torch.load(io.BytesIO(content), weights_only=True)
        return FeatureExtractorInceptionV3(INCEPTION, ["2048"], feature_extractor_weights_path=io.BytesIO(content))
    except Exception as error:  # a malformed file can make the loader raise nearly anything
        sentence = f"{path} does not hold the weights of torch-fidelity's InceptionV3: fetch it anew"
        raise DataError(sentence, subject=path, code="corrupt") from error


def _cached_weights(download: bool) -> Path:
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = Path(torch.hub.get_dir(), "checkpoints", URL_INCEPTION_V3.rpartition("/")[2])
    if path.exists():
        return path
    if not download:
        command = f"ganbench data fetch {INCEPTION}"
        sentence = f"no Inception weights at {path}: run `{command}`, or save {URL_INCEPTION_V3} there"
        raise DataError(sentence, subject=path, code="missing", remedy=command)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=INCEPTION_HASH, progress=False)
    except (OSError, RuntimeError) as error:
        sentence = f"Inception weights cannot be fetched ({error}): save {URL_INCEPTION_V3} as {path}"
        raise DataError(sentence, subject=path, code="download") from error
    return path


# -- Fréchet distance --------------------------------------------------------------------------------------------------


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
                sentence = (
                    f"fid needs more samples than the {n_features} features of its evaluator, "
                    f"got {len(samples)} {side} ones"
                )
                raise SampleError(sentence, self.name, "few", side, len(samples), n_features + 1)
        return frechet_distance(moments(fake), moments(real))


def moments(samples: Measured) -> Gaussian:
    """Mean and covariance of the features, computed once for samples that stay."""
    return samples.once("moments", lambda: gaussian(samples.features))


# -- kernel distance ---------------------------------------------------------------------------------------------------


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
