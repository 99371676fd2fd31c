"""Norms against exact singular values, scores against their Lipschitz bound, the loss against its closed form."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from ganbench_spectral import DcganSn, MlpSn, WassersteinSpectral, spectral_norm
from scipy.optimize import linear_sum_assignment

import ganbench

torch.set_num_threads(1)  # these matrices are too small to share

SHAPES = {MlpSn: (2,), DcganSn: (1, 8, 8)}


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def critic_of(cls, shape=None, **fields):
    torch.manual_seed(0)
    return cls(**fields).critic(shape or SHAPES[cls]).double()


MATRICES = {
    "wide": numbers(3, 200),
    "tall": numbers(200, 3),
    "row": numbers(1, 128),
    "square": numbers(128, 128),
    "equal": torch.eye(128, dtype=torch.float64),
    "rank one": numbers(50, 1) @ numbers(1, 40),
    "tiny": 1e-30 * numbers(20, 30),
    "huge": 1e30 * numbers(20, 30),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("squarings", [0, 1, 5, 8])
def test_the_norm_is_the_schatten_norm_and_bounds_the_largest_singular_value(matrix, squarings):
    order, exact = 4 * 2**squarings, torch.linalg.svdvals(matrix)
    schatten = exact[0] * (exact / exact[0]).pow(order).sum() ** (1 / order)
    found = spectral_norm(matrix, squarings)
    torch.testing.assert_close(found, schatten, rtol=1e-12, atol=0)
    largest = torch.linalg.matrix_norm(matrix, ord=2)
    assert largest * (1 - 1e-12) <= found <= largest * min(matrix.shape) ** (1 / order) * (1 + 1e-12)


def test_single_precision_is_enough():
    matrix = numbers(128, 128)
    for scale in (1e-6, 1.0, 1e6):
        found = spectral_norm((scale * matrix).float(), 5).double()
        torch.testing.assert_close(found, scale * spectral_norm(matrix, 5), rtol=1e-5, atol=0)


def test_the_gradient_is_that_of_the_function():
    assert torch.autograd.gradcheck(lambda m: spectral_norm(m, 3), numbers(4, 6).requires_grad_())
    assert torch.autograd.gradgradcheck(lambda m: spectral_norm(m, 2), numbers(3, 4).requires_grad_())


@pytest.mark.parametrize("cls", SHAPES)
def test_every_weight_of_a_critic_has_norm_one_or_a_little_less_and_no_buffer_is_kept(cls):
    critic = critic_of(cls)
    weights = [m.weight for m in critic.modules() if isinstance(getattr(m, "weight", None), torch.Tensor)]
    norms = [torch.linalg.matrix_norm(w.flatten(0, -2), ord=2).item() for w in weights]
    assert len(norms) == 3
    assert all(0.95 < n <= 1 + 1e-12 for n in norms)
    assert not list(critic.buffers())
    assert all(name.endswith(("bias", "weight.original")) for name, _ in critic.named_parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16)])
def test_every_convolution_is_2_lipschitz_as_an_operator(shape):
    critic, x = critic_of(DcganSn, shape, width=8), numbers(1, *shape)
    norms = []
    for layer in critic.body:
        if hasattr(layer, "weight"):
            operator = torch.func.jacrev(layer)(x).reshape(-1, x.numel())
            norms.append(torch.linalg.matrix_norm(operator, ord=2).item())
        x = layer(x).detach()
    assert len(norms) == 2
    assert all(0.5 < n <= 2 + 1e-12 for n in norms)


@pytest.mark.parametrize(("cls", "bound"), [(MlpSn, 1), (DcganSn, 4)])
def test_scores_obey_the_lipschitz_bound(cls, bound):
    critic, x = critic_of(cls), 3 * numbers(200, *SHAPES[cls])
    scores = critic(x).detach()
    for i, j in pairwise(range(200)):
        assert (scores[i] - scores[j]).abs() <= bound * (x[i] - x[j]).norm() * (1 + 1e-12)
    slopes = torch.func.vmap(torch.func.grad(lambda s: critic(s[None]).sum()))(x).flatten(1).norm(dim=1)
    assert slopes.max() <= bound * (1 + 1e-12)


def test_the_score_gap_is_a_lower_bound_on_the_exact_distance():
    """Kantorovich and Rubinstein: for two sets of samples as distributions, against an optimal assignment."""
    critic = critic_of(MlpSn)
    optimizer = torch.optim.Adam(critic.parameters(), 0.01)
    real, fake = numbers(64, 2) + 2, numbers(64, 2, seed=1)
    for _ in range(100):
        optimizer.zero_grad()
        WassersteinSpectral().critic_loss(critic, real, fake, None).backward()
        optimizer.step()
    gap = WassersteinSpectral().estimate(critic, real, fake).item()
    costs = torch.cdist(real, fake)
    exact = costs[linear_sum_assignment(costs)].mean().item()
    assert 0.8 * exact < gap <= exact


def test_the_generator_is_left_as_it_is():
    for cls in SHAPES:
        assert not any("parametrizations" in name for name, _ in cls().generator(SHAPES[cls]).named_parameters())


def test_less_than_no_squaring_is_refused():
    for cls in SHAPES:
        with pytest.raises(ganbench.UsageError, match="squarings is -1; it must be at least 0"):
            cls(squarings=-1).check(SHAPES[cls])


@pytest.mark.parametrize(("psi", "theta"), [(1.0, 1.0), (-2.0, 0.5), (0.3, -40.0)])
def test_the_loss_on_the_dirac_gan(psi, theta):
    """Mescheder et al. (2018): real mass at 0, generator at θ, critic ψx. The gradients are θ by ψ and −ψ by θ."""
    p, t = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (psi, theta))
    real = torch.zeros(1, 1, dtype=torch.float64)
    objective = WassersteinSpectral()
    loss = objective.critic_loss(lambda x: (p * x).squeeze(1), real, t.detach().reshape(1, 1), None)
    assert torch.autograd.grad(loss, p)[0].item() == theta
    loss = objective.generator_loss(lambda x: (p.detach() * x).squeeze(1), real, t.reshape(1, 1), None)
    assert torch.autograd.grad(loss, t)[0].item() == -psi


RUN = ["run", "--datasets", "ring", "--architectures", "mlp-sn", "--steps", "20", "--no-probe", "--jobs", "1"]


def ganbench_command(*words, cwd):
    command = [sys.executable, "-m", "ganbench", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=500).stdout


def test_ganbench_trains_it_in_a_seed_axis_and_a_seed_is_itself_in_company(tmp_path):
    rows = json.loads(ganbench_command("list", "architectures", "--json", cwd=tmp_path))
    assert {r["distribution"] for r in rows if r["name"].endswith("-sn")} == {"ganbench-spectral"}
    among = ["--objectives", "wgan-sn,wgan-gp", "--seeds", "0,1,2", "--out", "among"]
    ganbench_command(*RUN, *among, cwd=tmp_path)
    ganbench_command(*RUN, "--objectives", "wgan-sn", "--seeds", "2-2", "--out", "alone", cwd=tmp_path)
    results, alone = ganbench.load(tmp_path / "among"), ganbench.load(tmp_path / "alone")
    assert list(results.trials["status"]) == ["completed"] * 6
    own = results.steps.query("objective == 'wgan-sn' and seed == 2")["generator_grad_norm"].tolist()
    assert own == alone.steps["generator_grad_norm"].tolist()
    gaps = results.steps.query("objective == 'wgan-sn'")["estimate"]
    assert gaps.abs().max() < 4 + 4  # nothing moves 1-Lipschitz scores further than the data lie apart
