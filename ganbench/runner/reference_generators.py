"""The generators that probes freeze: trained once by one reference objective, the same for every objective probed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load as parse_tensors
from torch import Tensor

from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.loop import train
from ganbench.errors import DamageError
from ganbench.interfaces.executor import RunContext
from ganbench.spec import CohortSpec, Component, canonical
from ganbench.store import schema
from ganbench.store.files import read_record, replace_files, tensor_bytes
from ganbench.store.folder import StudyFolder
from ganbench.store.locks import Lock, waited_for
from ganbench.store.results import read_file

OBJECTIVE = "ganbench:nsgan"  # it learns where minimax may stall, and its critic needs no constraint

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class References:
    """Where the frozen generators of a study lie: one file a seed and age, and beside them one record a seed.

    Attributes:
        store: the results folder.
        config: population, architecture and batch size; the objective is the reference's.
        key: hash of all that determines the generators besides their seed and age.
    """

    store: StudyFolder
    config: TrainingConfig
    key: str

    @property
    def folder(self) -> Path:
        """``references`` in the results folder."""
        return self.store.path / "references"

    def exist(self) -> bool:
        """Whether some of them are stored."""
        return any(self.folder.glob(f"{self.key}-s*.json"))

    def file(self, seed: int, age: int) -> Path:
        """The generator of a seed after ``age`` steps."""
        return self.folder / f"{self.key}-s{seed}-{age}.safetensors"

    def generators(
        self,
        seeds: Sequence[int],
        ages: Sequence[int],
        pause: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> dict[int, list[Weights]]:
        """For each age the weights of every seed's generator.

        What is missing or damaged is trained, once, by the first process that asks.

        Args:
            seeds: one generator each.
            ages: after how many steps.
            pause: called while others are waited for and between blocks of steps; what it raises ends that.
            say: gets a sentence about who is waited for.
        """
        self.store.make(self.folder)
        with ExitStack() as locks:
            for seed in sorted(seeds):  # always in the same order, so that nobody waits in a circle
                lock = Lock(self.folder / f".{self.key}-s{seed}", self.store.path)
                locks.enter_context(waited_for(lock, f"the reference generator of seed {seed}", say, pause))
            for seed in seeds:
                for remains in self.folder.glob(f".{self.key}-s{seed}[-.]*.part"):  # of a process that was killed
                    self.store.remove(remains)
            found = {seed: self._read(seed, ages) for seed in seeds}
            missing = tuple(seed for seed in seeds if found[seed] is None)
            if missing:
                self._train(missing, set(ages), pause)
                found |= {seed: self._read(seed, ages) for seed in missing}
        return {age: [(found[seed] or {})[age] for seed in seeds] for age in ages}

    def _read(self, seed: int, ages: Sequence[int]) -> dict[int, Weights] | None:
        """A seed's generators by age; None where one is missing or is not what was written."""
        try:
            record = read_record(self._record(seed)) or {}
            contents = {age: read_file(self.folder, record, self.file(seed, age).name) for age in ages}
        except DamageError:
            for path in self.folder.glob(f"{self.key}-s{seed}[-.]*"):
                self.store.remove(path)
            return None
        return {age: parse_tensors(c) for age, c in contents.items() if c} if all(contents.values()) else None

    def _record(self, seed: int) -> Path:
        return self.folder / f"{self.key}-s{seed}.json"

    def _train(self, seeds: tuple[int, ...], ages: set[int], pause: Callable[[], None]) -> None:
        cohort = Cohort(replace(self.config, steps=max(ages)), seeds)
        for chunk in train(cohort, ages):
            pause()
            for k, seed in enumerate(seeds if chunk.last in ages else ()):
                weights = {name: w[k] for name, w in cohort.generator.weights.items()}
                file, about = self.file(seed, chunk.last), {"schema": schema.VERSION, "seed": seed, "key": self.key}
                replace_files(self._record(seed), about, {file.name: tensor_bytes(weights)}, self.store.path)


def open_references(context: RunContext, spec: CohortSpec, config: TrainingConfig, objective: Component) -> References:
    """The references of a cohort's dataset, architecture and batch size.

    Args:
        context: the cohort runs.
        spec: the cohort that is to be probed.
        config: its setting, with the reference objective in place of its own.
        objective: the reference objective, described.
    """
    store = StudyFolder(Path(context.results))
    known = [References(store, config, key_of(spec, replace(objective, code=c))) for c in objective.codes()]
    return next((references for references in known if references.exist()), known[0])


def key_of(spec: CohortSpec, objective: Component) -> str:
    """Hash of all that determines the reference generators of a cohort besides their seed and age."""
    parts = {**replace(spec, objective=objective).settings(), "steps": 0, "evaluate_every": 0, "n_samples": 0}
    return hashlib.blake2b(canonical(parts).encode(), digest_size=6).hexdigest()
