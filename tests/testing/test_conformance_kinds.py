"""The conformance kit on datasets, architectures, metrics and trackers: clean ones pass, every defect is told."""

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from places import ROOT
from torch import nn

from ganbench import Architecture, CriticNetwork, DataError, Dataset, Evaluator, Measured, Metric, Population
from ganbench.errors import UnknownNameError
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.registry import load_plugins
from ganbench.testing import check_architecture, check_dataset, check_metric, check_tracker, examine

DEFECTS = []


def defect(check, code, *details):
    """Marks a class or a function that has one defect: the check that finds it, the code, and what its reason names."""

    def mark(target):
        made = target
        if isinstance(target, type):
            target.__doc__ = target.__doc__ or target.__mro__[1].__doc__
            made = dataclass(frozen=True)(target)
        DEFECTS.append(pytest.param(made, check, code, details, id=target.__name__))
        return target

    return mark


# -- datasets --------------------------------------------------------------------------------------------------------


class Judge(Evaluator):
    name = "judge"
    n_modes = 1

    def measure(self, points):
        n, values = len(points), points.flatten(1).numpy()
        return Measured(values, values.astype(np.float64), np.zeros(n, np.int64), np.ones(n, bool), 1)


class Points(Population):
    """A finite set in the plane, of which the last samples are held out."""

    sample_shape = (2,)
    n_modes = 1
    n_samples = 100
    fingerprint = "points"

    def __init__(self, used=150):
        self.used, self.all = used, torch.randn(200, 2, generator=torch.Generator().manual_seed(0))

    def draw(self, shape, rng):
        return torch.randint(self.used, shape, generator=rng)

    def take(self, tickets):
        return self.all[tickets]

    def to(self, device):
        return self

    def reference(self, n):
        return self.all[150:][:n]

    def hold_out(self, n):
        return self, self.reference(n)

    def evaluator(self):
        return Judge()


@dataclass(frozen=True)
class CleanData(Dataset):
    """Two hundred points."""

    name = "points"

    def load(self, root):
        return Points()


def dataset_of(*expected):
    """Marks a population with one defect."""

    def mark(population):
        def load(self, root):
            return population()

        defect(*expected)(type(f"Of{population.__name__}", (CleanData,), {"load": load, "__doc__": "Points."}))
        return population

    return mark


@dataset_of("load", "described", "sample_shape is [2]")
class ShapeIsAList(Points):
    sample_shape = [2]  # noqa: RUF012


@dataset_of("load", "described", "fingerprint is ''")
class NoFingerprint(Points):
    fingerprint = ""


@dataset_of("drawing", "unsteady")
class OwnRandomness(Points):
    def draw(self, shape, rng):
        return torch.randint(self.used, shape)


@dataset_of("drawing", "constant")
class OneBatch(Points):
    def draw(self, shape, rng):
        return torch.zeros(shape, dtype=torch.int64)


@dataset_of("drawing", "shape", "torch.float64")
class Doubles(Points):
    def take(self, tickets):
        return super().take(tickets).double()


@dataset_of("drawing", "range", "255")
class Bytes(Points):
    sample_shape = (1, 4, 4)

    def take(self, tickets):
        return torch.full((*tickets.shape, 1, 4, 4), 255.0) - tickets[..., None, None, None] % 2


@dataset_of("reference", "unsteady")
class MovingReference(Points):
    def reference(self, n):
        return torch.randn(n, 2)


@dataset_of("held_out", "drawn")
class NothingHeldOut(Points):
    def __init__(self):
        super().__init__(used=200)


@dataset_of("held_out", "drawn-moved")
class NothingHeldOutElsewhere(Points):
    def to(self, device):
        return Points(used=200)


@dataset_of("evaluator", "name", "'My judge'")
class JudgeWithoutAName(Points):
    def evaluator(self):
        judge = Judge()
        judge.name = "My judge"
        return judge


@dataset_of("evaluator", "n-modes", "2", "1")
class ModesThatNobodyFinds(Points):
    n_modes = 2


@defect("class", "abstract", "load")
class DataWithoutLoad(Dataset):
    name = "points"


@defect("methods", "arguments", "load")
class LoadFromNowhere(CleanData):
    def load(self):
        return Points()


ABSENT = "points.csv is missing: fetch it"


@dataclass(frozen=True)
class Absent(CleanData):
    """Points in a file."""

    def load(self, root):
        raise DataError(ABSENT)


def test_a_dataset_without_its_files_is_judged_by_what_it_says_of_itself():
    found = examine(Absent)
    assert found.defects == ()
    assert {u.check for u in found.unchecked} >= {"load", "drawing", "reference", "held_out", "evaluator"}
    assert ABSENT in {u.reason for u in found.unchecked}


