"""The conformance kit: clean objectives pass, first-party ones too, and every seeded defect is told by its reason."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
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


def defect(check, reason, **given):
    """Marks a class that has one defect: the check that finds it and words of its reason."""

    def mark(cls):
        cls.__doc__ = given.get("doc", Clean.__doc__)
        DEFECTS.append(
            pytest.param(cls if given.get("bare") else dataclass(frozen=True)(cls), check, reason, id=cls.__name__)
        )
        return cls

    return mark


# -- what the class says of itself -----------------------------------------------------------------------------------


@defect("class", "not a frozen dataclass", bare=True)
class NotADataclass(Clean):
    extra = 1


@defect("class", "'must' has no default")
class NoDefault(Clean):
    must: float = field(kw_only=True)


@defect("class", "NoStart() raised ValueError: never")
class NoStart(Clean):
    def __post_init__(self):
        raise ValueError("never")


@defect("name", "'Clean GAN' cannot be asked for")
class UnspeakableName(Clean):
    name = "Clean GAN"


@defect("name", "aliases is 'other'")
class AliasIsText(Clean):
    aliases = "other"


@defect("name", "'clean-v1.5' cannot be asked for")
class NameWithADot(Clean):
    name = "clean-v1.5"


@defect("docstring", "NoDocstring has none", doc=None)
class NoDocstring(Clean):
    pass


@defect("docstring", "names no source", doc="A loss that came to me in a dream.")
class NoSource(Clean):
    pass


@defect("fields", "'slope' is not documented")
class UndocumentedField(Clean):
    slope: float = 0.2


@defect("fields", "'slope' has no annotation")
class FieldWithoutAnnotation(Clean):
    slope = 0.2


@defect("serialisable", "weight = tensor(1.) cannot be recorded")
class TensorField(Clean):
    weight: torch.Tensor = torch.tensor(1.0)


@defect("serialisable", "weight = (1.0,) comes back from JSON as another value")
class FieldOfAnotherType(Clean):
    weight: list = (1.0,)

    def generator_loss(self, critic, real, fake, draw):
        return self.weight[0] * softplus(-critic(fake)).mean()


@defect("serialisable", "slopes is a list, which can be changed in place")
class ListAsADefault(Clean):
    slopes: list = field(default_factory=lambda: [0.2, 0.5])


@defect("methods", "constrain: too many positional arguments")
class ConstraintOfNothing(Clean):
    def constrain(self):
        return {}


@defect("methods", "there is no generator_loss")
class MissingMethod(Objective):
    name = "clean"
    weight: float = 1.0

    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake) - critic(real)).mean()


@defect("methods", "critic_loss: too many positional arguments")
class WrongArguments(Clean):
    def critic_loss(self, critic, real, fake):
        return softplus(critic(fake) - critic(real)).mean()


# -- what the losses give --------------------------------------------------------------------------------------------


@defect("scalar", "gave shape (1,), wanted a scalar tensor")
class NoMean(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)) + softplus(critic(fake))


@defect("scalar", "gave float, wanted a scalar tensor")
class PythonNumber(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).mean().item()


@defect("scalar", "generator_loss is nan for a batch of 1 vectors")
class SpreadOfOne(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean() + critic(fake).std()


@defect("scalar", "a batch of 5 vectors of shape (2,)")
class HalvesOfABatch(Clean):
    def critic_loss(self, critic, real, fake, draw):
        a = critic(real)
        half = (len(a) + 1) // 2
        return super().critic_loss(critic, real, fake, draw) + 0.1 * (a[:half] - a[-(len(a) // 2) or None :]).mean()


@defect("scalar", "images of shape (1, 8, 8)")
class VectorsOnly(Clean):
    def critic_loss(self, critic, real, fake, draw):
        between = fake + draw.uniform(len(real), 1) * (real - fake)
        return super().critic_loss(critic, real, fake, draw) + 0.1 * critic(between).square().mean()


@defect("scalar", "vectors of shape (2,): raised IndexError: Dimension out of range")
class ImagesOnly(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0 * fake.mean(dim=(2, 3)).sum()


@defect("scalar", "a critic on packs of 2")
class OneSampleAtATime(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-torch.cat([critic(x) for x in real.split(1)])).mean() + softplus(critic(fake)).mean()


@defect("precision", "critic_loss gives torch.float32 where samples are torch.float64")
class SinglePrecision(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw).float()


# -- a mean over samples, and penalties on each of them ----------------------------------------------------------------


@defect("batches", "critic_loss adds up the batch: it is")
class SumOverTheBatch(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(-critic(real)).sum() + softplus(critic(fake)).sum()


@defect("batches", "generator_loss divides a sum by a fixed number: it is")
class SumOverAFixedNumber(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return softplus(-critic(fake)).sum() / 64


@defect("batches", "critic_loss is multiplied by the size of the batch: it is")
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


@defect("batches", "the gradient penalty of critic_loss mixes samples")
class PenaltyOverTheBatch(_Penalised):
    def norms(self, slopes):
        return slopes.norm(dim=0)


@defect("axes", "the gradient penalty of critic_loss runs over the wrong axis")
class PenaltyOverTheChannels(_Penalised):
    def norms(self, slopes):
        return (slopes.square().sum(1) + 1e-12).sqrt()


@defect("draws", "critic_loss draws uniform (1,) once for all samples of a batch")
class SharedInterpolation(_Penalised):
    def share(self, real, draw):
        return draw.uniform(1)


# -- randomness ------------------------------------------------------------------------------------------------------


@defect("randomness", "the loss called aten.randn_like")
class TorchRandomness(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real + torch.randn_like(real), fake, draw)


@defect("repeatable", "generator_loss uses Python's numpy.random")
class NumpyRandomness(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) * (1 + np.random.rand())


@defect("repeatable", "critic_loss uses Python's random")
class PythonRandomness(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) * (1 + random.random())


CALLS = []


@defect("repeatable", "for the same arguments")
class HiddenCounter(Clean):
    def critic_loss(self, critic, real, fake, draw):
        CALLS.append(1)
        return super().critic_loss(critic, real, fake, draw) * (1 + len(CALLS))


@defect("draws", "critic_loss draws normal (8, 2) at the first step and nothing at the last")
class DrawsForAWhile(Clean):
    def critic_loss(self, critic, real, fake, draw):
        noise = 0.1 * draw.normal_like(real) if draw.progress < 0.5 else 0
        return super().critic_loss(critic, real + noise, fake, draw)


# -- what they may not touch -----------------------------------------------------------------------------------------


@defect("inputs", "changes its inputs in place")
class SamplesInPlace(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real.mul_(0.9), fake, draw)


@defect("inputs", "critic_loss changes the critic's weights in place")
class WeightsInPlace(Clean):
    def critic_loss(self, critic, real, fake, draw):
        for w in critic.weights.values():
            w.clamp_(-0.01, 0.01)
        return super().critic_loss(critic, real, fake, draw)


@defect("devices", "critic_loss mixes a tensor on the CPU")
class CpuConstant(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0 * (critic(real) - torch.ones(len(real))).mean()


@defect("players", "generator_loss has no gradient by the generator's weights")
class DetachedFake(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake.detach(), draw)


@defect("players", "critic_loss has no gradient by the critic's weights")
class DetachedScores(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(fake).detach() - critic(real).detach()).mean()


@defect("players", "critic_loss has a gradient by the generator's weights")
class DecayOfTheGenerator(Clean):
    def critic_loss(self, critic, real, fake, draw):
        decay = sum(w.square().sum() for w in draw.generator_weights.values())
        return super().critic_loss(critic, real, fake, draw) + 0.01 * decay


@defect("players", "generator_loss has a gradient that is not finite")
class RootOfZero(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return super().generator_loss(critic, real, fake, draw) + (fake - fake).square().sum().sqrt()


@defect("differences", "critic_loss has slope")
class StoppedGradient(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return super().critic_loss(critic, real, fake, draw) + 0.5 * critic(real).detach().square().mean()


@defect("rounding", "generator_loss: at fake score 20 the gradient is")
class LogOfSigmoid(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return (1 - critic(fake).sigmoid() + 1e-8).log().mean()


@defect("rounding", "critic_loss: at fake score 20 the gradient is")
class LogOfSigmoidCritic(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return -logsigmoid(critic(real)).mean() - (1 - critic(fake).sigmoid()).log().mean()


# -- in the engine ---------------------------------------------------------------------------------------------------


class _Branches(Clean):
    def critic_loss(self, critic, real, fake, draw):
        loss = super().critic_loss(critic, real, fake, draw)
        return loss if loss > 0 else 2 * loss


@defect("vmap", "critic_loss cannot be vectorised over seeds")
class BranchOnAValue(_Branches):
    pass


@defect("recorded", "generator_loss cannot be recorded")
class BranchOnTheStep(Clean):
    traceable = True

    def generator_loss(self, critic, real, fake, draw):
        weight = 2 if draw.progress > 0.5 else 1
        return weight * super().generator_loss(critic, real, fake, draw)


@defect("estimate", "it gave shape (8,), wanted a scalar tensor")
class EstimateOfEverySample(Clean):
    def estimate(self, critic, real, fake):
        return critic(real)


@defect("constrain", "it changes weights in place")
class ClampInPlace(Clean):
    def constrain(self, weights):
        return {name: w.clamp_(-0.01, 0.01) for name, w in weights.items()}


@defect("constrain", "raised ObjectiveError: constrain asked for normal numbers")
class RandomConstraint(Clean):
    def constrain(self, weights, draw):
        return {name: w + draw.normal_like(w) for name, w in weights.items()}


@defect("constrain", "'body.2.weight' comes back not finite")
class ConstraintThatEndsInNothing(Clean):
    def constrain(self, weights, draw):
        return {name: w / (1 - draw.progress) for name, w in weights.items()}


@defect("recorded", "constrain cannot be recorded")
class ConstraintThatBranches(Clean):
    traceable = True

    def constrain(self, weights, draw):
        return {name: w.clamp(-1, 1) for name, w in weights.items()} if draw.progress > 0.5 else weights


@defect("vmap", "constrain cannot be vectorised over seeds")
class ConstraintOfAValue(Clean):
    def constrain(self, weights, draw):
        return {name: w / max(1.0, w.norm().item()) for name, w in weights.items()}


@defect("constrain", "wanted ['body.2.bias'")
class ConstrainsSomeWeights(Clean):
    def constrain(self, weights):
        return {name: w.clamp(-1, 1) for name, w in weights.items() if w.ndim > 1}


@defect("state", "it gave [], wanted ['mean']")
class ForgetsItsState(Clean):
    def init_state(self, critic, draw):
        return {"mean": next(iter(critic.weights.values())).new_zeros(())}

    def update_state(self, critic, real, fake, draw):
        return {}


@defect("state", "'last' comes back in another shape")
class GrowingState(Clean):
    def init_state(self, critic, draw):
        return {"last": next(iter(critic.weights.values())).new_zeros(1)}

    def update_state(self, critic, real, fake, draw):
        return {"last": torch.cat([draw.state["last"], critic(fake).mean()[None]])}


@defect("critic_steps", "it is 0 at step 2")
class NoCriticSteps(Clean):
    def critic_steps(self, step):
        return step % 2


# -- which way things move -------------------------------------------------------------------------------------------


@defect("signs", "makes an undecided critic score generated samples higher")
class CriticUpsideDown(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return softplus(critic(real)).mean() + softplus(-critic(fake)).mean()


@defect("signs", "moves generated samples away from where the critic scores high")
class GeneratorUpsideDown(Clean):
    def generator_loss(self, critic, real, fake, draw):
        return critic(fake).mean()


@defect("sides", "critic_loss falls as generated samples score higher")
class FakeSideTurned(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(1 - critic(real)).mean() + torch.relu(1 - critic(fake)).mean()


@defect("sides", "critic_loss rises as real samples score higher")
class RealSideTurned(Clean):
    def critic_loss(self, critic, real, fake, draw):
        return torch.relu(1 + critic(real)).mean() + torch.relu(1 + critic(fake)).mean()


@defect("training", "a toy generator is")
class HoldsTheGenerator(Clean):
    def generator_loss(self, critic, real, fake, draw):
        held = sum(w.square().sum() for w in draw.generator_weights.values())
        return super().generator_loss(critic, real, fake, draw) + 100 * held


@defect("dirac", "the closed form says")
class WrongClosedForm(Clean):
    def dirac(self, psi, theta):
        return theta * (psi * theta).sigmoid(), psi * (-psi * theta).sigmoid()


@pytest.mark.parametrize(("cls", "check", "reason"), DEFECTS)
def test_a_defect_is_told_by_its_reason(cls, check, reason):
    found = check_objective(cls, without={"training"} - {check})  # which takes as long as all others together
    told = [d for d in found if d.check == check and reason in d.reason]
    assert told, "\n".join(map(str, found)) or "no defect was found"
    assert told[0].fix
    assert "\n" not in str(told[0])


def test_defects_are_many_and_each_has_a_reason_of_its_own():
    assert len(DEFECTS) >= 60
    assert len({(p.values[1], p.values[2]) for p in DEFECTS}) == len(DEFECTS)


def named(name):
    return next(p.values[0] for p in DEFECTS if p.id == name)


@pytest.mark.parametrize("weight", [1.0, 10.0])
@pytest.mark.parametrize("name", ["PenaltyOverTheBatch", "PenaltyOverTheChannels"])
def test_a_penalty_over_the_wrong_axis_is_told_of_its_axis_and_of_nothing_else(name, weight):
    (found,) = check_objective(named(name)(weight=weight))
    assert found.check in ("batches", "axes")
    assert "penalty" in found.reason
    assert "all its own axes" in found.fix


def test_a_value_without_annotation_is_told_what_can_be_written():
    @dataclass(frozen=True)
    class Slopes(Clean):
        slopes = [0.2, 0.5]  # noqa: RUF012

    assert "write slopes: tuple[float, ...] = (0.2, 0.5)" in {d.fix for d in check_objective(Slopes, ["training"])}


def test_where_the_signs_are_right_nothing_is_said_of_signs():
    (found,) = [d for d in check_objective(named("HoldsTheGenerator")) if d.check == "training"]
    assert "the signs are right" in found.fix


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
    assert {"signs", "sides", "training"} <= {u.check for u in found.unchecked if u.reason == "needs batches"}
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
    with pytest.raises(UnknownNameError, match="did you mean 'differences'"):
        check_objective(cls, without=["diferences"])


def test_what_is_no_objective_is_said_to_be_none():
    assert check_objective(int) == [
        Defect("class", "int is no subclass of ganbench.Objective", "write class X(Objective)")
    ]


def test_checking_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    check_objective(Clean)
    assert torch.equal(torch.get_rng_state(), before)
