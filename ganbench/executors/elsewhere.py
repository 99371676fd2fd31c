"""What paths and devices mean where a study does not run in the process that it was started by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ganbench.errors import UsageError
from ganbench.surroundings import Surroundings


def absolute(where: Surroundings, threads: int) -> Surroundings:
    """With paths that mean the same in every process, and so many threads for each cohort."""
    results, data_root = (str(Path(path).absolute()) for path in (where.results, where.data_root))
    return replace(where, threads=threads, results=results, data_root=data_root)


def device_of(asked: str, gpus: float) -> str:
    """The device of a cohort that is given so many GPUs, wherever it runs; it sees no others.

    Raises:
        UsageError: the two do not go together.
    """
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in ("cpu", "cuda"):
        raise UsageError(f"--device {asked} is of one machine; on a cluster say cpu, cuda or auto")
    if asked == "cuda" and not gpus:
        raise UsageError("--device cuda needs GPUs: say --gpus-per-cohort 1, or 0.5 to let two cohorts share one")
    return asked
