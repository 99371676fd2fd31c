"""Packing, minibatch discrimination and virtual batch normalisation against their formulas, sample by sample."""

import math
from dataclasses import replace

import pytest
import torch
from ganbench_objectives.nsgan import NonSaturating
from refusals import refused
from torch.nn.functional import batch_norm
from toys import make_cohort, readings_of

from ganbench.datasets.digits import Digits
from ganbench.datasets.synthetic import Ring
from ganbench.errors import SettingError, UsageError
from ganbench.networks import ARCHITECTURES, Dcgan, DcganMinibatch, DcganPac, DcganVbn, Mlp, MlpMinibatch, MlpPac
from ganbench.networks.layers import BatchNorm
from ganbench.networks.minibatch import MinibatchDiscrimination
from ganbench.networks.packing import Pack
from ganbench.networks.virtual_batch_norm import VirtualBatchNorm

IMAGE = (1, 8, 8)
PARTS = [(MlpPac, (2,)), (MlpMinibatch, (2,)), (DcganPac, IMAGE), (DcganMinibatch, IMAGE), (DcganVbn, IMAGE)]


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def build(make, shape, seed=0):
    torch.manual_seed(seed)
    return make(shape).double()


@pytest.mark.parametrize(("cls", "shape"), PARTS, ids=lambda v: getattr(v, "name", ""))
def test_networks_fit_the_samples_and_are_their_weights(cls, shape):
    chosen = cls()
    generator, critic = build(chosen.generator, shape), build(chosen.critic, shape)
    samples = generator(numbers(5, chosen.latent))
    assert samples.shape == (5, *shape)
    assert critic(samples).shape == (5,)
    assert critic.body(samples).shape == (5, critic.head.in_features)
    assert not [*generator.buffers(), *critic.buffers()]
    assert cls in ARCHITECTURES


@pytest.mark.parametrize(("cls", "shape"), PARTS, ids=lambda v: getattr(v, "name", ""))
def test_a_score_depends_on_its_batch_where_the_architecture_says_so(cls, shape):
    critic, x = build(cls().critic, shape), numbers(6, *shape).tanh()
    alone = torch.allclose(critic(x)[:3], critic(x[:3]), rtol=1e-9, atol=1e-12)
    assert alone is not cls.couples_samples


@pytest.mark.parametrize(("cls", "shape"), PARTS, ids=lambda v: getattr(v, "name", ""))
def test_a_seed_has_the_same_numbers_in_a_cohort(cls, shape):
    dataset, steps = (Ring(), 10) if len(shape) == 1 else (Digits(), 2)
    settings = {"population": dataset.load(None), "architecture": cls(), "steps": steps}
    three, one = (make_cohort(NonSaturating(), seeds, **settings) for seeds in ((0, 1, 2), (2,)))
    assert not three.loops
    among, alone = readings_of(three), readings_of(one)
    assert among.isfinite().all()
    assert torch.equal(among[:, 2:], alone)
    assert torch.equal(three.generator.flat[2], one.generator.flat[0])


# -- packing --------------------------------------------------------------------------------------------------------


def test_a_pack_is_a_sample_with_those_that_follow():
    x = torch.tensor([[1, 10], [2, 20], [3, 30]])
    assert Pack(2)(x).tolist() == [[1, 10, 2, 20], [2, 20, 3, 30], [3, 30, 1, 10]]
    assert Pack(3)(x)[1].tolist() == [2, 20, 3, 30, 1, 10]
    assert torch.equal(Pack(1)(x), x)
    images = numbers(4, 3, 8, 8)
    packed = Pack(2)(images)
    assert packed.shape == (4, 6, 8, 8)
    assert torch.equal(packed[3, :3], images[3])
    assert torch.equal(packed[3, 3:], images[0])


def test_a_batch_smaller_than_a_pack_is_refused():
    with refused(UsageError, subject="--batch-size", code="few"):
        Pack(3)(torch.zeros(2, 1))


