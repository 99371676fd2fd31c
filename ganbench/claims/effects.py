"""How the norm of the generator's gradient goes as a critic learns: drops and growths in orders of magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ganbench.claims.experiment import Measurements, values


def course(measurements: Measurements, quantity: str, arm: str, last: float) -> pd.DataFrame:
    """A quantity at every moment up to ``last``: one row a seed, one column a number of critic updates.

    Raises:
        KeyError: the arm was not measured at ``last``.
    """
    chosen = measurements[(measurements["quantity"] == quantity) & (measurements["arm"] == arm)]
    wide = chosen[chosen["at"] <= last].pivot(index="seed", columns="at", values="value").sort_index()
    if last not in wide.columns:
        raise KeyError(f"{quantity} of {arm} was not measured at {last:g}")
    return wide


def drop(measurements: Measurements, arm: str, at: float) -> pd.Series[Any]:
    """Orders of magnitude below the peak so far, log10 max_{s ≤ t} g(s) − log10 g(t), by seed; never negative.

    From the peak, because at first the critic is random and its gradient small. NaN where any g is.
    """
    logs = orders(course(measurements, "grad_norm", arm, at))
    lost: pd.Series[Any] = logs.max(axis=1, skipna=False) - logs[at]
    return lost


def growth(measurements: Measurements, arm: str, at: float, start: float = 0, quantity: str = "grad_norm") -> Any:
    """log10 of the quantity at ``at`` over that at ``start``, by seed: a series."""
    return orders(values(measurements, quantity, arm, at)) - orders(values(measurements, quantity, arm, start))


def orders(found: Any) -> Any:
    """log10, elementwise, of a series or a table; a zero gives minus infinity."""
    with np.errstate(divide="ignore"):
        return np.log10(found)


def mean(measurements: Measurements, quantity: str, arm: str, at: float) -> float:
    """Mean over the seeds, for notes."""
    return float(values(measurements, quantity, arm, at).mean())
