"""The list of checks, and what runs them."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

from ganbench.errors import UnknownNameError
from ganbench.testing import declaration, dirac, engine, gradients, losses, rounding
from ganbench.testing.defect import Defect, raised
from ganbench.testing.subject import Check, Subject

DECLARED: tuple[Check, ...] = (
    declaration.name,
    declaration.docstring,
    declaration.fields,
    declaration.serialisable,
    declaration.methods,
)
RUNS: tuple[Check, ...] = (losses.scalar, losses.repeatable, losses.inputs)
KEPT: tuple[Check, ...] = (
    losses.precision,
    losses.draws,
    losses.devices,
    gradients.players,
    gradients.differences,
    rounding.rounding,
    engine.vmap,
    engine.recorded,
    engine.estimate,
    engine.constrain,
    engine.state,
    engine.critic_steps,
    dirac.signs,
    dirac.dirac,
    engine.training,
)
FATAL = {"methods", *(check.__name__ for check in RUNS), "randomness"}  # after these nothing more can be told
NAMES = ("class", "randomness", *(check.__name__ for check in (*DECLARED, *RUNS, *KEPT)))


def check_objective(target: Any, without: Collection[str] = ()) -> list[Defect]:
    """What is wrong with an objective: nothing, where the list is empty.

    A class that gives its Dirac-GAN in closed form, as a method ``dirac(self, psi, theta)`` that returns the gradients
    (∂ critic loss/∂ψ, ∂ generator loss/∂θ) with real mass at 0, generator at θ and critic ψx, is compared with it.

    Args:
        target: a class, judged with its defaults, or an instance.
        without: names of checks to leave out, such as ``differences`` where the paper stops a gradient on purpose.

    Raises:
        UnknownNameError: there is no check of such a name.
    """
    for name in without:
        if name not in NAMES:
            raise UnknownNameError("check", name, NAMES, "without")
    objective = declaration.instance_of(target)
    if isinstance(objective, Defect):
        return [objective]
    subject, found = Subject(objective), []
    for stage in (DECLARED, RUNS[:1], RUNS[1:], KEPT):
        defects = [d for check in stage if check.__name__ not in without for d in _run(check, subject)]
        found += [d for d in defects if d.check not in without]
        if any(d.check in FATAL for d in defects):
            break
    return found


def _run(check: Check, subject: Subject) -> list[Defect]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(check(subject))
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything
        return [Defect(check.__name__, raised(error, subject.file), f"ganbench.testing: {_purpose(check)}")]


def _purpose(check: Check) -> str:
    return (check.__doc__ or "").partition("\n")[0]
