"""``ganbench data fetch``: downloads ahead, so that nothing else ever needs the network."""

from __future__ import annotations

from pathlib import Path

from ganbench.commands.terminal import tell, warn_of_broken
from ganbench.datasets.download import Download
from ganbench.datasets.root import data_root
from ganbench.fidelity import INCEPTION, inception
from ganbench.plugins import load_plugins


def fetch(name: str, root: Path | None) -> None:
    """Download a dataset, or the weights of ``inception-v3-compat``; what is there and whole stays.

    Raises:
        UnknownNameError: there is no such dataset.
        DataError: it cannot be downloaded; the message says which files belong where.
    """
    if name == INCEPTION:
        inception(download=True)
        tell(f"the weights of {INCEPTION} are there and whole")
        return
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    dataset, folder = registry.datasets.find(name, "data fetch")(), data_root(root).absolute()
    if isinstance(dataset, Download):
        dataset.fetch(folder)
        tell(f"{dataset.name} is in {folder}")
    else:
        tell(f"{dataset.name} needs no download")
