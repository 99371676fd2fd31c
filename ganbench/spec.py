"""A trial: dataset × architecture × objective × settings × seed, as a frozen description with an address."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

ENGINE = 4  # raised whenever the same settings would give other numbers, so that old results are not taken for new ones


PRECISIONS = ("float32", "tf32", "bf16")


@dataclass(frozen=True)
class Component:
    """A dataset, an architecture or an objective with all its fields, as plain data.

    Attributes:
        kind: ``dataset``, ``architecture`` or ``objective``.
        name: its name; ``dist:name`` where two distributions share it.
        label: what tables call it: the name, with the settings that were swept or differ from the default.
        fields: every hyper-parameter.
        code: fingerprint of the class's syntax tree, or of the data: an edited plugin makes new trials.
        place: fields that say where the data lie. They determine no number and are in no address; the code tells
            whether the data are the same.
        former: the fingerprints that earlier versions gave the same source: trials may be stored under them.
    """

    kind: str
    name: str
    label: str
    fields: Mapping[str, Any]
    code: str
    place: Mapping[str, Any] = field(default_factory=dict)
    former: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """What determines numbers: all but the label, the place and former fingerprints."""
        return {"name": self.name, "fields": dict(self.fields), "code": self.code}

    def codes(self) -> tuple[str, ...]:
        """Its fingerprint and, behind it, the former ones."""
        return self.code, *self.former


@dataclass(frozen=True)
class Protocol:
    """What is the same for every trial of a study: the budget and how samples are evaluated.

    Attributes:
        steps: generator updates.
        batch_size: samples in every batch, real and fake.
        evaluate_every: steps between evaluations; the first is at step 0, the last at the end.
        n_samples: samples in an evaluation; 0 takes the dataset's own number.
        precision: of the networks' arithmetic while they are trained: one of PRECISIONS.
        compiled: whether PyTorch's compiler makes the programs, which changes rounding.
    """

    steps: int
    batch_size: int
    evaluate_every: int
    n_samples: int = 0
    precision: str = PRECISIONS[0]
    compiled: bool = False

    def settings(self) -> dict[str, Any]:
        """All of it; precision and compilation only where they are not the default: they were not always recorded."""
        usual = {"precision": PRECISIONS[0], "compiled": False}
        return {name: value for name, value in vars(self).items() if name not in usual or value != usual[name]}

    def evaluations(self) -> list[int]:
        """The steps at which samples are evaluated."""
        return sorted({*range(0, self.steps + 1, self.evaluate_every), self.steps})


@dataclass(frozen=True)
class ProbeProtocol:
    """The frozen-generator experiment: Arjovsky & Bottou (2017), figures 2 and 3.

    Attributes:
        generator_steps: the ages of the generators that are frozen, in steps of the reference objective.
        critic_steps: updates of each fresh critic.
        cut: whether the samples that readings are taken on are cut out of the training table, as there is no test
            split. Records of such data without it are of probes that were read on training samples.
    """

    generator_steps: tuple[int, ...]
    critic_steps: int
    cut: bool = False

    @classmethod
    def of(cls, recorded: Mapping[str, Any] | None) -> ProbeProtocol | None:
        """The protocol that ``run.json`` records; None where a trial has no probe."""
        if not recorded:
            return None
        return cls(tuple(recorded["generator_steps"]), recorded["critic_steps"], bool(recorded.get("cut")))

    def settings(self) -> dict[str, Any]:
        """All of it; ``cut`` only where it is true, as it was not always recorded."""
        return {name: value for name, value in vars(self).items() if name != "cut" or value}

    def moments(self) -> list[int]:
        """The critic steps at which readings are taken: 0, 1, 2, 5, 10, 20, 50, ... and the last."""
        spaced = {m * 10**e for e in range(7) for m in (1, 2, 5)}
        return sorted({0, self.critic_steps, *(s for s in spaced if s < self.critic_steps)})


class Shard(ABC):
    """What an executor hands to a worker, as plain data: a cohort, or a part of an experiment.

    Attributes:
        seeds: what it can be split by; one entry where it cannot be split.
    """

    seeds: tuple[int, ...]

    @property
    @abstractmethod
    def name(self) -> str:
        """What progress displays call it."""

    @abstractmethod
    def identity(self) -> tuple[Hashable, ...]:
        """What tells it from every other shard of a run."""

    @abstractmethod
    def work(self) -> int:
        """Steps to be done for each seed."""

    @abstractmethod
    def cost(self) -> float:
        """Roughly proportional to the time that it takes; the costliest shards are started first."""

    @abstractmethod
    def trials(self) -> list[Trial]:
        """What its results are stored as, one a seed."""

    @abstractmethod
    def with_seeds(self, seeds: Iterable[int]) -> Self:
        """The same with other seeds."""


@dataclass(frozen=True)
class CohortSpec(Shard):
    """Trials that differ in nothing but the seed."""

    dataset: Component
    architecture: Component
    objective: Component
    protocol: Protocol
    seeds: tuple[int, ...]
    probe: ProbeProtocol | None = None
    train: bool = True  # False where the trials are there already and lack only the probe

    def identity(self) -> tuple[Hashable, ...]:
        """What tells it from every other shard of a run."""
        return self.name, self.seeds, self.train

    def cost(self) -> float:
        """Updates of both players in training, and of critics in the probe, over all seeds."""
        training = (self.objective.fields.get("n_critic", 1) + 1.5) * self.protocol.steps if self.train else 0.0
        return float(len(self.seeds) * (training + self.work()))

    def components(self) -> tuple[Component, Component, Component]:
        """Dataset, architecture and objective."""
        return self.dataset, self.architecture, self.objective

    def work(self) -> int:
        """Steps to be done for each seed, of training and of probing."""
        probing = len(self.probe.generator_steps) * self.probe.critic_steps if self.probe else 0
        return probing + (self.protocol.steps if self.train else 0)

    def settings(self) -> dict[str, Any]:
        """All that determines the numbers of these trials' training, besides the seed. The probe stands apart."""
        parts = {c.kind: c.settings() for c in self.components()}
        return {**parts, **self.protocol.settings(), "engine": ENGINE}

    def trials(self) -> list[Trial]:
        """One trial a seed."""
        labels = (self.dataset.label, self.architecture.label, self.objective.label)
        settings = canonical(self.settings())
        return [Trial(*labels, seed, settings) for seed in self.seeds]

    def with_seeds(self, seeds: Iterable[int]) -> Self:
        """The same cohort with other seeds."""
        return replace(self, seeds=tuple(seeds))

    @property
    def name(self) -> str:
        """What progress displays call it."""
        return f"{self.dataset.label} · {self.architecture.label} · {self.objective.label}"


@dataclass(frozen=True)
class Trial:
    """One run of one seed.

    Attributes:
        dataset, architecture, objective: labels.
        seed: the integer that all its randomness descends from.
        settings: canonical JSON of all else that determines its numbers.
    """

    dataset: str
    architecture: str
    objective: str
    seed: int
    settings: str

    @property
    def id(self) -> str:
        """Its address: readable in front, the hash of everything that determines its numbers behind."""
        digest = hashlib.blake2b(f"{self.settings}|{self.seed}".encode(), digest_size=8).hexdigest()
        return f"{slug(self.objective)}-s{self.seed}-{digest}"


def canonical(value: Any) -> str:
    """JSON that is the same text whenever the value is the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=list)


def slug(text: str) -> str:
    """A file name out of any text: never a path, never empty, never long."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:48] or "x"


def printable(text: str) -> str:
    """Text on one line without control characters, escape sequences or marks of direction; those are written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
