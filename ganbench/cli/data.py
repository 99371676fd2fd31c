"""``ganbench data``: which datasets there are, and downloads ahead, so that nothing else ever needs the network."""

from __future__ import annotations

from ganbench.cli.listing import describe
from ganbench.cli.terminal import echo_err, print_rows, tell, warn_of_broken
from ganbench.datasets.root import data_root
from ganbench.datasets.torchvision_sets import Download
from ganbench.metrics.distances import INCEPTION, inception
from ganbench.plugins.build import build
from ganbench.plugins.registry import load_plugins


def fetch(name: str, root: str | None) -> None:
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
    dataset, folder = build(registry.datasets.find(name, "data fetch"), {}), data_root(root).absolute()
    if isinstance(dataset, Download):
        dataset.fetch(folder)
        tell(f"{dataset.name} is in {folder}")
    else:
        tell(f"{dataset.name} needs no download")


def list_datasets(as_json: bool) -> None:
    """Print every dataset with the command that downloads it, where one has to."""
    registry = load_plugins()
    warn_of_broken(registry.plugins)
    summaries = {row["name"]: row["summary"] for row in describe(registry.datasets)}
    fetched = {cls.name for cls in registry.datasets if issubclass(cls, Download)}
    rows = [
        {"name": name, "download": f"ganbench data fetch {name}" if name in fetched else "–", "summary": summary}
        for name, summary in summaries.items()
    ]
    print_rows(rows, as_json)
    echo_err(f"downloads lie in {data_root()}; --data-root or GANBENCH_DATA names another folder")
