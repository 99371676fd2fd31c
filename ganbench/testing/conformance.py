"""The lists of checks, one for each kind of plugin, and what runs them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ganbench.errors import UnknownNameError
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Dataset
from ganbench.interfaces.metric import Metric
from ganbench.interfaces.objective import Objective
from ganbench.testing import (
    architectures,
    datasets,
    declaration,
    dirac,
    engine,
    losses,
    metrics,
    trackers,
)
from ganbench.testing import (
    losses as gradients,
)
from ganbench.testing import (
    losses as rounding,
)
from ganbench.testing.candidate import Candidate, Check, Defect, Examination, Finding, Unchecked, code_of, raised

DECLARED: tuple[Check, ...] = (
    declaration.name,
    declaration.docstring,
    declaration.fields,
    declaration.serialisable,
    declaration.methods,
)


@dataclass(frozen=True)
class Kit:
    """What is checked of one kind of plugin.

    Attributes:
        base: the contract.
        stages: checks, in the order in which they are made.
        fatal: checks after whose stage nothing more can be told, where they find a defect.
        needed: checks after whose stage nothing more can be told, where they cannot be made.
        never: what no check of this kind can tell.
    """

    base: type[Any]
    stages: tuple[tuple[Check, ...], ...]
    fatal: frozenset[str]
    never: tuple[Unchecked, ...]
    needed: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        """Of all checks; ``class`` and ``randomness`` are parts of others."""
        return ["class", "randomness", *(check.__name__ for stage in self.stages for check in stage)]

    def stops(self, finding: Finding) -> bool:
        """Whether nothing more can be told after it."""
        return finding.check in (self.fatal if isinstance(finding, Defect) else self.needed)


NO_GPU = Unchecked("gpu", "everything ran on the CPU")

KITS: Mapping[str, Kit] = {
    "objective": Kit(
        Objective,
        (
            DECLARED,
            (losses.scalar,),
            (losses.repeatable, losses.inputs),
            (losses.precision, losses.draws, losses.devices, losses.batches, losses.axes),
            (
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
                dirac.sides,
                dirac.dirac,
                engine.training,
            ),
        ),
        frozenset({"methods", "scalar", "repeatable", "inputs", "randomness", "batches", "axes"}),
        (NO_GPU, Unchecked("source", "whether the losses are those of the paper, but for a closed form that is given")),
    ),
    "dataset": Kit(
        Dataset,
        (DECLARED, (datasets.load,), (datasets.drawing, datasets.reference, datasets.held_out, datasets.evaluator)),
        frozenset({"methods", "load"}),
        (NO_GPU, Unchecked("content", "whether these are the samples that the dataset is known for")),
        frozenset({"load"}),
    ),
    "architecture": Kit(
        Architecture,
        (
            DECLARED,
            (architectures.shapes,),
            (architectures.outputs,),
            (
                architectures.pure,
                architectures.initial,
                architectures.coupling,
                architectures.gradients,
                architectures.penalty,
                architectures.vmap,
            ),
        ),
        frozenset({"methods", "shapes", "outputs"}),
        (NO_GPU, Unchecked("training", "whether these networks learn")),
    ),
    "metric": Kit(
        Metric,
        (DECLARED, (metrics.declared, metrics.scalar), (metrics.pure, metrics.direction, metrics.protocol)),
        frozenset({"methods", "declared", "scalar"}),
        (Unchecked("source", "whether the number is that of the paper; compare it with another implementation"),),
        frozenset({"scalar"}),
    ),
    "tracker": Kit(
        object,
        ((trackers.inputs,), (trackers.endings,), (trackers.files,)),
        frozenset({"arguments", "endings"}),
        (Unchecked("content", "whether what it keeps is right, and whatever it sends elsewhere"),),
    ),
}


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
    return list(examine(target, "objective", without).defects)


def check_dataset(target: Any, without: Collection[str] = ()) -> list[Defect]:
    """What is wrong with a dataset, class or instance; without its files, only with what the class says of itself."""
    return list(examine(target, "dataset", without).defects)


def check_architecture(target: Any, without: Collection[str] = ()) -> list[Defect]:
    """What is wrong with an architecture, class or instance, on small vectors and images that it accepts."""
    return list(examine(target, "architecture", without).defects)


def check_metric(target: Any, without: Collection[str] = ()) -> list[Defect]:
    """What is wrong with a metric, class or instance, on a toy distribution of three modes."""
    return list(examine(target, "metric", without).defects)


def check_tracker(target: Any, without: Collection[str] = ()) -> list[Defect]:
    """What is wrong with a function ``ganbench_trial_finished``. It is called, in a temporary folder."""
    return list(examine(target, "tracker", without).defects)


def examine(target: Any, kind: str = "", without: Collection[str] = ()) -> Examination:
    """All that the kit says of a plugin's class, instance or function: its defects, and what was not checked.

    Args:
        target: what is judged.
        kind: one of KITS; by the target's own base class unless given.
        without: names of checks to leave out.

    Raises:
        UnknownNameError: there is no check of such a name.
    """
    kind = kind or _kind_of(target)
    kit = KITS[kind]
    for name in without:
        if name not in kit.names():
            raise UnknownNameError("check", name, kit.names(), "without")
    title = str(getattr(target, "name", getattr(target, "__name__", target)))
    instance = target if kind == "tracker" else declaration.instance_of(target, kit.base)
    if isinstance(instance, Defect):
        missed = [Unchecked(name, "it cannot be made") for name in kit.names()[2:]]
        return Examination(kind, title, (instance,), ("class",), (*missed, *kit.never))
    return _examined(kind, title, Candidate(instance, kit.base), without)


def _kind_of(target: Any) -> str:
    cls = target if isinstance(target, type) else type(target)
    found = [kind for kind, kit in KITS.items() if kit.base is not object and issubclass(cls, kit.base)]
    return found[0] if found else "tracker" if inspect.isroutine(target) else "objective"


def _examined(kind: str, title: str, subject: Candidate, without: Collection[str]) -> Examination:
    kit, checked, stopped = KITS[kind], [], ""
    findings: list[Finding] = [Unchecked(name, "left out") for name in without]
    for stage in kit.stages:
        for check in stage:
            if check.__name__ in without:
                continue
            if stopped:
                findings.append(Unchecked(check.__name__, f"needs {stopped}", stopped))
                continue
            checked.append(check.__name__)
            findings += [f for f in _run(check, subject) if f.check not in without]
        stopped = stopped or next((f.check for f in findings if kit.stops(f) and f.check not in without), "")
    defects = tuple(f for f in findings if isinstance(f, Defect))
    unchecked = tuple(f for f in findings if isinstance(f, Unchecked))
    skipped = {f.check for f in unchecked} - {f.check for f in defects}
    return Examination(kind, title, defects, tuple(n for n in checked if n not in skipped), (*unchecked, *kit.never))


def _run(check: Check, subject: Candidate) -> list[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(check(subject))
    except (Exception, SystemExit) as error:  # a third party's code may raise anything
        fix = f"ganbench.testing: {_purpose(check)}"
        return [Defect(check.__name__, raised(error, subject.file), fix, code_of(error))]


def _purpose(check: Check) -> str:
    return (check.__doc__ or "").partition("\n")[0]