# -- architectures ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CleanNetworks(Architecture):
    """A hidden layer each.

    Attributes:
        width: of it.
    """

    name = "small"
    width: int = 8

    def generator(self, sample_shape):
        last = [nn.Linear(self.width, prod(sample_shape)), nn.Tanh(), nn.Unflatten(1, sample_shape)]
        return nn.Sequential(nn.Linear(self.latent, self.width), *self.inner(), *last)

    def critic(self, sample_shape):
        first = nn.Linear(prod(sample_shape), self.width)
        return CriticNetwork(nn.Sequential(nn.Flatten(), first, *self.inner()), self.width)

    def inner(self):
        return [nn.Tanh()]

    def check(self, sample_shape):
        pass


@defect("shapes", "refuses-all")
class RefusesAll(CleanNetworks):
    def check(self, sample_shape):
        from ganbench import UsageError

        raise UsageError("no")


@defect("outputs", "type", "Sequential")
class CriticWithoutFeatures(CleanNetworks):
    def critic(self, sample_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(sample_shape), 1))


@defect("outputs", "shape", "generator", "(1, 4)")
class GeneratorOfAnotherShape(CleanNetworks):
    def generator(self, sample_shape):
        return nn.Linear(self.latent, 4)


@defect("outputs", "range", "generator")
class ImagesWithoutBounds(CleanNetworks):
    def generator(self, sample_shape):
        return nn.Sequential(nn.Linear(self.latent, prod(sample_shape)), nn.Unflatten(1, sample_shape))


@defect("pure", "buffers", "2.running_mean")
class RunningStatistics(CleanNetworks):
    def generator(self, sample_shape):
        first = [nn.Linear(self.latent, self.width), nn.Tanh(), nn.BatchNorm1d(self.width)]
        last = [nn.Linear(self.width, prod(sample_shape)), nn.Tanh(), nn.Unflatten(1, sample_shape)]
        return nn.Sequential(*first, *last).eval()


@defect("pure", "unsteady")
class Dropout(CleanNetworks):
    def inner(self):
        return [nn.Tanh(), nn.Dropout(0.5)]


@defect("initial", "unseeded")
class WeightsOfNumPy(CleanNetworks):
    def critic(self, sample_shape):
        critic = super().critic(sample_shape)
        critic.head.bias.data.fill_(float(np.random.rand()))
        return critic


@defect("initial", "constant")
class WeightsOfZeros(CleanNetworks):
    def critic(self, sample_shape):
        critic = super().critic(sample_shape)
        for weight in critic.parameters():
            weight.data.fill_(0.1)
        return critic


class Centred(nn.Module):
    def forward(self, x):
        return x - x.mean(dim=0)


@defect("coupling", "batch")
class CouplesInSecret(CleanNetworks):
    def inner(self):
        return [nn.Tanh(), Centred()]


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x


@defect("gradients", "idle", "weight of a generator")
class IdleWeights(CleanNetworks):
    def inner(self):
        return [nn.Tanh(), Idle()]


@defect("penalty", "none")
class NoSecondDerivative(CleanNetworks):
    def critic(self, sample_shape):
        critic = super().critic(sample_shape)
        critic.body = Detached(critic.body)
        return critic


