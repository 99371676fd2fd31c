"""Evaluators: what turns samples into features, modes and a judgement of quality."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import UnknownNameError
from ganbench.interfaces.paths import expand_home
from ganbench.metrics.distances import INCEPTION

if TYPE_CHECKING:
    from ganbench.interfaces.metric import Evaluator

NAMES = ("digits-cnn", "mnist-cnn", "stacked-mnist-cnn", INCEPTION)
VARIABLE = "GANBENCH_INCEPTION"  # a file of weights for inception-v3-compat


def load(name: str, weights: Path | None = None) -> Evaluator:
    """The image evaluator of that name.

    Args:
        name: ``digits-cnn``, ``mnist-cnn``, ``stacked-mnist-cnn`` or ``inception-v3-compat``.
        weights: a file of weights for ``inception-v3-compat``, which ships none; by default the one that the
            environment variable GANBENCH_INCEPTION names, else the copy that ``ganbench data fetch`` brings.

    Raises:
        UnknownNameError: for any other name.
        DataError: where shipped weights are malformed; those of ``inception-v3-compat`` are read at its first use.
    """
    if name not in NAMES:
        raise UnknownNameError("evaluator", name, NAMES)
    if name == INCEPTION:
        from ganbench.metrics.evaluators.inception import Inception

        return Inception(weights or _named_weights())
    from ganbench.metrics.evaluators.classifier import read_classifier
    from ganbench.metrics.evaluators.stacked import StackedEvaluator

    if name.startswith("stacked-"):
        return StackedEvaluator(read_classifier(name.removeprefix("stacked-")))
    return read_classifier(name)


def _named_weights() -> Path | None:
    path = os.environ.get(VARIABLE)
    return Path(expand_home(path, VARIABLE)) if path else None
