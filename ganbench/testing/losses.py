"""What the losses give: finite scalars, for any batch and any samples, that look at nothing but their arguments."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ganbench.draws import DrawSpec
from ganbench.passes import Passes
from ganbench.testing.defect import Defect
from ganbench.testing.subject import LOSSES, Subject
from ganbench.testing.toys import DOUBLE, Case, value_of

VECTORS, GREY, COLOUR = (2,), (1, 8, 8), (3, 8, 8)
CASES = [
    *(Case(shape, batch) for shape in (VECTORS, GREY) for batch in (1, 5, 8)),
    Case(COLOUR, 5),
    Case(VECTORS, 6, m=2),
]
LATE = Case(step=1000, progress=1.0)


def scalar(subject: Subject) -> Iterator[Defect]:
    """Both losses are finite scalar tensors for batch 1, odd batches, vectors and images."""
    for loss in LOSSES:
        for case in CASES:
            found = subject.attempt("scalar", str(case), partial(_value, subject, loss, case))
            if isinstance(found, Defect):
                yield found
                break
            if not found.isfinite():
                reason = f"{loss} is {found.item()} for {case}"
                yield Defect("scalar", reason, "no logarithm or root of zero, and no spread of a single sample")
                break


def _value(subject: Subject, loss: str, case: Case) -> Tensor:
    passes = case.passes(subject.objective)
    return value_of(subject.objective, passes, loss, case.arguments(passes, loss)).detach()


def precision(subject: Subject) -> Iterator[Defect]:
    """Losses keep the precision of their samples."""
    for loss in LOSSES:
        value = _value(subject, loss, Case(dtype=DOUBLE))
        if value.dtype != DOUBLE:
            reason = f"{loss} gives {value.dtype} where samples are {DOUBLE}"
            yield Defect("precision", reason, "drop .float() and dtype=; use x.new_zeros(...) for constants")


def repeatable(subject: Subject) -> Iterator[Defect]:
    """The same seed gives the same numbers, and the random numbers of Python and NumPy stay untouched."""
    case = Case()
    passes = case.passes(subject.objective)
    for loss in LOSSES:
        arguments, before = case.arguments(passes, loss), _foreign_randomness()
        first, again = (value_of(subject.objective, passes, loss, arguments).item() for _ in range(2))
        touched = [name for name, found in _foreign_randomness().items() if found != before[name]]
        if touched:
            fix = "draw from draw.normal_like(x) or draw.uniform(*shape)"
            yield Defect("repeatable", f"{loss} uses Python's {touched[0]}", fix)
        elif first != again:
            reason = f"{loss} gives {first:.6g} and then {again:.6g} for the same arguments"
            yield Defect("repeatable", reason, "no counter, clock or randomness but draw; carry state in init_state")


def _foreign_randomness() -> dict[str, object]:
    """Where the generators stand that a loss may not use."""
    _, key, position, *_ = np.random.get_state()
    return {"random": random.getstate(), "numpy.random": (bytes(key), position)}  # type: ignore[arg-type]


def inputs(subject: Subject) -> Iterator[Defect]:
    """Losses change none of their arguments."""
    case = Case()
    passes = case.passes(subject.objective)
    for loss in LOSSES:
        used = case.arguments(passes, loss)
        fresh = case.begun(passes)._replace(numbers=[n.clone() for n in used.numbers])
        value_of(subject.objective, passes, loss, used)
        for part, what in CHANGED.items():
            pairs = zip(*(pytree.tree_leaves(getattr(a, part)) for a in (used, fresh)), strict=True)
            if not all(torch.equal(a, b) for a, b in pairs):
                yield Defect("inputs", f"{loss} changes {what} in place", "write it without in-place operations")


CHANGED = {
    "critic": "the critic's weights",
    "generator": "the generator's weights",
    "state": "draw.state",
    "numbers": "what draw gives",
}


def draws(subject: Subject) -> Iterator[Defect]:
    """A loss draws the same shapes at every step, for they are drawn ahead."""
    early = Case()
    passes = early.passes(subject.objective)
    for loss in LOSSES:
        arguments = early.arguments(passes, loss)
        first, last = (passes.rehearse(loss, arguments._replace(clock=case.clock())) for case in (early, LATE))
        if first != last:
            reason = f"{loss} draws {_shapes(first)} at the first step and {_shapes(last)} at the last"
            yield Defect("draws", reason, "always draw, and multiply by zero where it is not wanted")


def _shapes(specs: Sequence[DrawSpec]) -> str:
    return ", ".join(f"{kind} {shape}" for kind, shape in specs) or "nothing"


def devices(subject: Subject) -> Iterator[Defect]:
    """Losses make no tensor on a device of their own."""
    case = Case(device="meta")
    passes: Passes = case.passes(subject.objective)
    for loss in LOSSES:
        try:
            value_of(subject.objective, passes, loss, case.arguments(passes, loss))
        except RuntimeError as error:
            if "device" in str(error):
                reason = f"{loss} mixes a tensor on the CPU with samples that lie elsewhere"
                yield Defect("devices", reason, "make constants with x.new_zeros(...) or torch.zeros_like(x)")
        except Exception:  # tensors without numbers cannot do all that others can; other checks have run the loss
            continue
