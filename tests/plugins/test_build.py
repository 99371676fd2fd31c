"""Fingerprints of source: those of ganbench's own classes are versions, as their modules are not looked at."""

from dataclasses import dataclass

import pytest
import torch
from refusals import refused

from ganbench import Dcgan, Mlp
from ganbench.errors import UsageError
from ganbench.metrics import METRICS
from ganbench.networks import ARCHITECTURES
from ganbench.plugins.build import source_hash
from ganbench.plugins.registry import load_plugins
from ganbench.runner.rerun import check_same_sources
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

FIRST = "ddd9c40767f9"  # stands in the address of every stored trial

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


@pytest.mark.parametrize("cls", [*ARCHITECTURES, *METRICS], ids=lambda cls: cls.name)
def test_the_first_version_keeps_the_addresses_of_stored_trials(cls):
    assert cls.code_version == 1
    assert source_hash(cls) == FIRST


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


@pytest.mark.parametrize("module", ["abcgan", "builtins_of_mine", "ganbench_mine"])
def test_a_plugins_source_counts_whatever_its_module_is_called(module, monkeypatch):
    @dataclass(frozen=True)
    class Wider(Mlp):
        name = "wider"

    monkeypatch.setattr(Wider, "__module__", module)
    assert source_hash(Wider) != FIRST


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
