"""An experiment: measurements that one claim or several are judged by, in parts that can run side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ganbench.spec import ENGINE, canonical

if TYPE_CHECKING:
    import pandas as pd

    Measurements = pd.DataFrame
else:
    Measurements = Any

T = TypeVar("T")

COLUMNS = {
    "experiment": "str",
    "part": "str",
    "arm": "str",
    "seed": "int64",
    "at": "float64",
    "quantity": "str",
    "value": "float64",
}


@dataclass(frozen=True)
class Profile:
    """How much is spent.

    Attributes:
        name: ``quick`` or ``full``.
        seeds: what the user asked for instead of each experiment's own number; empty takes that number.
        device: what experiments train on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    name: str = "quick"
    seeds: tuple[int, ...] = ()
    device: str = "cpu"

    def settings(self) -> dict[str, Any]:
        """What determines measurements; the device only where it is not the CPU, as it was not always recorded."""
        kind = self.device.partition(":")[0]
        return {"name": self.name, "seeds": list(self.seeds), **({} if kind == "cpu" else {"device": kind})}

    def pick(self, quick: T, full: T) -> T:
        """One of two values, by the profile."""
        return full if self.name == "full" else quick

    def replications(self, n: int = 10) -> tuple[int, ...]:
        """The seeds of an experiment whose rules need ``n`` of them."""
        return self.seeds or tuple(range(n))


@dataclass(frozen=True)
class Experiment:
    """Something that is run once, for all claims that need it.

    Attributes:
        name: unique; a file name.
        parts: what can run side by side, such as one a dataset or objective; each is stored by itself.
        run: measurements of one part: rows made by ``row``.
        minutes: roughly, of one core, for the longest part under the quick profile; the longest start first.
        version: is raised with every change of the code that changes the measurements, so that stored ones are not
            taken for new ones.
    """

    name: str
    parts: tuple[str, ...]
    run: Callable[[Profile, str], Sequence[dict[str, Any]]]
    minutes: float = 0.1
    version: int = 1

    def key(self, profile: Profile) -> str:
        """Hash of all that determines the measurements: the experiment's version, the profile and the engine."""
        parts = canonical([self.name, self.version, *profile.settings().values(), ENGINE])
        return hashlib.blake2b(parts.encode(), digest_size=6).hexdigest()


def row(quantity: str, value: float, *, arm: str = "", seed: int = -1, at: float = 0.0) -> dict[str, Any]:
    """One measurement.

    Args:
        quantity: what was measured.
        value: the number.
        arm: what was compared: an objective with its settings, say.
        seed: of the replication; -1 where there is no randomness.
        at: where in the experiment: a step, a distance, a noise level.
    """
    return {"arm": arm, "seed": int(seed), "at": float(at), "quantity": quantity, "value": float(value)}


def values(
    measurements: Measurements, quantity: str, arm: str | None = None, at: float | None = None
) -> pd.Series[Any]:
    """Values by seed, in the order of the seeds, so that two arms are paired by their index.

    Raises:
        KeyError: nothing of that kind was measured, or more than once for a seed.
    """
    chosen = measurements[measurements["quantity"] == quantity]
    chosen = chosen if arm is None else chosen[chosen["arm"] == arm]
    chosen = chosen if at is None else chosen[chosen["at"] == at]
    by_seed: pd.Series[Any] = chosen.set_index("seed")["value"].sort_index()
    if by_seed.empty or by_seed.index.has_duplicates:
        raise KeyError(f"{quantity} of {arm} at {at}: {len(by_seed)} rows for {by_seed.index.nunique()} seeds")
    return by_seed
