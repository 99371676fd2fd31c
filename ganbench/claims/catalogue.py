"""All claims, by number: the ``CLAIMS`` of every module of this package."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from ganbench import claims
from ganbench.claims.claim import Claim
from ganbench.claims.experiment import Experiment
from ganbench.errors import UnknownNameError

MODULES = [
    import_module(f"ganbench.claims.{module.name}")
    for module in pkgutil.iter_modules(claims.__path__)
    if module.name not in ("catalogue", "run")
]
CLAIMS: tuple[Claim, ...] = tuple(
    sorted((claim for module in MODULES for claim in getattr(module, "CLAIMS", ())), key=lambda claim: claim.number)
)


def find_claims(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of these ids or numbers, in the catalogue's order; all of them where none is named.

    Raises:
        UnknownNameError: there is no such claim.
    """
    by_name = {name: claim for claim in CLAIMS for name in (claim.id, str(claim.number))}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("claim", name, [claim.id for claim in CLAIMS], "--claims")
    wanted = {by_name[name].id for name in names}
    return tuple(claim for claim in CLAIMS if not names or claim.id in wanted)


def experiments_of(claims: Sequence[Claim]) -> tuple[Experiment, ...]:
    """Every experiment that some claims need, once."""
    return tuple({experiment.name: experiment for claim in claims for experiment in claim.experiments}.values())
