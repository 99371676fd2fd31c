"""What is real. Importing this touches no data and none of the libraries that read it."""

from __future__ import annotations

from ganbench.datasets.digits import Digits, StackedMnist
from ganbench.datasets.folder import ImageFolder
from ganbench.datasets.root import data_root
from ganbench.datasets.synthetic import Grid, GridPacgan, Ring, Ring64, RingPacgan, Swissroll
from ganbench.datasets.torchvision_sets import Celeba, Cifar10, Download, FashionMnist, Mnist
from ganbench.interfaces.dataset import Dataset

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
