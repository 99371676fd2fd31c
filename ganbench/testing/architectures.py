"""What networks give: samples and scores of the right shapes, from weights and inputs alone, alike for all seeds."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from ganbench.errors import UsageError
from ganbench.interfaces.architecture import CriticNetwork
from ganbench.rng import generator as stream
from ganbench.testing.candidate import Candidate, Defect, Finding, Unchecked
from ganbench.testing.losses import foreign_randomness

VECTORS, IMAGES = ((2,), (64,)), ((1, 8, 8), (1, 28, 28), (3, 32, 32))
BATCH = 6
PLAYERS = ("generator", "critic")


def shapes(subject: Candidate) -> Iterator[Finding]:
    """It accepts vectors or images of some usual shape, and refuses the others with a UsageError."""
    subject.found["shapes"] = []
    for kind, candidates in (("vectors", VECTORS), ("images", IMAGES)):
        for shape in candidates:
            try:
                subject.instance.check(shape)
            except UsageError:
                continue
            subject.found["shapes"].append(shape)
            break
        else:
            yield Unchecked(kind, f"it refuses {kind} of shape {', '.join(map(str, candidates))}")
    if not subject.found["shapes"]:
        yield Defect(
            "shapes",
            "check refuses every shape that was tried",
            "let check return None for shapes it can draw",
            "refuses-all",
        )


def outputs(subject: Candidate) -> Iterator[Defect]:
    """Generators give (batch, *shape), images in [-1, 1]; critics, which are CriticNetworks, give scores (batch,)."""
    for shape in subject.found["shapes"]:
        generator, critic = (network_of(subject, player, shape) for player in PLAYERS)
        if not isinstance(critic, CriticNetwork):
            reason = f"the critic is a {type(critic).__name__}, which has no features"
            yield Defect("outputs", reason, "return CriticNetwork(body, width)", "type")
            return
        for batch in (1, BATCH) if not subject.instance.couples_samples else (BATCH,):
            samples, real = generator(latents(subject, batch)), points(shape, batch)
            yield from _shaped("a generator", samples, (batch, *shape))
            yield from _shaped("a critic", critic(real), (batch,))
            yield from _shaped("a critic's body", critic.body(real), (batch, critic.head.in_features))
            if len(shape) == 3 and samples.shape == (batch, *shape) and samples.abs().max() > 1:
                reason = f"a generator of images gives values up to {samples.abs().max().item():.3g}"
                yield Defect("outputs", reason, "end it with nn.Tanh(): images lie in [-1, 1]", "range")


def _shaped(what: str, value: Tensor, wanted: tuple[int, ...]) -> Iterator[Defect]:
    if tuple(value.shape) != wanted:
        reason = f"{what} gives shape {tuple(value.shape)}, wanted {wanted}"
        yield Defect("outputs", reason, "keep the batch in front and the sample's own shape behind it", "shape")
    elif not value.isfinite().all():
        yield Defect(
            "outputs", f"{what} gives values that are not finite", "look for divisions and roots of zero", "not-finite"
        )


def pure(subject: Candidate) -> Iterator[Defect]:
    """Networks are functions of their weights and their input: no buffers, no dropout, no running statistics."""
    for player, network, x in _cases(subject):
        if any(True for _ in network.buffers()):
            reason = f"a {player} keeps buffers: {', '.join(name for name, _ in network.named_buffers())}"
            yield Defect(
                "pure",
                reason,
                "take normalisations without running statistics, such as affine batch statistics",
                "buffers",
            )
            continue
        before = x.clone()
        first, again = network(x), network(x)
        if not torch.equal(first, again):
            yield Defect(
                "pure", f"a {player} gives other numbers at a second call", "leave out dropout and noise", "unsteady"
            )
        elif not torch.equal(first, network.eval()(x)):
            reason = f"a {player} gives other numbers in evaluation mode"
            yield Defect("pure", reason, "leave out layers that behave otherwise in training", "evaluation-mode")
        if not torch.equal(x, before):
            yield Defect(
                "pure",
                f"a {player} changes its input in place",
                "leave out inplace=True in the first layer",
                "in-place",
            )


def initial(subject: Candidate) -> Iterator[Defect]:
    """Initial weights come from PyTorch's global generator alone, so that they belong to the seed."""
    for player in PLAYERS:
        for shape in subject.found["shapes"]:
            before = foreign_randomness()
            same, again, other = (_flat(network_of(subject, player, shape, seed)) for seed in (0, 0, 1))
            fix = "initialise with torch.nn.init or torch.randn, which the engine seeds"
            if not torch.equal(same, again) or foreign_randomness() != before:
                yield Defect("initial", f"a {player} begins with other weights under the same seed", fix, "unseeded")
            elif torch.equal(same, other):
                yield Defect("initial", f"a {player} begins with the same weights under every seed", fix, "constant")


