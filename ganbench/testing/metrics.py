"""What a metric gives: one finite number that is better for the real distribution than for another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from ganbench.errors import MetricError
from ganbench.interfaces.metric import Measured, Metric
from ganbench.testing.candidate import Candidate, Defect, Finding, Unchecked
from ganbench.testing.losses import foreign_randomness

CENTRES = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
N, AWAY = 300, 50.0


def measured(seed: int, n: int = N, away: float = 0.0) -> Measured:
    """Samples of three modes in the plane; further away, bad samples of a single mode."""
    rng = np.random.default_rng(seed)
    modes = rng.integers(len(CENTRES), size=n) if not away else np.zeros(n, dtype=np.int64)
    points = CENTRES[modes] + 0.3 * rng.standard_normal((n, 2)) + away
    good = np.full(n, not away)
    return Measured(points.astype(np.float32), points, modes.astype(np.int64), good, len(CENTRES))


def declared(subject: Candidate) -> Iterator[Defect]:
    """It says which direction is better, and in which unit it is."""
    if getattr(subject.cls, "direction", None) not in ("lower", "higher"):
        reason = f"direction is {getattr(subject.cls, 'direction', None)!r}"
        yield Defect("declared", reason, 'write direction = "lower" or "higher": what is better', "direction")
    if not isinstance(getattr(subject.cls, "unit", None), str):
        yield Defect("declared", "it has no unit", 'write unit = "...", such as "share" or "nats"', "unit")


def scalar(subject: Candidate) -> Iterator[Finding]:
    """It gives one finite number, also where there are fewer generated samples than real ones, and the reverse."""
    for fake, real in ((N, N), (N // 2, N), (N, N // 2)):
        try:
            value = subject.instance.value(measured(1, fake), measured(2, real))
        except MetricError as error:
            yield Unchecked("scalar", f"not defined for {fake} generated and {real} real samples: {error}")
            return
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            yield Defect("scalar", f"value gives {type(value).__name__}", "return float(...)", "type")
            return
        if not np.isfinite(value):
            reason = f"it is {value} for {fake} generated and {real} real samples"
            yield Defect("scalar", reason, "raise MetricError where it is not defined", "not-finite")
            return


def pure(subject: Candidate) -> Iterator[Defect]:
    """The same samples give the same number, whatever random numbers others draw, and stay as they are."""
    fake, real = measured(1), measured(2)
    before = foreign_randomness()
    first = subject.instance.value(fake, real)
    if foreign_randomness() != before:
        fix = "draw with np.random.default_rng(0), made in value"
        yield Defect("pure", "it draws from a generator that others use, too", fix, "other-generator")
    for mine, fresh in ((fake, measured(1)), (real, measured(2))):
        if any(
            not np.array_equal(getattr(mine, n), getattr(fresh, n)) for n in ("points", "features", "modes", "good")
        ):
            yield Defect("pure", "it changes its samples in place", "work on copies", "in-place")
            return
    if subject.instance.value(measured(1), measured(2)) != first:
        yield Defect(
            "pure",
            "it gives another number for the same samples",
            "no counter, clock or unseeded randomness",
            "unsteady",
        )


def direction(subject: Candidate) -> Iterator[Finding]:
    """Samples of the real distribution are better than bad samples of one mode far away."""
    real = measured(2)
    try:
        same, other = (float(subject.instance.value(measured(1, N, away), real)) for away in (0.0, AWAY))
    except MetricError as error:
        yield Unchecked("direction", str(error))
        return
    if not (same < other if subject.cls.direction == "lower" else same > other):
        reason = f"it is {same:.4g} for the real distribution and {other:.4g} for one far away"
        yield Defect(
            "direction", reason, f"{subject.cls.direction!r} is said to be better: mend direction or value", "turned"
        )


def protocol(subject: Candidate) -> Iterator[Defect]:
    """Its protocol begins with its name, and another setting, evaluator or number of samples makes another one."""
    own = subject.instance.protocol("toy", N)
    if not own.startswith(subject.cls.name):
        yield Defect(
            "protocol", f"{own!r} does not begin with its name", "leave protocol as it is in ganbench.Metric", "name"
        )
    for name, text in (
        ("evaluator", subject.instance.protocol("other", N)),
        ("n_samples", subject.instance.protocol("toy", N + 1)),
        *_settings(subject, own),
    ):
        if text == own:
            reason = f"another {name} has the same protocol {own!r}, so that different values mix"
            yield Defect(
                "protocol", reason, "let constants state every field that differs from its default", "ambiguous"
            )


def _settings(subject: Candidate, own: str) -> Iterator[tuple[str, str]]:
    """Every field with the protocol of a metric that has another value of it and gives another number."""
    fake, real = measured(1), measured(2)
    for field in dataclasses.fields(subject.cls):
        changed = _changed(subject, field.name)
        text = changed.protocol("toy", N) if changed else ""
        if changed and text == own and changed.value(fake, real) != subject.instance.value(fake, real):
            yield field.name, text


def _changed(subject: Candidate, name: str) -> Metric | None:
    """The metric with another value of one field; None where it takes none that is easily found."""
    value = getattr(subject.instance, name)
    if isinstance(value, bool):
        candidates: list[object] = [not value]
    elif isinstance(value, int | float):
        candidates = [type(value)(value / 2) or 1, value + 1, value * 2]
    else:
        return None
    for candidate in candidates:
        try:
            changed: Metric = dataclasses.replace(subject.instance, **{name: candidate})
        except Exception:  # a value that it refuses
            continue
        return changed
    return None
