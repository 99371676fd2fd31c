"""Fingerprints of source: those of ganbench's own classes are versions, as their modules are not looked at."""

import importlib
import inspect
import sys
from dataclasses import dataclass

import pytest
import torch
from refusals import refused

from ganbench import Dcgan, Mlp
from ganbench.errors import UsageError
from ganbench.metrics import METRICS
from ganbench.networks import ARCHITECTURES
from ganbench.plugins.fingerprint import former_hashes, is_made_by, source_hash, text_hash
from ganbench.plugins.former import FORMER
from ganbench.plugins.registry import load_plugins
from ganbench.runner.rerun import check_same_sources
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

FIRST = "ddd9c40767f9"  # of every architecture, in the addresses of trials of earlier versions

# By architecture and version: weights of both networks, mean size of a sample, and of its score, at seed 0.
# Where one of these changes, its class wants the next ``code_version``.
NUMBERS = {
    ("mlp", 1): (42115, 0.123577, 0.118119),
    ("mlp-512", 1): (1086979, 0.0324928, 0.0384151),
    ("mlp-pac", 1): (42371, 0.123577, 0.0545165),
    ("mlp-minibatch", 1): (52371, 0.123577, 0.267723),
    ("dcgan", 1): (83746, 0.104671, 0.000602887),
    ("dcgan-plain", 1): (58882, 0.00201269, 7.63192e-06),
    ("dcgan-pac", 1): (84258, 0.104671, 0.000655995),
    ("dcgan-minibatch", 1): (104242, 0.104671, 0.105011),
    ("dcgan-vbn", 1): (87842, 0.105143, 0.000494774),
    ("upconv", 1): (656306, 0.0253043, 0.205934),
}


@pytest.mark.parametrize("cls", ARCHITECTURES, ids=lambda cls: cls.name)
def test_the_first_version_is_the_one_of_stored_trials(cls):
    assert cls.code_version == 1
    assert FORMER[cls.name, FIRST] == source_hash(cls)
    assert former_hashes(cls) == (FIRST,)
    assert is_made_by(cls, FIRST)


def test_no_two_classes_of_ganbench_have_one_fingerprint():
    classes = [*ARCHITECTURES, *METRICS]
    assert len({source_hash(cls) for cls in classes}) == len(classes)


# Whose losses have changed since fingerprints became those of syntax trees; trials that were stored before are others'.
EDITED = ()


def test_objectives_are_those_of_stored_trials():
    now = {cls.name: source_hash(cls) for cls in load_plugins().objectives}
    recorded = {name: new for (name, _), new in FORMER.items() if name in now}
    assert {name for name in now if recorded.get(name) != now[name]} == set(EDITED)


def test_an_objective_with_another_docstring_has_the_addresses_of_its_stored_trials(monkeypatch):
    cls, getsource = load_plugins().objectives.find("wgan"), inspect.getsource
    (old,) = former_hashes(cls)
    monkeypatch.setattr(inspect, "getsource", lambda c: getsource(c).replace("Wasserstein GAN", "The Wasserstein GAN"))
    assert text_hash(cls) != old
    assert former_hashes(cls) == (old, text_hash(cls))
    monkeypatch.setattr(inspect, "getsource", lambda c: getsource(c).replace(".mean()", ".sum()"))
    assert not is_made_by(cls, old)
    assert former_hashes(cls) == (text_hash(cls),)


@pytest.mark.parametrize("cls", [Mlp, Dcgan, METRICS[0]], ids=lambda cls: cls.name)
def test_another_version_is_another_fingerprint(cls, monkeypatch):
    found = {source_hash(cls)}
    for version in (2, 3):
        monkeypatch.setattr(cls, "code_version", version)
        found.add(source_hash(cls))
    assert len(found) == 3


def test_what_is_derived_from_a_class_of_ganbench_has_its_version_too(monkeypatch):
    @dataclass(frozen=True)
    class Wider(Mlp):
        name = "wider"

    before = source_hash(Wider), source_hash(Dcgan)
    monkeypatch.setattr(Mlp, "code_version", 2)
    assert source_hash(Wider) != before[0]
    assert source_hash(Dcgan) == before[1]


MODULE = """
from dataclasses import dataclass
from ganbench import Mlp

@dataclass(frozen=True)
class Wider(Mlp):
    name = "wider"
    width: int = {width}
"""


@pytest.mark.parametrize("module", ["abcgan", "builtins_of_mine", "ganbench_mine"])
def test_a_plugins_source_counts_whatever_its_module_is_called(module, monkeypatch, tmp_path):
    found = []
    for width in (256, 512):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / f"{module}.py").write_text(MODULE.format(width=width))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)
        found.append(importlib.import_module(module).Wider)
        found[-1] = source_hash(found[-1]), text_hash(found[-1])
    monkeypatch.delitem(sys.modules, module)
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_a_class_without_a_source_is_known_by_its_name():
    names: dict = {"__name__": "notebook"}
    exec("class Made:\n    name = 'made'", names)
    assert source_hash(names["Made"]) == text_hash(names["Made"])
    assert former_hashes(names["Made"]) == ()


def test_a_trial_of_another_version_is_not_repeated(monkeypatch, tmp_path):
    registry = load_plugins()
    study = make_study(StudyConfig(objectives=("gan",), datasets=("ring",), seeds=(0,), steps=2), registry, tmp_path)
    check_same_sources(study.cohorts[0], registry, tmp_path)
    monkeypatch.setattr(Mlp, "code_version", 2)
    with refused(UsageError, subject="mlp", code="source"):
        check_same_sources(study.cohorts[0], registry, tmp_path)
    other = make_study(StudyConfig(objectives=("gan",), datasets=("ring",), seeds=(0,), steps=2), registry, tmp_path)
    assert other.trials()[0].id != study.trials()[0].id


def numbers_of(cls):
    shape = {"mlp": (2,), "dcgan": (1, 8, 8), "upconv": (1, 28, 28)}[cls.name.partition("-")[0]]
    torch.manual_seed(0)
    architecture = cls()
    generator, critic = architecture.generator(shape), architecture.critic(shape)
    with torch.no_grad():
        samples = generator(torch.randn(8, architecture.latent, generator=torch.Generator().manual_seed(0)))
        scores = critic(samples)
    weights = sum(w.numel() for network in (generator, critic) for w in network.parameters())
    return weights, float(samples.abs().mean()), float(scores.abs().mean())


@pytest.mark.parametrize("cls", ARCHITECTURES, ids=lambda cls: cls.name)
def test_networks_of_a_version_compute_what_they_did(cls):
    weights, *means = numbers_of(cls)
    expected, *known = NUMBERS[cls.name, cls.code_version]
    assert weights == expected
    assert means == pytest.approx(known, rel=1e-2)
