"""What is real. Importing this touches no data and none of the libraries that read it."""

from __future__ import annotations

from ganbench.dataset import Dataset
from ganbench.datasets.celeba import Celeba
from ganbench.datasets.cifar import Cifar10
from ganbench.datasets.digits import Digits
from ganbench.datasets.download import Download
from ganbench.datasets.folder import ImageFolder
from ganbench.datasets.mnist import FashionMnist, Mnist
from ganbench.datasets.root import data_root
from ganbench.datasets.stacked_mnist import StackedMnist
from ganbench.datasets.synthetic import Grid, GridPacgan, Ring, Ring64, RingPacgan, Swissroll

DATASETS: tuple[type[Dataset], ...] = (
    Digits,
    Ring,
    Grid,
    RingPacgan,
    GridPacgan,
    Ring64,
    Swissroll,
    Mnist,
    FashionMnist,
    StackedMnist,
    Cifar10,
    Celeba,
    ImageFolder,
)

__all__ = [
    "DATASETS",
    "Celeba",
    "Cifar10",
    "Digits",
    "Download",
    "FashionMnist",
    "Grid",
    "GridPacgan",
    "ImageFolder",
    "Mnist",
    "Ring",
    "Ring64",
    "RingPacgan",
    "StackedMnist",
    "Swissroll",
    "data_root",
]
