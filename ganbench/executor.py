"""Where cohorts run: the interface that this machine, Ray, Slurm and strangers' engines have in common.

Cohorts go in, events come out. An executor holds no result: every cohort stores its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.surroundings import Event, Surroundings
    from ganbench.trials import CohortSpec


@dataclass(frozen=True)
class Executor(ABC):
    """An engine that runs cohorts. Subclasses are frozen dataclasses; their fields are its settings.

    Fields named ``jobs``, ``address``, ``gpus_per_cohort`` and ``cpus_per_cohort`` are filled from the options of these
    names, and the others with ``--set NAME.FIELD=VALUE``; an option without a field is refused.

    Attributes:
        name: what ``--executor`` calls it.
        aliases: further names.
        needs: modules that have to be installed for it.
        extra: the extra of ganbench that installs them, where one does.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def check(self) -> None:
        """Raises UsageError where something that it needs is not installed: one sentence that says what to install."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            what = f'"ganbench[{self.extra}]"' if self.extra else " ".join(missing)
            names = " and ".join(missing)
            raise UsageError(f"--executor {self.name} needs {names}, which is not installed here: pip install {what}")

    def device(self, asked: str) -> str | None:
        """The device that a name means where cohorts run; None where that is this machine, which is asked itself.

        Raises:
            UsageError: it means nothing there.
        """
        return None

    @abstractmethod
    def run(self, cohorts: Sequence[CohortSpec], where: Surroundings) -> Generator[Event, None, None]:
        """Run cohorts to their ends, yielding what happens as it happens.

        Closing the generator lets every cohort end after its block and leave a checkpoint.

        Args:
            cohorts: what is missing; they may be cut by their seeds, which do not depend on their company.
            where: results, data and device; threads and the like are the executor's to set.
        """
