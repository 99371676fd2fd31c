"""``ganbench data fetch``: downloads ahead, so that nothing else ever needs the network."""

from __future__ import annotations

from pathlib import Path

import typer

from ganbench.commands.terminal import warn_of_broken
from ganbench.components import build
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
        typer.echo(f"the weights of {INCEPTION} are there and whole")
        return
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    dataset, folder = build(registry.datasets.find(name, "data fetch"), {}), data_root(root).absolute()
    if isinstance(dataset, Download):
        dataset.fetch(folder)
        typer.echo(f"{dataset.name} is in {folder}")
    else:
        typer.echo(f"{dataset.name} needs no download")
