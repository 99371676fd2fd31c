"""What a report says of metrics: which lead, which way is up, what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from ganbench.plugins import Registry
from ganbench.report.material import Section
from ganbench.scores import directions, metrics_of

NAMES = {"fid": "FID", "kid": "KID", "sliced_w1": "sliced W1", "w1": "W1", "modes": "modes captured",
         "high_quality": "high-quality share", "mode_kl": "KL of the mode histogram"}  # fmt: skip
ON_LOG = ("fid", "kid", "w1", "sliced_w1", "mode_kl")  # positive, and over orders of magnitude


@dataclass(frozen=True)
class Measure:
    """A metric as figures and sentences need it.

    Attributes:
        metric: its name.
        lower: whether less is better.
    """

    metric: str
    lower: bool

    @property
    def title(self) -> str:
        """What readers call it."""
        return NAMES.get(self.metric, self.metric)

    @property
    def axis(self) -> str:
        """Its axis: the name and which way is better."""
        return f"{self.title} ({'lower' if self.lower else 'higher'} is better)"

    @property
    def log(self) -> bool:
        """Whether its axis is logarithmic."""
        return self.metric in ON_LOG


def measures(section: Section, registry: Registry) -> list[Measure]:
    """The metrics of a section that can be ranked, the leading one first."""
    known = {cls.name: cls for cls in registry.metrics}
    names = metrics_of(section.results.evaluations, directions(registry.metrics))
    return [Measure(name, known[name].direction == "lower") for name in names]
