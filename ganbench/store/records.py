"""What stored records hold: the fields of every JSON file in a results folder, with their types and bounds.

A results folder may come from anywhere. Reading gives a record with the fields described here, or raises DamageError.
Fields that are not described are kept. Fields with a default may be absent, as they are in results of older versions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from copy import copy
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ganbench.errors import DamageError, UsageError
from ganbench.store import schema

LARGEST = 2**63 - 1  # what a column of whole numbers holds
LONGEST = 10**6  # letters of a text
INVISIBLE = ("Cc", "Cs", "Zl", "Zp")  # categories of Unicode: control characters, halves of letters, line ends
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the direction of text


def _encodable(text: str) -> str:
    text.encode()  # halves of surrogate pairs raise a ValueError
    return text


def _one_line(text: str) -> str:
    hidden = (unicodedata.category(letter) in INVISIBLE or letter in TURNING for letter in text)
    if not text.isprintable() and any(hidden):  # all of them are not printable
        raise ValueError("control characters")
    return text


def _one_place(name: str) -> str:
    if name in (".", "..") or any(letter in name for letter in "/\\"):
        raise ValueError("a name that leads elsewhere")
    return name


Count = Annotated[int, Field(ge=0, le=LARGEST)]
Size = Annotated[int, Field(ge=0, le=10**9)]  # of what a run is asked for
Positive = Annotated[int, Field(ge=1, le=10**9)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(_encodable)]
Name = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_one_line)]
FileName = Annotated[Name, AfterValidator(_one_place)]
Fields = dict[str, Any]


class Part(BaseModel):
    """A part of a record; fields that are not described are kept."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())


class Record(Part):
    """What all sealed records have: the schema's version, and the checksums of the files beside them."""

    version: Count = Field(0, alias="schema")
    files: dict[Text, Text] = {}
    pending: dict[Text, Text] = {}


class Request(Part):
    """What one command asked of a study."""

    command: Text = ""
    trials: list[Name] = []
    out: Text | None = None


class Study(Record):
    """``study.json``."""

    requests: list[Request]


class Origin(Part):
    """Where a dataset, an architecture or an objective came from: a distribution, or a file that nobody installed."""

    distribution: Text = ""
    version: Text = ""
    file: Text = ""


class Probe(Part):
    """The protocol of a probe."""

    generator_steps: list[Size] = Field(min_length=1)
    critic_steps: Size


class Pace(Part):
    """Whether a trial's programs were compiled."""

    compiled: bool = False


class Run(Record):
    """``run.json``: how a trial ended."""

    trial: Name
    status: Literal["completed", "diverged", "failed"]
    last_step: Count
    wall_seconds: Finite
    attempts: Count
    device: Name
    error: Text
    versions: Fields
    error_type: Text = ""
    log: Text = ""
    vectorised: bool = True
    cohort: list[Count] = []
    compile: Pace | None = None
    probe: Probe | None = None
    origins: dict[str, Origin | None] = {}
    machine: Fields | None = None
    git: Fields | None = None
    command: Text = ""
    finished: Text = ""


class Component(Part):
    """A dataset, an architecture or an objective, as the settings of a trial describe it."""

    name: Name
    fields: Fields
    code: Text


class Settings(Part):
    """All that determines a trial's numbers besides its seed."""

    dataset: Component
    architecture: Component
    objective: Component
    steps: Positive
    batch_size: Positive
    evaluate_every: Positive
    n_samples: Size
    engine: Count
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    compiled: bool = False


class Trial(Part):
    """``trial.json``: what was asked of a trial."""

    version: Count = Field(0, alias="schema")
    trial: Name
    dataset: Name
    architecture: Name
    objective: Name
    seed: Count
    settings: Settings


class EvaluationRow(Part):
    """One metric's value, as a checkpoint keeps it."""

    step: Count
    metric: Name
    value: float
    n_samples: Count
    protocol: Text


class ModesRow(Part):
    """How many samples each mode had at one step, as a checkpoint keeps it."""

    step: Count
    samples: list[Count]
    captured: list[bool]


SeedText = Annotated[str, Field(pattern="^[0-9]{1,19}$")]


class Checkpoint(Record):
    """``checkpoint.json``: how far a cohort is."""

    settings: Fields
    seeds: list[Count] = Field(min_length=1)
    trials: list[FileName]
    step: Count = Field(ge=1)
    evaluations: dict[SeedText, list[EvaluationRow]]
    modes: dict[SeedText, list[ModesRow]]
    wall_seconds: Finite
    made_with: Fields
    files: dict[FileName, Text] = Field(min_length=1, max_length=1)


class Combined(Record):
    """``combined/index.json``: under which ``run.json`` the rows of each trial were copied."""

    made_with: Text
    columns: dict[Text, dict[Text, Text]]
    trials: dict[Text, Text]
    stamps: dict[Text, dict[Text, list[int]]]


class Floor(Record):
    """A floor in the user's cache."""

    metric: Name
    value: float
    standard_error: float
    repetitions: Count
    n_samples: Count
    protocol: Text


def validated(path: Path, kind: type[Part], record: Mapping[str, Any]) -> dict[str, Any]:
    """The record, with the defaults of fields that it lacks.

    Raises:
        UsageError: it was written by a newer ganbench.
        DamageError: a field is missing, or is not what it has to be.
    """
    check_schema(path, record)
    try:
        kind.model_validate(record)
    except (ValidationError, RecursionError) as error:
        raise DamageError(
            f"{path} is damaged ({_reason(error)}); the command that made it makes it again",
            subject=path,
            code="fields",
        ) from None
    return {**{name: copy(default) for name, default in _defaults(kind).items()}, **record}


def check_schema(path: Path, record: Mapping[str, Any]) -> None:
    """Raises UsageError where a record or a results folder was written by a newer ganbench."""
    found = record.get("schema")
    if isinstance(found, int) and not isinstance(found, bool) and found > schema.VERSION:
        number = found if found < LARGEST else "of a very large number"
        raise UsageError(
            f"{path} was written by a newer ganbench (schema {number}, this one reads {schema.VERSION}): upgrade",
            subject=path,
            code="newer",
        )


@cache
def _defaults(kind: type[Part]) -> dict[str, Any]:
    own = {name: field for name, field in kind.model_fields.items() if name not in Record.model_fields}
    return {name: field.get_default() for name, field in own.items() if not field.is_required()}


def _reason(error: ValidationError | RecursionError) -> str:
    """Which field is not what it has to be, on one line and without what it holds."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in first["loc"])
    return f"{place[:200]}: {first['msg']}"
