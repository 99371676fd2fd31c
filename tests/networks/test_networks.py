"""The architectures, and their fast layers against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from refusals import refused
from torch import nn
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d

from ganbench.errors import UsageError
from ganbench.networks import ARCHITECTURES, Dcgan, DcganPlain, Mlp, Mlp512, Upconv
from ganbench.networks.layers import (
    BatchNorm,
    ChannelsLastFlatten,
    ChannelsLastUnflatten,
    StridedConv2d,
    StridedConvTranspose2d,
    double,
    halve,
    tap_selection,
)

VECTORS = [(2,), (64,)]
IMAGES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 28, 28), (3, 32, 32), (3, 64, 64)]  # of every dataset there is
PAIRS = [(a, s) for a in ARCHITECTURES for s in VECTORS + IMAGES if len(s) == 3 or a in (Mlp, Mlp512)]


def build(make, sample_shape, seed=0):
    torch.manual_seed(seed)
    return make(sample_shape)


@pytest.mark.parametrize(("architecture", "shape"), PAIRS, ids=lambda v: getattr(v, "name", None) or str(v))
def test_networks_fit_the_samples(architecture, shape):
    chosen = architecture()
    generator, critic = build(chosen.generator, shape), build(chosen.critic, shape)
    samples = generator(torch.randn(2, chosen.latent))
    assert samples.shape == (2, *shape)
    assert critic(samples).shape == (2,)
    assert critic.body(samples).shape == (2, critic.head.in_features)
    if len(shape) == 3:
        extreme = generator(1e4 * torch.randn(2, chosen.latent))
        assert (extreme.min() < 0, extreme.abs().max() <= 1) == (True, True)
    assert not list(generator.buffers())
    assert not list(critic.buffers())


@pytest.mark.parametrize("architecture", [Dcgan, DcganPlain, Upconv])
@pytest.mark.parametrize("shape", [(2,), (64,), (1, 6, 6), (1, 4, 4), (3, 32, 64), (1, 30, 30)], ids=str)
def test_unfit_samples_are_refused_by_name(architecture, shape):
    with refused(UsageError, subject=architecture.name, code="shape", remedy="mlp") as caught:
        architecture().check(shape)
    assert str(shape) in str(caught.value)
    with pytest.raises(UsageError):
        architecture().generator(shape)


def test_dcgan_names_itself_and_the_shape():
    with refused(UsageError, subject="dcgan", code="shape", remedy="mlp") as caught:
        Dcgan().check((2,))
    assert "(2,)" in str(caught.value)


def test_an_mlp_needs_a_hidden_layer():
    with refused(UsageError, subject="mlp.depth"):
        Mlp(depth=0).check((2,))


@pytest.mark.parametrize(
    ("make", "shape", "by_hand"),
    [
        (Mlp().generator, (2,), (64 * 128 + 128) + (128 * 128 + 128) + (128 * 2 + 2)),
        (Mlp().critic, (2,), (2 * 128 + 128) + (128 * 128 + 128) + (128 + 1)),
        (Mlp512().generator, (2,), (64 * 512 + 512) + 2 * (512 * 512 + 512) + (512 * 2 + 2)),
        (Dcgan().generator, (1, 8, 8), (65 * 256) + 2 * 64 + 64 * 32 * 16 + 2 * 32 + (32 * 16 + 1)),
        (Dcgan().critic, (1, 8, 8), (16 * 32 + 32) + (32 * 64 * 16 + 64) + (256 + 1)),
        (Dcgan().critic, (1, 28, 28), (16 * 32 + 32) + (32 * 64 * 16 + 64) + (64 * 49 + 1)),
        (DcganPlain().generator, (1, 8, 8), (65 * 128) + (32 * 32 * 16 + 32) + (32 * 16 + 1)),
        (
            Upconv().generator,
            (1, 28, 28),
            21 * 256 * 49 + (256 * 128 * 9 + 128) + (128 * 64 * 9 + 64) + (64 + 1),
        ),
        (
            Upconv().critic,
            (1, 28, 28),
            9 * 16 + 2 * 16 + 16 * 32 * 9 + 2 * 32 + 32 * 64 * 9 + 2 * 64 + (64 * 9 + 1),
        ),
    ],
)
def test_numbers_of_parameters_are_those_counted_by_hand(make, shape, by_hand):
    assert sum(p.numel() for p in make(shape).parameters()) == by_hand


@pytest.mark.parametrize(
    ("side", "filters"),
    [(8, [32, 64]), (16, [32, 64]), (28, [32, 64]), (32, [32, 64, 128]), (64, [64, 128, 256, 512])],
)
def test_dcgan_is_sized_to_the_data(side, filters):
    body = Dcgan().critic((1, side, side)).body
    assert [layer.weight.shape[3] for layer in body if isinstance(layer, StridedConv2d)] == filters


def test_mlp_512_keeps_dcgans_critic_for_images():
    critic, dcgan = Mlp512().critic((1, 8, 8)), Dcgan().critic((1, 8, 8))
    assert {n: p.shape for n, p in critic.named_parameters()} == {n: p.shape for n, p in dcgan.named_parameters()}
    assert not any(isinstance(layer, StridedConv2d) for layer in Mlp512().critic((64,)).body)


def test_initial_weights_are_dcgans():
    torch.manual_seed(0)
    generator, critic = Dcgan().generator((3, 32, 32)), Dcgan().critic((3, 32, 32))
    weights = {n: w for n, w in [*generator.named_parameters(), *critic.named_parameters()] if w.ndim > 1}
    assert len(weights) == 8
    for name, weight in weights.items():
        assert weight.std().item() == pytest.approx(0.02, rel=0.2), name
    norms = torch.cat([m.weight for m in generator.modules() if isinstance(m, BatchNorm)])
    assert norms.mean().item() == pytest.approx(1, abs=0.01)
    assert norms.std().item() == pytest.approx(0.02, rel=0.3)


def test_samples_are_coupled_where_an_architecture_says_so():
    torch.manual_seed(0)
    for architecture in ARCHITECTURES:
        critic = architecture().critic((1, 8, 8))
        x = torch.rand(6, 1, 8, 8) * 2 - 1
        alone = torch.allclose(critic(x)[:3], critic(x[:3]), rtol=1e-3, atol=1e-7)
        assert alone is not architecture.couples_samples, architecture.name
    assert "upconv" in {a.name for a in ARCHITECTURES if a.couples_samples}
    assert not {"mlp", "mlp-512", "dcgan", "dcgan-plain"} & {a.name for a in ARCHITECTURES if a.couples_samples}


# StridedConv2d and Up against torch, both as a matrix product (sides of 8 and less) and as a convolution.

LAYERS = {
    "down": (StridedConv2d, conv2d, [(8, 1, 32), (8, 3, 4), (4, 32, 64), (2, 5, 6), (16, 3, 4), (8, 32, 64)]),
    "up": (
        StridedConvTranspose2d,
        conv_transpose2d,
        [(1, 5, 6), (2, 64, 32), (4, 32, 1), (4, 3, 5), (8, 3, 4), (4, 64, 32)],
    ),
}
CASES = [(name, *sizes) for name, (_, _, all_sizes) in LAYERS.items() for sizes in all_sizes]


def layer_and_oracle(name, inputs, outputs, bias=True):
    layer = LAYERS[name][0](inputs, outputs, bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    oracle = LAYERS[name][1]
    return layer, lambda w, x: oracle(x, w["weight"].permute(3, 2, 0, 1), w.get("bias"), stride=2, padding=1)


def second_order(apply):
    """A loss with a gradient in it, as penalties have."""

    def loss(weights, x):
        y = apply(weights, x)
        slope = grad(lambda x: apply(weights, x).pow(3).sum())(x)
        return y.sin().sum() + slope.square().mean()

    return grad_and_value(loss, argnums=(0, 1))


def assert_close(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "side", "inputs", "outputs"), CASES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_layer_equals_torchs_with_gradients(name, side, inputs, outputs, bias):
    torch.manual_seed(0)
    layer, oracle = layer_and_oracle(name, inputs, outputs, bias)
    weights, x = dict(layer.named_parameters()), torch.randn(3, inputs, side, side, dtype=torch.float64)
    assert_close(layer(x), oracle(weights, x))
    ours = second_order(lambda w, x: functional_call(layer, w, (x,)))
    assert_close(ours(weights, x), second_order(oracle)(weights, x))


@pytest.mark.parametrize(("name", "side", "inputs", "outputs"), CASES)
def test_layer_under_vmap_equals_torchs_in_a_loop(name, side, inputs, outputs):
    torch.manual_seed(0)
    layers = [layer_and_oracle(name, inputs, outputs)[0] for _ in range(3)]
    oracle = layer_and_oracle(name, inputs, outputs)[1]
    stacked, x = stack_module_state(layers)[0], torch.randn(3, 2, inputs, side, side, dtype=torch.float64)
    ours = vmap(second_order(lambda w, x: functional_call(layers[0], w, (x,))))(stacked, x)
    for k, layer in enumerate(layers):
        wanted = second_order(oracle)(dict(layer.named_parameters()), x[k])
        assert_close(torch.utils._pytree.tree_map(lambda leaf, k=k: leaf[k], ours), wanted)


def test_matrix_product_is_used_where_it_is_quicker(monkeypatch):
    calls = []
    monkeypatch.setattr("ganbench.networks.layers.halve", lambda *a: calls.append(a) or halve(*a))
    Dcgan().critic((1, 8, 8))(torch.zeros(2, 1, 8, 8))
    assert not calls
    Dcgan().critic((3, 32, 32))(torch.zeros(2, 3, 32, 32))
    assert len(calls) == 3  # wide layers of few pixels too: their matrices would be huge


# Convolutions of seeds in turn, and of single samples under one weight.


@pytest.mark.parametrize("convolve", [halve, double])
@pytest.mark.parametrize("channels", [1, 8], ids=["few", "many"])
def test_convolutions_have_torchs_derivatives_in_every_mode(convolve, channels):
    torch.manual_seed(0)
    images = torch.randn(2, 6, 6, channels if convolve is halve else 9, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 4, channels, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (images, weight), check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(convolve, (images, weight), fast_mode=True)


def test_single_samples_of_a_weight_are_one_batch_and_those_of_many_weights_take_turns(monkeypatch):
    batches, plain = [], torch.conv2d
    monkeypatch.setattr(torch, "conv2d", lambda x, *a: batches.append(len(x)) or plain(x, *a))
    weights, x = torch.randn(3, 4, 4, 8, 9), torch.randn(3, 5, 6, 6, 8)
    together = vmap(lambda w, x: vmap(lambda sample: halve(sample[None], w)[0])(x))(weights, x)
    assert batches == [5, 5, 5]
    torch.testing.assert_close(together, torch.stack([halve(*pair) for pair in zip(x, weights, strict=True)]))


def test_autocast_reaches_convolutions_and_their_gradients():
    weight, x = torch.randn(4, 4, 8, 9, requires_grad=True), torch.randn(5, 6, 6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = halve(x, weight)
        (gradient,) = torch.autograd.grad(y.sum(), weight)
    assert (y.dtype, gradient.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(y.float(), halve(x, weight).detach(), rtol=0.05, atol=0.1)


def test_selection_holds_every_tap_once_for_every_pixel_inside():
    chosen = tap_selection(2, torch.float32, torch.device("cpu")).view(4, 4, 2, 2, 4, 4)
    assert chosen.sum() == 2 * 2 * 16 - 4 * 7  # each of four corners loses a row and a column of taps
    assert chosen[0, 0, 0, 0, 1, 1] == 1  # padding of one: the corner pixel is under tap (1, 1)


def test_selection_made_inside_a_transform_is_a_plain_tensor():
    layer, x = StridedConv2d(1, 2), torch.randn(2, 3, 1, 6, 6)  # a side that nothing else here uses
    weights = stack_module_state([layer, layer])[0]
    vmap(grad(lambda w, x: functional_call(layer, w, (x,)).sum()))(weights, x)
    kept = tap_selection(3, torch.float32, torch.device("cpu"))
    assert not torch._C._functorch.is_functorch_wrapped_tensor(kept)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_scores_are_the_same_on_cuda(architecture):
    chosen = architecture()
    generator, critic = build(chosen.generator, (1, 8, 8)).double(), build(chosen.critic, (1, 8, 8)).double()
    z = torch.randn(5, chosen.latent, dtype=torch.float64)
    here = critic(generator(z))
    assert_close(critic.cuda()(generator.cuda()(z.cuda())).cpu(), here)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batch_norm_equals_torchs_with_gradients(layout):
    torch.manual_seed(0)
    ours = BatchNorm(5).double()
    nn.init.normal_(ours.bias)
    x = (3 + 2 * torch.randn(4, 5, 3, 3, dtype=torch.float64)).contiguous(memory_format=layout)
    theirs = nn.BatchNorm2d(5, track_running_stats=False).double()
    theirs.load_state_dict(ours.state_dict())
    assert_close(ours(x), theirs(x))
    weights = dict(ours.named_parameters())

    def oracle(w, x):
        return batch_norm(x, None, None, w["weight"], w["bias"], training=True, eps=1e-5)

    got = second_order(lambda w, x: functional_call(ours, w, (x,)))(weights, x)
    assert_close(got, second_order(oracle)(weights, x))


def test_flatten_and_unflatten_are_inverse_and_copy_nothing():
    rows = torch.arange(2 * 3 * 3 * 4.0).view(2, 36)
    images = ChannelsLastUnflatten(4, 3)(rows)
    assert images.shape == (2, 4, 3, 3)
    assert images[0, 1, 0, 2] == rows[0, 2 * 4 + 1]  # row 0, pixel 2, channel 1
    again = ChannelsLastFlatten()(images)
    assert torch.equal(again, rows)
    assert again.data_ptr() == rows.data_ptr()


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacked_seeds_equal_the_loop(architecture, dtype):
    """As the engine runs them: modules without weights, stacked weights, a gradient penalty inside."""
    chosen, shape, n_seeds = architecture(), (1, 8, 8), 3
    generators = [build(chosen.generator, shape, k).to(dtype) for k in range(n_seeds)]
    critics = [build(chosen.critic, shape, k).to(dtype) for k in range(n_seeds)]
    draw, score = (copy.deepcopy(nets[0]).to("meta") for nets in (generators, critics))
    weights = (stack_module_state(generators)[0], stack_module_state(critics)[0])
    z = torch.randn(n_seeds, 4, chosen.latent, dtype=dtype)

    def loss(weights, z):
        fake = functional_call(draw, weights[0], (z,))
        slopes = grad(lambda x: functional_call(score, weights[1], (x,)).sum())(fake)
        return functional_call(score, weights[1], (fake,)).mean() + 100 * slopes.square().sum()

    got = vmap(grad(loss))(weights, z)
    for k in range(n_seeds):
        own = tuple(dict(net.named_parameters()) for net in (generators[k], critics[k]))
        for player, wanted in enumerate(grad(loss)(own, z[k])):
            for name, value in wanted.items():
                error = (got[player][name][k] - value).norm() / value.norm().clamp(min=1e-12)
                assert error < (2e-2 if dtype == torch.float32 else 1e-7), name  # BatchNorm of four samples amplifies


@pytest.mark.parametrize(("architecture", "shape"), [(Mlp, (2,)), (Dcgan, (1, 8, 8)), (Dcgan, (1, 28, 28))])
def test_a_seeds_gradient_is_the_same_to_the_bit_in_any_cohort(architecture, shape):
    chosen, n_seeds = architecture(), 5
    generators = [build(chosen.generator, shape, k) for k in range(n_seeds)]
    critics = [build(chosen.critic, shape, k) for k in range(n_seeds)]
    z = torch.randn(n_seeds, 16, chosen.latent, generator=torch.Generator().manual_seed(0))

    def gradients(seeds):
        weights = [stack_module_state([nets[k] for k in seeds])[0] for nets in (generators, critics)]

        def loss(weights, z):
            return functional_call(critics[0], weights[1], (functional_call(generators[0], weights[0], (z,)),)).mean()

        return torch.utils._pytree.tree_leaves(vmap(grad(loss))(weights, z[seeds]))

    everyone = gradients([0, 1, 2, 3, 4])
    for seeds in ([3, 1], [4, 3, 0]):
        place = seeds.index(3)
        assert all(torch.equal(few[place], all_[3]) for few, all_ in zip(gradients(seeds), everyone, strict=True))


@pytest.mark.slow
def test_whole_step_compiles():
    critics = [build(Dcgan().critic, (1, 8, 8), k) for k in range(2)]
    weights, x = stack_module_state(critics)[0], torch.randn(2, 4, 1, 8, 8)

    def loss(w, x):
        slopes = grad(lambda x: functional_call(critics[0], w, (x,)).sum())(x)
        return functional_call(critics[0], w, (x,)).mean() + slopes.square().sum()

    step = vmap(grad(loss))
    torch.testing.assert_close(torch.compile(step, fullgraph=True, backend="aot_eager")(weights, x), step(weights, x))
