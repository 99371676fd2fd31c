"""What may begin while the command still imports PyTorch and resolves the study. Nothing heavy is imported here."""

from __future__ import annotations

from importlib.util import find_spec

from ganbench.runner.executors import forkserver
from ganbench.study.config import StudyConfig


def start_early(config: StudyConfig) -> None:
    """Let other processes import PyTorch already: this machine's server, or the workers of a Ray cluster."""
    if config.executor == "local":
        forkserver.start_early(config.device)
    elif config.executor == "ray" and find_spec("ray") is not None:
        from ganbench.runner.executors import ray_cluster

        ray_cluster.start_early(config.address, config.cpus_per_cohort or 1, config.gpus_per_cohort, config.device)
