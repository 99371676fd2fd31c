"""What a dataset gives: samples that belong to their seed, a reference, held-out samples and an evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ganbench.datasets.root import data_root
from ganbench.errors import DataError, UsageError
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.metric import Measured
from ganbench.plugins.loading import refusal, valid_name
from ganbench.rng import generator as stream
from ganbench.testing.candidate import Candidate, Defect, Finding, Unchecked
from ganbench.testing.losses import foreign_randomness

HELD, DRAWN, MEASURED = 64, 4000, 50  # samples
CPU = torch.device("cpu")


def load(subject: Candidate) -> Iterator[Finding]:
    """It loads as a Population that says what its samples are; where its files are absent, no more can be told."""
    try:
        population = subject.instance.load(data_root())
    except (DataError, UsageError) as error:
        yield Unchecked("load", str(error))
        return
    if not isinstance(population, Population):
        reason = f"load gives {type(population).__name__}"
        yield Defect("load", reason, "return an instance of a subclass of ganbench.Population", "type")
        return
    subject.found["population"] = population
    for name, (holds, wanted) in DESCRIBED.items():
        value = getattr(population, name, None)
        if not holds(value):
            yield Defect("load", f"{name} is {value!r}", f"wanted {wanted}", "described")


def _whole(least: int) -> Any:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


DESCRIBED = {
    "sample_shape": (
        lambda v: isinstance(v, tuple) and len(v) in (1, 3) and all(map(_whole(1), v)),
        "(size,) for vectors or (channels, height, width) for images",
    ),
    "n_modes": (_whole(0), "a whole number, 0 where no modes are known"),
    "n_samples": (_whole(2), "a whole number of at least 2"),
    "fingerprint": (lambda v: isinstance(v, str) and bool(v), "text that changes whenever the data change"),
}


def drawing(subject: Candidate) -> Iterator[Defect]:
    """Draws come from the generator that is given; samples are finite float32 of the right shape, images in [-1, 1]."""
    population = subject.found["population"]
    before = torch.get_rng_state(), foreign_randomness()
    tickets, again, other = (population.draw((2, 300), stream(seed, "toy-real")) for seed in (0, 0, 1))
    fix = "draw with generator=rng"
    if not torch.equal(tickets, again):
        yield Defect("drawing", "the same generator gives other samples at a second call", fix, "unsteady")
    elif torch.equal(tickets, other):
        yield Defect("drawing", "every generator gives the same samples", fix, "constant")
    if not torch.equal(torch.get_rng_state(), before[0]) or foreign_randomness() != before[1]:
        yield Defect("drawing", "draw uses a generator that belongs to no seed", fix, "other-generator")
    if tickets.device != CPU or tuple(tickets.shape[:2]) != (2, 300):
        reason = f"draw((2, 300), rng) gives tickets of shape {tuple(tickets.shape)} on {tickets.device}"
        yield Defect("drawing", reason, "wanted (2, 300) or (2, 300, *sample_shape) on the CPU", "tickets")
        return
    yield from _samples("drawing", "take", population.take(tickets), (2, 300, *population.sample_shape))


def reference(subject: Candidate) -> Iterator[Defect]:
    """The reference is the same samples every time, at most as many as were asked for, and any number of them."""
    population = subject.found["population"]
    for n in (1, MEASURED):
        first, again = population.reference(n), population.reference(n)
        wanted = (min(n, len(first)), *population.sample_shape)
        if len(first) == 0:
            yield Defect("reference", f"reference({n}) is empty", "give real samples", "empty")
            return
        yield from _samples("reference", f"reference({n})", first, wanted)
        if not torch.equal(first, again):
            reason = f"reference({n}) gives other samples at a second call"
            yield Defect(
                "reference", reason, "draw them with a generator of a fixed seed, made at each call", "unsteady"
            )


def held_out(subject: Candidate) -> Iterator[Defect]:
    """What is held out is never drawn for training, on any device."""
    for where, population in (("", subject.found["population"]), (" after .to(device)", _moved(subject))):
        rest, held = population.hold_out(HELD)
        wanted = (min(HELD, len(held)), *population.sample_shape)
        yield from _samples("held_out", f"hold_out({HELD})", held, wanted)
        drawn = rest.take(rest.draw((DRAWN,), stream(0, "toy-real")))
        seen = {row.numpy().tobytes() for row in drawn.contiguous()}
        share = sum(row.numpy().tobytes() in seen for row in held.contiguous()) / len(held)
        if share > 0.5:
            reason = f"{share:.0%} of the samples that are held out{where} are drawn for training, too"
            code = "drawn-moved" if where else "drawn"
            yield Defect("held_out", reason, "let hold_out return a population without them", code)


def _moved(subject: Candidate) -> Population:
    population: Population = subject.found["population"]
    return population.to(CPU)


def evaluator(subject: Candidate) -> Iterator[Finding]:
    """The evaluator has a name and measures every sample: finite features, and modes among those that it knows."""
    population = subject.found["population"]
    try:
        judge = population.evaluator()
        measured = judge.measure(population.reference(MEASURED))
    except DataError as error:
        yield Unchecked("evaluator", str(error))
        return
    if not valid_name(getattr(judge, "name", None)):
        yield Defect(
            "evaluator", f"its name is {getattr(judge, 'name', None)!r}", refusal(getattr(judge, "name", "")), "name"
        )
    if not isinstance(measured, Measured):
        yield Defect("evaluator", f"measure gives {type(measured).__name__}", "return ganbench.Measured(...)", "type")
        return
    n = len(population.reference(MEASURED))
    sizes = {name: len(getattr(measured, name)) for name in ("points", "features", "modes", "good")}
    wrong = [name for name, size in sizes.items() if size != n]
    if wrong:
        yield Defect(
            "evaluator", f"{n} samples have {sizes[wrong[0]]} {wrong[0]}", "give one row for each sample", "size"
        )
    elif measured.n_modes != judge.n_modes or judge.n_modes != population.n_modes:
        reason = (
            f"n_modes is {population.n_modes}, of the evaluator {judge.n_modes}, of the measured {measured.n_modes}"
        )
        yield Defect("evaluator", reason, "say the same number in all three", "n-modes")
    elif measured.n_modes and not (measured.modes.min() >= 0 and measured.modes.max() < measured.n_modes):
        reason = f"modes run from {measured.modes.min()} to {measured.modes.max()}, and there are {measured.n_modes}"
        yield Defect("evaluator", reason, "number them from 0", "modes")


def _samples(check: str, what: str, samples: Tensor, wanted: tuple[int, ...]) -> Iterator[Defect]:
    if tuple(samples.shape) != wanted or samples.dtype != torch.float32:
        reason = f"{what} gives {samples.dtype} of shape {tuple(samples.shape)}"
        yield Defect(check, reason, f"wanted torch.float32 of shape {wanted}", "shape")
    elif not samples.isfinite().all():
        yield Defect(
            check, f"{what} gives values that are not finite", "leave out rows with missing values", "not-finite"
        )
    elif len(wanted) > 3 and samples.abs().max() > 1:
        reason = f"{what} gives images with values up to {samples.abs().max().item():.3g}"
        yield Defect(check, reason, "scale images to [-1, 1]", "range")
