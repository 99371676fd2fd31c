"""Trained classifiers as files: ``<name>.safetensors`` and, beside it, the record of how it came about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ganbench.errors import DataError
from ganbench.evaluators.classifier import Classifier
from ganbench.evaluators.network import ConvClassifier, digits_network, mnist_network
from ganbench.evaluators.quality import Quality

FOLDER = Path(__file__).parent
NETWORKS = {"digits-cnn": (digits_network, (1, 8, 8)), "mnist-cnn": (mnist_network, (1, 28, 28))}


@dataclass(frozen=True)
class Record:
    """What is known of trained weights.

    Attributes:
        accuracy: share of test images whose class is right.
        n_accuracy: how many test images that was; the weights never saw them.
        high_quality: share of real images that count as good; 98.89 % is what the radius aims at.
        n_high_quality: how many images that was; neither the weights nor the radius saw them.
        split: which images did what, in words.
        seed: of the training.
        script: the module that makes these weights from scratch.
        sha256: of the weights' file.
    """

    accuracy: float
    n_accuracy: int
    high_quality: float
    n_high_quality: int
    split: str
    seed: int
    script: str
    sha256: str


def read_classifier(name: str, folder: Path = FOLDER) -> Classifier:
    """The evaluator whose weights lie in the folder. Raises DataError where the file is missing or malformed."""
    make_network, image_shape = NETWORKS[name]
    path = folder / f"{name}.safetensors"
    try:
        tensors = load_file(path)
        quality = Quality(
            tensors.pop("quality.centres").numpy(),
            tensors.pop("quality.whitening").numpy(),
            float(tensors.pop("quality.radius")),
        )
        network = make_network()
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"the weights of {name} at {path} cannot be read ({reason}); reinstall ganbench") from error
    return Classifier(name, network, image_shape, quality)


def write_classifier(name: str, network: ConvClassifier, quality: Quality, folder: Path = FOLDER) -> str:
    """Write ``<name>.safetensors`` and return its SHA-256."""
    path = folder / f"{name}.safetensors"
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    tensors["quality.centres"] = torch.from_numpy(quality.centres)
    tensors["quality.whitening"] = torch.from_numpy(quality.whitening)
    tensors["quality.radius"] = torch.tensor(quality.radius, dtype=torch.float64)
    save_file(tensors, path)
    path.chmod(0o644)  # it is package data, and the writer leaves it readable for its owner only
    return sha256(path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_record(name: str, folder: Path = FOLDER) -> Record:
    """The record beside the weights."""
    return Record(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def write_record(name: str, record: Record, folder: Path = FOLDER) -> None:
    """Write ``<name>.json``."""
    (folder / f"{name}.json").write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
