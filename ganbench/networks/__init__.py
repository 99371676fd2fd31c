"""Pairs of networks, the same for every objective."""

from __future__ import annotations

from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.networks.dcgan import Dcgan, DcganPlain
from ganbench.networks.minibatch import DcganMinibatch, MlpMinibatch
from ganbench.networks.mlp import Mlp, Mlp512
from ganbench.networks.packing import DcganPac, MlpPac
from ganbench.networks.upconv import Upconv
from ganbench.networks.virtual_batch_norm import DcganVbn

ARCHITECTURES: tuple[type[Architecture], ...] = (
    Mlp,
    Mlp512,
    MlpPac,
    MlpMinibatch,
    Dcgan,
    DcganPlain,
    DcganPac,
    DcganMinibatch,
    DcganVbn,
    Upconv,
)

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "CriticNetwork",
    "Dcgan",
    "DcganMinibatch",
    "DcganPac",
    "DcganPlain",
    "DcganVbn",
    "Mlp",
    "Mlp512",
    "MlpMinibatch",
    "MlpPac",
    "Upconv",
]
