"""Where a cohort runs and how it talks to whoever runs it; but for rounding nothing in here changes its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganbench.trials import CohortSpec, Trial

if TYPE_CHECKING:
    from ganbench.plugin_files import PluginFile

Report = Callable[[int], None]  # told how many steps, of training and probing, are done
CHECKPOINT_SECONDS = 25.0


@dataclass(frozen=True)
class Surroundings:
    """Where a cohort runs.

    Attributes:
        results: the results folder.
        data_root: where datasets lie.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: of PyTorch's CPU kernels.
        compile: ``auto``, ``on`` or ``off``: see ``ganbench.pace``; this and the device change rounding.
        command: the command line, for the record.
        provenance: what else ``run.json`` is to say about how the results were made.
        since: when the run began (ISO 8601, UTC): what failed before is run again, what failed since is not.
        checkpoint_seconds: the least time between two checkpoints.
        trial_timeout: seconds after which a cohort's process is ended; 0 lets it run.
        plugins: those that nobody installed, as they stood when the run began.
        origins: where components come from, by kind and name.
        source_hashes: of ganbench and of plugins, by distribution: a process with others refuses to work.
        shared: whether machines share the results folder, so that one that is gone may seem to hold a trial.
    """

    results: str
    data_root: str
    device: str
    threads: int
    compile: str = "auto"
    command: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    since: str = "9999"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    trial_timeout: float = 0.0
    plugins: tuple[PluginFile, ...] = ()
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source_hashes: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False


@dataclass(frozen=True)
class Outcome:
    """How one trial ended."""

    trial: Trial
    status: str
    error: str = ""
    log: str = ""  # relative to the results folder; empty where there is none


@dataclass(frozen=True)
class Event:
    """Something an executor tells: a shard has got so far, has something to say, or has ended with these outcomes."""

    shard: CohortSpec
    step: int
    outcomes: tuple[Outcome, ...] = ()
    remark: str = ""


class Stopped(Exception):  # noqa: N818, it is no error
    """Raised where a cohort ends early because it was asked to; a checkpoint holds what it has done."""


@dataclass(frozen=True)
class Contact:
    """The line between a cohort and whoever runs it.

    Attributes:
        report: told how far it is.
        say: told one sentence, for the user.
        stopped: asked whether to end; is true from some moment on.
        working: told when waiting for other runs is over and work begins.
        pausing: asked, where it is stopped, whether somebody wants that; else whoever runs it has died.
    """

    report: Report
    say: Callable[[str], None] = lambda text: None
    stopped: Callable[[], bool] = lambda: False
    working: Callable[[], None] = lambda: None
    pausing: Callable[[], bool] = lambda: True

    def pause(self) -> None:
        """A moment at which everything may end. Raises Stopped."""
        if self.stopped():
            raise Stopped