def coupling(subject: Candidate) -> Iterator[Finding]:
    """A sample's score does not depend on its batch, unless couples_samples says so."""
    if subject.instance.couples_samples:
        yield Unchecked("coupling", "couples_samples is True")
        return
    for shape in subject.found["shapes"]:
        critic, x = network_of(subject, "critic", shape), points(shape, BATCH)
        if not torch.allclose(critic(x)[:2], critic(x[:2]), rtol=1e-3, atol=1e-4):
            reason = f"the score of a sample of shape {shape} depends on the rest of its batch"
            yield Defect(
                "coupling", reason, "leave out batch normalisation, or declare couples_samples = True", "batch"
            )


def gradients(subject: Candidate) -> Iterator[Defect]:
    """Every parameter has a finite gradient."""
    for player, network, x in _cases(subject):
        names, weights = zip(*network.named_parameters(), strict=True)
        found = torch.autograd.grad(network(x).square().sum(), weights, allow_unused=True)
        idle = [name for name, gradient in zip(names, found, strict=True) if gradient is None]
        unused = [name for name in idle if not _matters(network, name, x)]
        if unused:
            reason = f"{unused[0]} of a {player} has no effect"
            yield Defect("gradients", reason, "use it in forward, or leave that layer out", "idle")
        elif not all(g.isfinite().all() for g in found if g is not None):
            yield Defect(
                "gradients",
                f"a {player} has a gradient that is not finite",
                "look for roots and norms of zero",
                "not-finite",
            )


def _matters(network: nn.Module, name: str, x: Tensor) -> bool:
    """Whether a parameter that is not trained changes what comes out."""
    weights = {n: w + 1 if n == name else w for n, w in network.named_parameters()}
    return not torch.equal(functional_call(network, weights, (x,)), network(x))


def penalty(subject: Candidate) -> Iterator[Defect]:
    """A critic can be differentiated twice, as gradient penalties need it."""
    for shape in subject.found["shapes"]:
        critic, x = network_of(subject, "critic", shape), points(shape, BATCH).requires_grad_()
        (slopes,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        weights = list(critic.parameters())
        found = torch.autograd.grad(slopes.square().sum(), weights, allow_unused=True)
        if not any(g is not None and g.any() for g in found):
            reason = "the slope of a critic does not depend on its weights"
            yield Defect(
                "penalty", reason, "leave out .detach() and operations of your own without a second derivative", "none"
            )
        elif not all(g.isfinite().all() for g in found if g is not None):
            yield Defect(
                "penalty",
                "a second derivative of a critic is not finite",
                "look for roots and norms of zero",
                "not-finite",
            )


def vmap(subject: Candidate) -> Iterator[Defect]:
    """Two seeds run as one vectorised program, with the numbers of each alone."""
    for shape in subject.found["shapes"]:
        for player in PLAYERS:
            networks = [network_of(subject, player, shape, seed) for seed in (0, 1)]
            x = torch.stack([_input(subject, player, shape)] * 2)
            weights, _ = stack_module_state(networks)
            try:
                together = torch.func.vmap(lambda w, x, n=networks[0]: functional_call(n, w, (x,)))(weights, x)
            except Exception as error:  # whatever vmap cannot do
                reason = f"a {player} cannot be vectorised over seeds ({str(error).strip().partition(chr(10))[0]})"
                yield Defect("vmap", reason, "use tensor operations, no .item() and no branch on a value", "refused")
                continue
            alone = torch.stack([network(part) for network, part in zip(networks, x, strict=True)])
            if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
                reason = f"a {player} gives other numbers for two seeds together than for each alone"
                yield Defect("vmap", reason, "let nothing depend on what is outside weights and input", "other-numbers")


def network_of(subject: Candidate, player: str, shape: tuple[int, ...], seed: int = 0) -> nn.Module:
    """One player's network, as the engine makes it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = getattr(subject.instance, player)(shape)
    return network


def latents(subject: Candidate, batch: int = BATCH) -> Tensor:
    """Latents (batch, latent)."""
    return torch.randn(batch, subject.instance.latent, generator=stream(0, "toy-latent"))


def points(shape: tuple[int, ...], batch: int = BATCH) -> Tensor:
    """Samples in [-1, 1]: (batch, *shape)."""
    return 2 * torch.rand(batch, *shape, generator=stream(0, "toy-real")) - 1


def _input(subject: Candidate, player: str, shape: tuple[int, ...]) -> Tensor:
    return latents(subject) if player == "generator" else points(shape)


def _cases(subject: Candidate) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Every player's network for every shape, with an input."""
    for shape in subject.found["shapes"]:
        for player in PLAYERS:
            yield player, network_of(subject, player, shape), _input(subject, player, shape)


def _flat(network: nn.Module) -> Tensor:
    weights = [w.detach().flatten() for w in network.parameters()]
    return torch.cat(weights) if weights else torch.zeros(0)