@pytest.mark.parametrize(("cls", "plain", "shape"), [(MlpPac, Mlp, (2,)), (DcganPac, Dcgan, (1, 8, 8))])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_packed_critic_is_the_plain_one_of_joined_samples(cls, plain, shape, m):
    """Its mean score over the disjoint packs of the paper is the mean of every m-th of its scores."""
    packed = build(cls(m=m).critic, shape)
    joined = build(plain().critic, (m * shape[0], *shape[1:]))
    x = numbers(6, *shape).tanh()
    disjoint = joined(x.reshape(6 // m, m * shape[0], *shape[1:]))
    torch.testing.assert_close(packed(x)[::m], disjoint)


# -- minibatch discrimination ---------------------------------------------------------------------------------------


def test_closeness_is_that_of_the_formula_averaged_over_the_others():
    layer, f = MinibatchDiscrimination(3, kernels=2, size=4).double(), numbers(5, 3)
    with torch.no_grad():
        layer.weight.copy_(numbers(3, 8, seed=1) / 4)
    out, rows = layer(f), f @ layer.weight
    assert torch.equal(out[:, :3], f)
    for i in range(5):
        for b in range(2):
            own = rows[i, 4 * b : 4 * b + 4]
            close = [math.exp(-(own - rows[j, 4 * b : 4 * b + 4]).abs().sum().item()) for j in range(5) if j != i]
            assert out[i, 3 + b].item() == pytest.approx(sum(close) / 4, rel=1e-12)


def test_equal_samples_are_as_close_as_can_be_and_distant_ones_are_not_close():
    layer = MinibatchDiscrimination(3, kernels=2, size=4).double()
    with torch.no_grad():
        layer.weight.fill_(1.0)
    f = numbers(1, 3)
    assert layer(f.expand(4, 3))[:, 3:].eq(1).all()
    assert layer(torch.cat([f, f + 100]))[:, 3:].max() < 1e-12


def test_closeness_does_not_grow_with_the_batch():
    layer, f = MinibatchDiscrimination(3, kernels=2, size=4).double(), numbers(1, 3)
    pair = torch.cat([f, f + 1])
    once, often = layer(pair)[0, 3:], layer(torch.cat([pair[:1], pair[1:].expand(63, 3)]))[0, 3:]
    torch.testing.assert_close(once, often)


def test_a_single_sample_is_refused():
    with refused(UsageError, subject="--batch-size", code="few"):
        MinibatchDiscrimination(3, 2, 4)(torch.zeros(1, 3))


def test_the_critic_without_its_new_inputs_is_the_plain_one():
    for cls, plain, shape in ((MlpMinibatch, Mlp, (2,)), (DcganMinibatch, Dcgan, (1, 8, 8))):
        critic, reference = build(cls().critic, shape), build(plain().critic, shape)
        x, width = numbers(4, *shape).tanh(), reference.head.in_features
        torch.testing.assert_close(critic.body(x)[:, :width], reference.body(x))
        assert critic.head.in_features == width + 16
    assert critic.head.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert critic.head.bias.item() == 0


# -- virtual batch normalisation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 3])
def test_every_sample_is_normalised_as_a_member_of_its_own_batch_with_the_reference(side):
    """By torch's batch normalisation of the R + 1 samples that count."""
    size, norm = 4, BatchNorm(2).double()
    with torch.no_grad():
        norm.bias.copy_(numbers(2, seed=3))
    layer, x = VirtualBatchNorm(norm, size), 3 + 2 * numbers(7, 2, side, side)
    out = layer(x)
    torch.testing.assert_close(out[:size], batch_norm(x[:size], None, None, norm.weight, norm.bias, training=True))
    for i in range(size, 7):
        together = torch.cat([x[:size], x[i : i + 1]])
        wanted = batch_norm(together, None, None, norm.weight, norm.bias, training=True)[-1]
        torch.testing.assert_close(out[i], wanted)


def test_a_sample_depends_on_its_own_latent_only():
    vbn, plain = build(DcganVbn().generator, (1, 8, 8)), build(Dcgan().generator, (1, 8, 8))
    z = numbers(6, 64)
    torch.testing.assert_close(vbn(z)[:2], vbn(z[:2]), rtol=1e-9, atol=1e-12)
    assert not torch.allclose(plain(z)[:2], plain(z[:2]), rtol=1e-3)


def test_it_starts_from_the_weights_of_dcgan_and_adds_the_reference_alone():
    vbn, plain = (dict(build(c().generator, (1, 8, 8)).named_parameters()) for c in (DcganVbn, Dcgan))
    own = {name.removeprefix("body."): w for name, w in vbn.items()}
    assert own.keys() - plain.keys() == {"reference"}
    assert all(torch.equal(own[name], w) for name, w in plain.items())
    assert own["reference"].shape == (64, 64)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_no_optimizer_moves_the_reference(optimizer):
    objective = NonSaturating()
    objective = replace(objective, optimizer=replace(objective.optimizer, name=optimizer, lr=0.01))
    settings = {"population": Digits().load(None), "architecture": DcganVbn(), "steps": 3}
    cohort = make_cohort(objective, (0, 1), **settings)
    before = {name: w.clone() for name, w in cohort.generator.weights.items()}
    readings_of(cohort)
    moved = {name for name, w in cohort.generator.weights.items() if not torch.equal(w, before[name])}
    assert moved == before.keys() - {"reference"}
    assert not torch.equal(before["reference"][0], before["reference"][1])


# -- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "shape", "kind", "subject"),
    [
        (MlpPac(m=0), (2,), SettingError, "mlp-pac.m"),
        (DcganPac(m=0), (1, 8, 8), SettingError, "dcgan-pac.m"),
        (MlpMinibatch(kernels=0), (2,), UsageError, "mlp-minibatch.kernels"),
        (DcganMinibatch(size=0), (1, 8, 8), UsageError, "dcgan-minibatch.size"),
        (DcganVbn(reference=1), (1, 8, 8), UsageError, "dcgan-vbn.reference"),
        (DcganVbn(), (2,), UsageError, "dcgan-vbn"),
        (DcganPac(), (2,), UsageError, "dcgan-pac"),
        (MlpPac(width=0), (2,), UsageError, "mlp-pac.width"),
    ],
)
def test_settings_that_make_no_network_are_refused(chosen, shape, kind, subject):
    with refused(kind, subject=subject):
        chosen.check(shape)