class Detached(nn.Module):
    """Its slope by the samples is constant."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x.detach()) + 0 * x.flatten(1).sum(1, keepdim=True)


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else 2 * x


@defect("vmap", "refused")
class BranchOnAValue(CleanNetworks):
    def generator(self, sample_shape):
        return nn.Sequential(super().generator(sample_shape), Branches(), nn.Hardtanh())


# -- metrics ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CleanMetric(Metric):
    """The distance of means: Pearson (1901).

    Attributes:
        n: samples that it looks at.
    """

    name = "mean-gap"
    direction = "lower"
    unit = "of the features"
    n: int = 200

    def value(self, fake, real):
        return float(np.linalg.norm(fake.features[: self.n].mean(0) - real.features[: self.n].mean(0)))


@defect("docstring", "no-source")
class MetricOfADream(CleanMetric):
    """The distance of means.

    Attributes:
        n: samples that it looks at.
    """


@defect("declared", "direction", "'down'")
class WrongDirection(CleanMetric):
    direction = "down"


@defect("scalar", "type", "ndarray")
class ValueOfEveryFeature(CleanMetric):
    def value(self, fake, real):
        return fake.features.mean(0) - real.features.mean(0)


@defect("scalar", "not-finite", "nan")
class NotANumber(CleanMetric):
    def value(self, fake, real):
        return float("nan")


@defect("scalar", "ValueError")
class PairsOfSamples(CleanMetric):
    def value(self, fake, real):
        return float(np.linalg.norm(fake.features - real.features))


@defect("pure", "in-place")
class SortsInPlace(CleanMetric):
    def value(self, fake, real):
        fake.features.sort(axis=0)
        return super().value(fake, real)


@defect("pure", "other-generator")
class GlobalRandomness(CleanMetric):
    def value(self, fake, real):
        return super().value(fake, real) + 1e-6 * np.random.rand()


CALLS = []


@defect("pure", "unsteady")
class Counter(CleanMetric):
    def value(self, fake, real):
        CALLS.append(1)
        return super().value(fake, real) + len(CALLS)


@defect("direction", "turned")
class TurnedRound(CleanMetric):
    direction = "higher"


@defect("protocol", "ambiguous", " n ")
class SilentSetting(CleanMetric):
    def constants(self, n_samples):
        return {}


# -- trackers --------------------------------------------------------------------------------------------------------


@defect("arguments", "unknown", "'rows'")
def asks_for_rows(trial, rows):
    pass


@defect("arguments", "default", "'tables'")
def default_argument(trial, tables=None):
    pass


@defect("endings", "IndexError", "failed before its first step")
def reads_the_last_row(trial, tables):
    tables["steps"].iloc[-1]


@defect("endings", "FileExistsError", "diverged")
def makes_its_folder_once(trial, folder):
    (folder / "mine").mkdir(parents=True)


@defect("files", "beside", "trials.txt")
def writes_beside_others(trial, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trials.txt").write_text(trial["trial"])


@defect("files", "current-folder", "trials.txt")
def writes_anywhere(trial):
    Path("trials.txt").write_text(trial["trial"])


# -- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "check", "code", "details"), DEFECTS)
def test_a_defect_is_told_by_its_code(target, check, code, details):
    found = examine(target).defects
    told = [d for d in found if (d.check, d.code) == (check, code) and all(text in d.reason for text in details)]
    assert told, "\n".join(map(repr, found)) or "no defect was found"
    assert told[0].fix
    assert "\n" not in str(told[0])


def test_clean_ones_have_no_defect_and_it_is_said_what_no_check_can_tell():
    def tracker(trial, tables, folder):
        place = folder / "mine"
        place.mkdir(parents=True, exist_ok=True)
        tables["steps"].to_csv(place / f"{trial['trial']}.csv")

    checked = {}
    for target in (CleanData, CleanNetworks, CleanMetric(n=50), tracker):
        found = examine(target)
        assert found.defects == ()
        assert found.unchecked
        checked[found.kind] = set(found.checked)
    assert set(checked) == {"dataset", "architecture", "metric", "tracker"}
    assert "held_out" in checked["dataset"]


def test_what_is_of_another_kind_is_refused():
    for check in (check_dataset, check_architecture, check_metric):
        (found,) = check(int)
        assert (found.check, found.code) == ("class", "no-subclass")
    assert check_tracker(None)[0].check == "arguments"
    with pytest.raises(UnknownNameError):
        check_metric(CleanMetric, without=["directions"])
    assert not check_metric(load_of("TurnedRound"), without=["direction"])


def load_of(name):
    return next(p.values[0] for p in DEFECTS if p.id == name)


READY = ("ring", "swissroll", "digits")  # datasets without files to fetch; the other synthetic ones are like ring
ALL = [
    *(("dataset", cls) for cls in load_plugins().datasets if cls.name in READY),
    *(("architecture", cls) for cls in load_plugins().architectures),
    *(("metric", cls) for cls in load_plugins().metrics),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "cls"), ALL, ids=[f"{kind}-{cls.name}" for kind, cls in ALL])
def test_first_party_ones_have_no_defect(kind, cls):
    assert examine(cls, kind).defects == ()


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["ganbench-spectral", "ganbench-tensorboard"])
def test_first_party_distributions_have_no_defect(call, plugin):
    if plugin == "ganbench-tensorboard":
        pytest.importorskip("tensorboard")
    code, out, err = call("plugin", "check", ROOT / "plugins" / plugin)
    assert code == 0, out
    assert "not checked" in err


def test_the_plugins_of_the_documents_have_no_defect(call, tmp_path):
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = {m[1]: m[2] for m in re.finditer(r"```python\n# (my_\w+\.py)\n(.*?)```", text, re.DOTALL)}
    assert len(blocks) == 4
    for name, source in blocks.items():
        (tmp_path / name).write_text(source)
        code, out, err = call("plugin", "check", name)
        assert (code, out.splitlines()[-1].split(": ")[1]) == (0, "no defect"), out
        assert "checked" in err
    assert load_plugins([], files=read_plugin_files(["my_metric.py"])).metrics.names() == ["energy"]
