"""Compiled programs: the same numbers but for rounding, the same bits whoever keeps a seed company, and a choice that
hangs on the work alone."""

import itertools
import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from ganbench_objectives.gan import Minimax
from ganbench_objectives.historical_averaging import HistoricalAveraging
from ganbench_objectives.wgan import WassersteinClip
from ganbench_objectives.wgan_gp import WassersteinPenalty
from refusals import refused
from tiers import spread
from toys import make_cohort, readings_of

from ganbench.datasets.digits import Digits
from ganbench.datasets.synthetic import Ring
from ganbench.engine import tracing
from ganbench.engine.cohort import restore, snapshot, training_flops
from ganbench.engine.loop import train
from ganbench.engine.readings import READINGS
from ganbench.errors import UsageError
from ganbench.networks import Dcgan, Mlp
from ganbench.plugins.isolation import set_precision
from ganbench.runner.trainer import build_cohort
from ganbench.spec import Protocol

COMPILES = pytest.mark.skipif(bool(tracing.missing_compiler()), reason="needs a C++ compiler")
LOSSES = [Minimax(), WassersteinClip(), WassersteinPenalty()]
RING = {"population": Ring().load(None), "architecture": Mlp()}
DIGITS = {"population": Digits().load(None), "architecture": Dcgan()}


