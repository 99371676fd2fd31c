"""The conformance kit: clean objectives pass, first-party ones too, and every seeded defect is told by its reason."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from refusals import refused
from tiers import spread
from torch.nn.functional import logsigmoid

from ganbench import Objective, Optimizer, softplus
from ganbench.errors import UnknownNameError
from ganbench.plugins.registry import load_plugins
from ganbench.testing import Defect, check_objective, examine


@dataclass(frozen=True)
class Clean(Objective):
    """The non-saturating GAN: Goodfellow et al. (2014), Section 3, with a weight.

    Attributes:
        weight: of the generator's loss.
    """

    name = "clean"
    aliases = ("clean-one",)
    classifier = True

    weight: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).mean() + softplus(critic(fake)).mean()

    def generator_loss(self, critic, real, fake, draw):
        return self.weight * softplus(-critic(fake)).mean()


DEFECTS = []


def defect(check, code, *details, **given):
    """Marks a class that has one defect: the check that finds it, the code, and what else its reason has to name."""

    def mark(cls):
        cls.__doc__ = given.get("doc", Clean.__doc__)
        made = cls if given.get("bare") else dataclass(frozen=True)(cls)
        DEFECTS.append(pytest.param(made, check, code, details, id=cls.__name__))
        return cls

    return mark


# -- what the class says of itself -----------------------------------------------------------------------------------


@defect("class", "not-frozen", bare=True)
class NotADataclass(Clean):
    extra = 1


@defect("class", "no-default", "'must'")
class NoDefault(Clean):
    must: float = field(kw_only=True)


@defect("class", "raises", "ValueError: never")
class NoStart(Clean):
    def __post_init__(self):
        raise ValueError("never")


@defect("name", "invalid-name", "'Clean GAN'")
class UnspeakableName(Clean):
    name = "Clean GAN"


@defect("name", "aliases", "'other'")
class AliasIsText(Clean):
    aliases = "other"


@defect("name", "invalid-name", "'clean-v1.5'")
class NameWithADot(Clean):
    name = "clean-v1.5"


@defect("docstring", "none", "NoDocstring", doc=None)
class NoDocstring(Clean):
    pass


@defect("docstring", "no-source", doc="A loss that came to me in a dream.")
class NoSource(Clean):
    pass


@defect("fields", "undocumented", "'slope'")
class UndocumentedField(Clean):
    slope: float = 0.2


@defect("fields", "no-annotation", "'slope'")
class FieldWithoutAnnotation(Clean):
    slope = 0.2


@defect("serialisable", "unrecordable", "weight = tensor(1.)")
class TensorField(Clean):
    weight: torch.Tensor = torch.tensor(1.0)


@defect("serialisable", "changed-by-json", "weight = (1.0,)")
class FieldOfAnotherType(Clean):
    weight: list = (1.0,)

    def generator_loss(self, critic, real, fake, draw):
        return self.weight[0] * softplus(-critic(fake)).mean()


@defect("serialisable", "mutable", "slopes")
class ListAsADefault(Clean):
    slopes: list = field(default_factory=lambda: [0.2, 0.5])


@defect("methods", "arguments", "constrain")
class ConstraintOfNothing(Clean):
    def constrain(self):
        return {}


@defect("methods", "absent", "generator_loss")
class MissingMethod(Objective):
    name = "clean"
    weight: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake) - critic(real)).mean()


@defect("methods", "arguments", "critic_loss")
class WrongArguments(Clean):
    def critic_loss(self, critic, real, fake):
        return softplus(critic(fake) - critic(real)).mean()


# -- what the losses give --------------------------------------------------------------------------------------------


@defect("scalar", "scalar", "(1,)")
class NoMean(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)) + softplus(critic(fake))


@defect("scalar", "scalar", "float")
class PythonNumber(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).mean().item()


@defect("scalar", "not-finite", "generator_loss", "nan", "batch of 1 ")
class SpreadOfOne(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean() + critic(fake).std()


@defect("scalar", "RuntimeError", "batch of 5 ", "(2,)")
class HalvesOfABatch(Clean):
    def critic_loss(self, critic, real, fake, draw):
        a = critic(real)
        half = (len(a) + 1) // 2
        return super().critic_loss(critic, real, fake, draw) + 0.1 * (a[:half] - a[-(len(a) // 2) or None :]).mean()


@defect("scalar", "RuntimeError", "(1, 8, 8)")
class VectorsOnly(Clean):
    def critic_loss(self, critic, real, fake, draw):
        between = fake + draw.uniform(len(real), 1) * (real - fake)
        return super().critic_loss(critic, real, fake, draw) + 0.1 * critic(between).square().mean()


@defect("scalar", "IndexError", "(2,)")
class ImagesOnly(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0 * fake.mean(dim=(2, 3)).sum()


@defect("scalar", "few", "packs of 2")
class OneSampleAtATime(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-torch.cat([critic(x) for x in real.split(1)])).mean() + softplus(critic(fake)).mean()


@defect("precision", "dtype", "critic_loss", "torch.float32")
class SinglePrecision(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw).float()


# -- a mean over samples, and penalties on each of them ----------------------------------------------------------------


@defect("batches", "sum", "critic_loss")
class SumOverTheBatch(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).sum() + softplus(critic(fake)).sum()


@defect("batches", "divisor", "generator_loss")
class SumOverAFixedNumber(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).sum() / 64


@defect("batches", "factor", "critic_loss")
class TimesTheBatchSize(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return len(real) * super().critic_loss(critic, real, fake, draw)


class _Penalised(Clean):
    def critic_loss(self, critic, real, fake, draw):
        points = real + self.share(real, draw) * (fake - real)
        norms = self.norms(torch.func.grad(lambda x: critic(x).sum())(points))
        return critic(fake).mean() - critic(real).mean() + self.weight * (norms - 1).square().mean()

    def share(self, real, draw):
        return draw.uniform(len(real), *[1] * (real.ndim - 1))

    def norms(self, slopes):
        return (slopes.flatten(1).square().sum(1) + 1e-12).sqrt()


@defect("batches", "penalty", "critic_loss")
class PenaltyOverTheBatch(_Penalised):
    def norms(self, slopes):
        return slopes.norm(dim=0)


@defect("axes", "penalty", "critic_loss")
class PenaltyOverTheChannels(_Penalised):
    def norms(self, slopes):
        return (slopes.square().sum(1) + 1e-12).sqrt()


@defect("draws", "shared", "critic_loss", "uniform (1,)")
class SharedInterpolation(_Penalised):
    def share(self, real, draw):
        return draw.uniform(1)


# -- randomness ------------------------------------------------------------------------------------------------------


@defect("randomness", "randomness", "aten.randn_like")
class TorchRandomness(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real + torch.randn_like(real), fake, draw)


@defect("repeatable", "randomness", "generator_loss", "numpy.random")
class NumpyRandomness(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) * (1 + np.random.rand())


@defect("repeatable", "randomness", "critic_loss", "random")
class PythonRandomness(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) * (1 + random.random())


CALLS = []


@defect("repeatable", "unsteady")
class HiddenCounter(Clean):
    def critic_loss(self, critic, real, fake, draw):
        CALLS.append(1)
        return super().critic_loss(critic, real, fake, draw) * (1 + len(CALLS))


@defect("draws", "varying", "critic_loss", "normal (8, 2)")
class DrawsForAWhile(Clean):
    def critic_loss(self, critic, real, fake, draw):
        noise = 0.1 * draw.normal_like(real) if draw.progress < 0.5 else 0
        return super().critic_loss(critic, real + noise, fake, draw)


# -- what they may not touch -----------------------------------------------------------------------------------------


@defect("inputs", "in-place", "its inputs")
class SamplesInPlace(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real.mul_(0.9), fake, draw)


@defect("inputs", "in-place", "critic_loss", "the critic's weights")
class WeightsInPlace(Clean):
    def critic_loss(self, critic, real, fake, draw):
        for w in critic.weights.values():
            w.clamp_(-0.01, 0.01)
        return super().critic_loss(critic, real, fake, draw)


@defect("devices", "cpu", "critic_loss")
class CpuConstant(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0 * (critic(real) - torch.ones(len(real))).mean()


@defect("players", "no-gradient", "generator_loss")
class DetachedFake(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake.detach(), draw)


@defect("players", "no-gradient", "critic_loss")
class DetachedScores(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake).detach() - critic(real).detach()).mean()


@defect("players", "other-player", "critic_loss")
class DecayOfTheGenerator(Clean):
    def critic_loss(self, critic, real, fake, draw):
        decay = sum(w.square().sum() for w in draw.generator_weights.values())
        return super().critic_loss(critic, real, fake, draw) + 0.01 * decay


@defect("players", "not-finite", "generator_loss")
class RootOfZero(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) + (fake - fake).square().sum().sqrt()


@defect("differences", "slope", "critic_loss")
class StoppedGradient(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0.5 * critic(real).detach().square().mean()


@defect("rounding", "precision", "generator_loss", "fake score 20 ")
class LogOfSigmoid(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return (1 - critic(fake).sigmoid() + 1e-8).log().mean()


@defect("rounding", "precision", "critic_loss", "fake score 20 ")
class LogOfSigmoidCritic(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return -logsigmoid(critic(real)).mean() - (1 - critic(fake).sigmoid()).log().mean()


# -- in the engine ---------------------------------------------------------------------------------------------------


class _Branches(Clean):
    def critic_loss(self, critic, real, fake, draw):
        loss = super().critic_loss(critic, real, fake, draw)
        return loss if loss > 0 else 2 * loss


@defect("vmap", "refused", "critic_loss")
class BranchOnAValue(_Branches):
    pass


@defect("recorded", "refused", "generator_loss")
class BranchOnTheStep(Clean):
    traceable = True

    def generator_loss(self, critic, real, fake, draw):
        weight = 2 if draw.progress > 0.5 else 1
        return weight * super().generator_loss(critic, real, fake, draw)


@defect("estimate", "scalar", "(8,)")
class EstimateOfEverySample(Clean):
    def estimate(self, critic, real, fake):
        return critic(real)


@defect("constrain", "in-place")
class ClampInPlace(Clean):
    def constrain(self, weights):
        return {name: w.clamp_(-0.01, 0.01) for name, w in weights.items()}


@defect("constrain", "no-draws")
class RandomConstraint(Clean):
    def constrain(self, weights, draw):
        return {name: w + draw.normal_like(w) for name, w in weights.items()}


@defect("constrain", "not-finite", "'body.2.weight'")
class ConstraintThatEndsInNothing(Clean):
    def constrain(self, weights, draw):
        return {name: w / (1 - draw.progress) for name, w in weights.items()}


@defect("recorded", "refused", "constrain")
class ConstraintThatBranches(Clean):
    traceable = True

    def constrain(self, weights, draw):
        return {name: w.clamp(-1, 1) for name, w in weights.items()} if draw.progress > 0.5 else weights


@defect("vmap", "refused", "constrain")
class ConstraintOfAValue(Clean):
    def constrain(self, weights, draw):
        return {name: w / max(1.0, w.norm().item()) for name, w in weights.items()}


@defect("constrain", "names", "['body.2.bias'")
class ConstrainsSomeWeights(Clean):
    def constrain(self, weights):
        return {name: w.clamp(-1, 1) for name, w in weights.items() if w.ndim > 1}


@defect("state", "names", "[]", "['mean']")
class ForgetsItsState(Clean):
    def init_state(self, critic, draw):
        return {"mean": next(iter(critic.weights.values())).new_zeros(())}

    def update_state(self, critic, real, fake, draw):
        return {}


@defect("state", "shape", "'last'")
class GrowingState(Clean):
    def init_state(self, critic, draw):
        return {"last": next(iter(critic.weights.values())).new_zeros(1)}

    def update_state(self, critic, real, fake, draw):
        return {"last": torch.cat([draw.state["last"], critic(fake).mean()[None]])}


@defect("critic_steps", "count", "0 at step 2")
class NoCriticSteps(Clean):
    def critic_steps(self, step):
        return step % 2


# -- which way things move -------------------------------------------------------------------------------------------


@defect("signs", "critic")
class CriticUpsideDown(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(real)).mean() + softplus(-critic(fake)).mean()


@defect("signs", "generator")
class GeneratorUpsideDown(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return critic(fake).mean()


@defect("sides", "fake")
class FakeSideTurned(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(1 - critic(real)).mean() + torch.relu(1 - critic(fake)).mean()


@defect("sides", "real")
class RealSideTurned(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(1 + critic(real)).mean() + torch.relu(1 + critic(fake)).mean()


@defect("training", "held")
class HoldsTheGenerator(Clean):
    def generator_loss(self, critic, real, fake, draw):
        held = sum(w.square().sum() for w in draw.generator_weights.values())
        return super().generator_loss(critic, real, fake, draw) + 100 * held


@defect("dirac", "closed-form")
class WrongClosedForm(Clean):
    def dirac(self, psi, theta):
        return theta * (psi * theta).sigmoid(), psi * (-psi * theta).sigmoid()


@pytest.mark.parametrize(("cls", "check", "code", "details"), DEFECTS)
def test_a_defect_is_told_by_its_code(cls, check, code, details):
    found = check_objective(cls, without={"training"} - {check})  # which takes as long as all others together
    told = [d for d in found if (d.check, d.code) == (check, code) and all(text in d.reason for text in details)]
    assert told, "\n".join(map(repr, found)) or "no defect was found"
    assert told[0].fix
    assert "\n" not in str(told[0])


def test_defects_are_many_and_each_is_told_from_all_others():
    assert len(DEFECTS) >= 60
    assert len({p.values[1:] for p in DEFECTS}) == len(DEFECTS)


def named(name):
    return next(p.values[0] for p in DEFECTS if p.id == name)


@pytest.mark.parametrize("weight", [1.0, 10.0])
@pytest.mark.parametrize("name", ["PenaltyOverTheBatch", "PenaltyOverTheChannels"])
def test_a_penalty_over_the_wrong_axis_is_told_of_its_axis_and_of_nothing_else(name, weight):
    (found,) = check_objective(named(name)(weight=weight))
    assert (found.check, found.code) in {("batches", "penalty"), ("axes", "penalty")}
    assert ".flatten(1)" in found.fix


def test_a_value_without_annotation_is_told_what_can_be_written():
    @dataclass(frozen=True)
    class Slopes(Clean):
        slopes = [0.2, 0.5]  # noqa: RUF012

    (fix,) = [d.fix for d in check_objective(Slopes, ["training"]) if d.code == "no-annotation"]
    assert fix.endswith("slopes: tuple[float, ...] = (0.2, 0.5)")


def test_where_the_signs_are_right_nothing_is_said_of_signs():
    (found,) = [d for d in check_objective(named("HoldsTheGenerator")) if d.check == "training"]
    assert found.code == "held"  # and not "signs"


@pytest.mark.slow
def test_a_statistic_of_the_batch_may_be_declared():
    @dataclass(frozen=True)
    class Spread(Clean):
        """As above, Goodfellow et al. (2014), with a generator whose scores are to be spread in each batch."""

        couples_samples = True

        def generator_loss(self, critic, real, fake, draw):
            scores = critic(fake)
            spread = (scores - scores.mean()).square().sum() / max(1, len(scores) - 1)
            return super().generator_loss(critic, real, fake, draw) - 0.01 * spread

    assert not check_objective(Spread)
    object.__setattr__(undeclared := Spread(), "couples_samples", False)
    assert {d.check for d in check_objective(undeclared)} == {"batches"}


def test_what_was_not_checked_is_said():
    unchecked = {u.check for u in examine(Clean, without=["training"]).unchecked}
    assert unchecked == {"training", "recorded", "constrain", "state", "dirac", "gpu", "source"}
    found = examine(named("SumOverTheBatch"))
    assert [d.check for d in found.defects] == ["batches"]
    assert {"signs", "sides", "training"} <= {u.check for u in found.unchecked if u.needs == "batches"}
    assert not {u.check for u in found.unchecked} & set(found.checked)
    assert examine(int, "objective").unchecked


# -- what passes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Declared(_Branches):
    """As above, Goodfellow et al. (2014), and says that it cannot be vectorised."""

    vectorised = False


@dataclass(frozen=True)
class ClosedForm(Clean):
    """As above, Goodfellow et al. (2014), with its Dirac-GAN."""

    def dirac(self, psi, theta):
        return theta * (psi * theta).sigmoid(), -psi * (-psi * theta).sigmoid()


@dataclass(frozen=True)
class NoisyClosedForm(Clean):
    """A generator that is drawn to the real mean by noisy samples: https://example.org."""

    def generator_loss(self, critic, real, fake, draw):
        return (fake - real + draw.normal_like(fake)).square().flatten(1).sum(1).mean()

    def dirac(self, psi, theta):
        return theta * (psi * theta).sigmoid(), 2 * theta


