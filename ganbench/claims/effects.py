"""What rules measure: tables of a quantity by seed, drops and growths in orders of magnitude, and their notes.

Every function takes the measurements first, so that ``partial(drop, arm="ring-0/gan", at=1000)`` is a rule's effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ganbench.claims.experiment import Measurements, values

# -- by seed -----------------------------------------------------------------------------------------------------------


def select(measurements: Measurements, quantity: str | None = None, arm: str | None = None) -> Measurements:
    """The rows of a quantity, of an arm or of both."""
    chosen = measurements if quantity is None else measurements[measurements["quantity"] == quantity]
    return chosen if arm is None else chosen[chosen["arm"] == arm]


def table(measurements: Measurements, quantity: str | None = None, arm: str | None = None) -> pd.DataFrame:
    """A quantity wherever it was measured: one row a seed, one column an ``at``, both ascending."""
    return select(measurements, quantity, arm).pivot(index="seed", columns="at", values="value")


def until(measurements: Measurements, quantity: str, arm: str, last: float) -> pd.DataFrame:
    """A quantity up to ``last``: one row a seed, one column a step.

    Raises:
        KeyError: the arm was not measured at ``last``.
    """
    wide = table(measurements[measurements["at"] <= last], quantity, arm)
    if last not in wide.columns:
        raise KeyError(f"{quantity} of {arm} was not measured at {last:g}")
    return wide


def difference(
    measurements: Measurements, quantity: str, first: str, second: str, at: float | None = None
) -> pd.Series[Any]:
    """A quantity of the first arm minus that of the second, by seed."""
    return values(measurements, quantity, first, at) - values(measurements, quantity, second, at)


def mean(measurements: Measurements, quantity: str, arm: str, at: float | None = None) -> float:
    """Mean over the seeds."""
    return float(values(measurements, quantity, arm, at).mean())


def largest(measurements: Measurements, quantity: str) -> float:
    """The largest value of a quantity; NaN where one is."""
    return float(select(measurements, quantity)["value"].max(skipna=False))


def row_slopes(wide: pd.DataFrame) -> list[float]:
    """Least-squares slope of each row against the size of its columns' names; NaN where a number is not finite."""
    places, rows = np.abs(wide.columns.to_numpy(dtype=float)), wide.to_numpy(dtype=float)
    return [float(np.polyfit(places, y, 1)[0]) if np.isfinite(y).all() else np.nan for y in rows]


# -- orders of magnitude -----------------------------------------------------------------------------------------------


def orders(numbers: Any) -> Any:
    """log10, elementwise, of a series or a table; a zero gives minus infinity."""
    with np.errstate(divide="ignore"):
        return np.log10(numbers)


def drop(measurements: Measurements, arm: str, at: float) -> pd.Series[Any]:
    """Orders of magnitude below the peak so far, log10 max_{s ≤ t} g(s) − log10 g(t), by seed; never negative.

    From the peak, because at first the critic is random and its gradient small. NaN where any g is.
    """
    logs = orders(until(measurements, "grad_norm", arm, at))
    lost: pd.Series[Any] = logs.max(axis=1, skipna=False) - logs[at]
    return lost


def growth(measurements: Measurements, arm: str, at: float, start: float = 0, quantity: str = "grad_norm") -> Any:
    """log10 of the quantity at ``at`` over that at ``start``, by seed: a series."""
    return orders(values(measurements, quantity, arm, at)) - orders(values(measurements, quantity, arm, start))


# -- notes -------------------------------------------------------------------------------------------------------------


def text(template: str, *effects: Callable[[Measurements], Any]) -> Callable[[Measurements], str]:
    """A note that states effects: the template's fields are filled in order."""
    return lambda measurements: template.format(*(effect(measurements) for effect in effects))


def medians(wide: pd.DataFrame) -> str:
    """The median of every column by its name."""
    return ", ".join(f"{name:g}: {median:.3g}" for name, median in wide.median().items())