@pytest.fixture(autouse=True)
def one_thread():
    """As processes on a processor have it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@COMPILES
@pytest.mark.parametrize("objective", spread(LOSSES))
def test_compiled_and_eager_agree_after_100_steps_in_float64(objective):
    """The largest difference that rounding has grown to: a GAN doubles it every few steps."""
    cohorts = [
        make_cohort(objective, steps=100, dtype=torch.float64, compiled=compiled, **RING) for compiled in (True, False)
    ]
    quick, plain = (readings_of(cohort) for cohort in cohorts)
    assert not torch.equal(quick, plain)  # else nothing was compiled
    torch.testing.assert_close(quick, plain, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(cohorts[0].generator.flat, cohorts[1].generator.flat, rtol=1e-6, atol=1e-9)


CASES = [("ring", Minimax(), RING, 70), ("digits", WassersteinClip(), DIGITS, 8)]
CASES = [(f"{case[0]}-{threads}", *case[1:], threads) for case in CASES for threads in (1, 2)]


@COMPILES
@pytest.mark.parametrize("case", spread(CASES, slow=("ring-2",), name=lambda case: case[0]))
def test_a_compiled_seed_has_the_same_bits_alone_in_company_and_again(case):
    _, objective, where, steps, threads = case
    torch.set_num_threads(threads)
    company = tuple(range(10)), (3,), tuple(range(10))
    among, alone, again = (
        readings_of(make_cohort(objective, seeds, steps, batch_size=64, compiled=True, **where)) for seeds in company
    )
    assert torch.equal(among[:, 3:4], alone)
    assert torch.equal(among, again)


@pytest.mark.soak
@COMPILES
def test_a_compiled_run_with_state_goes_on_from_a_snapshot():
    whole, first, second = (make_cohort(HistoricalAveraging(), steps=100, compiled=True) for _ in range(3))
    expected, chunk = readings_of(whole), next(train(first, set()))
    restore(second, snapshot(first), first.seeds)
    rest = [torch.from_numpy(s.readings) for s in train(second, set(), chunk)]
    assert torch.equal(torch.cat(rest), expected[64:])


@pytest.mark.slow
@COMPILES
def test_asked_for_it_is_compiled_and_else_it_is_not():
    config = make_cohort(Minimax()).config
    assert build_cohort(replace(config, compiled=True), (0, 1)).config.compiled
    assert not build_cohort(config, (0, 1)).config.compiled


# -- the choice --------------------------------------------------------------------------------------------------------


def test_the_work_of_a_seed_can_be_counted_by_hand():
    """Tiny: 4-16-2 and 2-16-1, batches of 16, a multiplication and an addition for every weight and sample."""
    generator, critic = 16 * 2 * (4 * 16 + 16 * 2), 16 * 2 * (2 * 16 + 16)
    to_weights = 16 * 2 * 2 * 16  # gradients of a first layer's weights
    update = generator + 2 * (critic + 16 * 2 * 16 * 2 + to_weights)  # fakes; scores, and both gradients of the head
    through = 16 * 2 * 16 + 16 * 2 * 2 * 16  # the critic's inputs: head, first layer
    move = generator + critic + through + 16 * 2 * (16 * 2 + 4 * 16 + 16 * 2)  # both gradients of 16-2, one of 4-16
    assert training_flops(make_cohort(Minimax(), steps=7)) == 7 * (update + move)


@pytest.mark.parametrize("where", [RING, DIGITS], ids=["ring", "digits"])
def test_the_work_of_a_seed_does_not_hang_on_its_company(where):
    counts = {
        training_flops(make_cohort(WassersteinPenalty(), seeds, **where))
        for seeds in ((3,), (0, 1, 2), tuple(range(10)))
    }
    assert len(counts) == 1


def test_more_steps_and_more_critic_updates_are_more_work():
    one = training_flops(make_cohort(Minimax(), steps=10))
    assert training_flops(make_cohort(Minimax(), steps=20)) == 2 * one
    assert 2 * one < training_flops(make_cohort(Minimax(n_critic=5), steps=10)) < 5 * one


@dataclass(frozen=True)
class Unrecorded(Minimax):
    traceable: ClassVar[bool] = False


def test_what_cannot_be_traced_is_not_compiled():
    assert not build_cohort(replace(make_cohort(Unrecorded()).config, compiled=True), (0,)).config.compiled


def test_without_a_compiler_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused(UsageError, subject="--compile", code="no-compiler", remedy="--compile off"):
        build_cohort(replace(make_cohort(Minimax()).config, compiled=True), (0,))


def test_a_compiler_that_fails_is_named(monkeypatch):
    def broken(program):
        raise RuntimeError("CppCompileError: no such header\nand more")

    monkeypatch.setattr("ganbench.engine.tracing.compile_program", broken)
    monkeypatch.setattr("ganbench.runner.trainer.require_compiler", lambda: None)
    with refused(UsageError, subject="--compile", code="compiler", remedy="--compile off") as caught:
        build_cohort(replace(make_cohort(Minimax()).config, compiled=True), (0,))
    assert "CppCompileError" in str(caught.value)


def test_compilation_is_part_of_the_address_where_it_is_asked_for():
    usual, compiled = Protocol(10, 8, 5), Protocol(10, 8, 5, compiled=True)
    assert "compiled" not in usual.settings()
    assert compiled.settings() == {**usual.settings(), "compiled": True}


def test_the_compiler_is_the_one_that_pytorch_would_take(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert tracing.missing_compiler() == str(tmp_path / "none")
    (tmp_path / "none").write_text("")
    os.chmod(tmp_path / "none", 0o755)
    assert tracing.missing_compiler() == ""


# -- precision ---------------------------------------------------------------------------------------------------------


def test_bf16_rounds_products_and_nothing_else():
    exact, rounded = (readings_of(make_cohort(Minimax(), precision=p, steps=3, **RING)) for p in ("float32", "bf16"))
    for name in ("critic_loss", "generator_loss", "critic_grad_norm", "generator_grad_norm"):
        column = READINGS.index(name)
        off = (rounded / exact - 1)[0, :, column].abs().max()
        assert 1e-6 < off < 0.05, name  # bfloat16 keeps eight bits
    cohort = make_cohort(Minimax(), precision="bf16", **RING)
    assert cohort.generator.flat.dtype == torch.float32


@pytest.mark.parametrize("objective", spread(LOSSES, slow=("gan",)))
def test_bf16_is_recorded_with_the_same_numbers(objective):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cohort = make_cohort(objective, precision="bf16", steps=40, **RING)
        found = readings_of(cohort)
    assert any(p.made for p in cohort.traced.values())
    plain = make_cohort(objective, precision="bf16", steps=40, **RING)
    plain.critic_gradient, plain.generator_gradient = plain._critic_gradient, plain._generator_gradient
    assert torch.equal(found, readings_of(plain))


@pytest.mark.slow
def test_a_seed_in_bf16_has_the_same_bits_alone_and_in_company():
    for where, objective in itertools.product((RING, DIGITS), (Minimax(), WassersteinClip())):
        among, alone = (
            readings_of(make_cohort(objective, seeds, 4, precision="bf16", **where))
            for seeds in (tuple(range(6)), (3,))
        )
        assert torch.equal(among[:, 3:4], alone), (where, objective.name)


def test_a_setting_says_float32_unless_told_otherwise():
    config = make_cohort(Minimax()).config
    assert (config.precision, config.compiled) == ("float32", False)
    assert replace(config, compiled=True) != config


def test_another_precision_is_another_trial_and_the_usual_one_is_not_named():
    usual, other = Protocol(10, 8, 5), Protocol(10, 8, 5, precision="bf16")
    assert "precision" not in usual.settings()
    assert other.settings() == {**usual.settings(), "precision": "bf16"}


def test_tensorfloat_is_off_unless_it_is_asked_for():
    for precision, wanted in (("tf32", True), ("bf16", False), ("tf32", True), ("float32", False)):
        set_precision(precision)
        assert torch.backends.cuda.matmul.allow_tf32 is wanted
        assert torch.backends.cudnn.allow_tf32 is wanted


# -- a whole run -------------------------------------------------------------------------------------------------------


@pytest.mark.soak
@COMPILES
def test_a_compiled_run_is_repeated_to_the_bit(tmp_path):
    run = ["run", "--objectives", "wgan", "--datasets", "ring", "--seeds", "2", "--steps", "70", "--no-probe"]
    for arguments in ([*run, "--compile", "on", "--out", "a"], [*run, "--compile", "off", "--out", "b"]):
        subprocess.run([sys.executable, "-m", "ganbench", *arguments], cwd=tmp_path, check=True, capture_output=True)
    compiled, plain = (sorted((tmp_path / name / "trials").iterdir())[1] for name in ("a", "b"))
    assert compiled.name != plain.name  # its numbers differ in rounding
    found = [json.loads((folder / "run.json").read_text())["compile"] for folder in (compiled, plain)]
    assert [(f["asked"], f["compiled"]) for f in found] == [("on", True), ("off", False)]
    again = [sys.executable, "-m", "ganbench", "rerun"]
    for folder in (compiled, plain):
        done = subprocess.run([*again, folder], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout  # the numbers are the same