@dataclass(frozen=True)
class WarmUp(Clean):
    """Many critic updates at first: Arjovsky et al. (2017), released code."""

    optimizer: Optimizer = Optimizer("rmsprop", lr=5e-5)

    def critic_steps(self, step):
        return 20 if step <= 3 else self.n_critic


@dataclass(frozen=True)
class DecayedClip(Clean):
    """With a clip that falls to zero: Arjovsky et al. (2017), Algorithm 1.

    Attributes:
        clip: at the beginning.
    """

    traceable = True
    clip: float = 0.5

    def constrain(self, weights, draw):
        clip = self.clip * (1 - draw.progress)
        return {name: torch.minimum(torch.maximum(w, -clip), clip) for name, w in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", [Clean, Clean(weight=2.0), Declared, ClosedForm, NoisyClosedForm, WarmUp, DecayedClip], ids=str
)
def test_a_clean_objective_has_no_defect(target):
    assert not check_objective(target)


@pytest.mark.parametrize(
    "name",
    spread(
        load_plugins().objectives.names(), slow=("gan", "noisegan", "wgan", "lecam", "historical-averaging"), name=str
    ),
)
def test_first_party_objectives_have_no_defect(name):
    assert not check_objective(load_plugins().objectives.find(name))


@pytest.mark.slow
def test_a_stopped_gradient_may_be_declared():
    cls = named("StoppedGradient")
    assert {d.check for d in check_objective(cls)} == {"differences"}
    assert not check_objective(cls, without=["differences"])
    with refused(UnknownNameError, kind="check", name="diferences", suggestion="differences"):
        check_objective(cls, without=["diferences"])


def test_what_is_no_objective_is_said_to_be_none():
    (found,) = check_objective(int)
    assert isinstance(found, Defect)
    assert (found.check, found.code) == ("class", "no-subclass")
    assert "class X(Objective)" in found.fix


def test_checking_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    check_objective(Clean)
    assert torch.equal(torch.get_rng_state(), before)
