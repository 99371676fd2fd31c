"""The synthetic distributions, against their formulas and scikit-learn's swiss roll."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import make_swiss_roll

from ganbench.datasets import synthetic


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nearest(points: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance to the nearest centre, and which it is."""
    found = torch.cdist(points, centres).min(dim=1)
    return found.values, found.indices


def test_ring_has_eight_different_centres_on_its_circle():
    centres = synthetic.ring_centres(8, 2.0)
    assert torch.allclose(centres.norm(dim=1), torch.full((8,), 2.0))
    assert torch.pdist(centres).min().item() == pytest.approx(4 * math.sin(math.pi / 8))  # no end point comes twice
    assert centres[:3].tolist() == pytest.approx(np.array([[2, 0], [math.sqrt(2), math.sqrt(2)], [0, 2]]), abs=1e-6)


def test_grid_is_the_square_lattice_around_the_origin():
    centres = synthetic.grid_centres(5, 2.0)
    assert sorted(map(tuple, centres.tolist())) == sorted(itertools.product([-4, -2, 0, 2, 4], repeat=2))


@pytest.mark.parametrize(
    ("centres", "sigma"),
    [(synthetic.ring_centres(8, 2.0), 0.02), (synthetic.grid_centres(5, 2.0), 0.05)],
    ids=["ring", "grid"],
)
class TestMixture:
    def test_modes_are_equally_likely(self, centres, sigma):
        points = synthetic.gaussian_mixture(centres, sigma, (50_000,), seeded())
        counts = nearest(points, centres)[1].bincount(minlength=len(centres))
        assert stats.chisquare(counts.numpy()).pvalue > 0.01

    def test_sigma_is_that_of_each_coordinate(self, centres, sigma):
        points = synthetic.gaussian_mixture(centres, sigma, (50_000,), seeded())
        offsets = points - centres[nearest(points, centres)[1]]
        assert offsets.std(dim=0).tolist() == pytest.approx([sigma, sigma], rel=0.02)
        assert offsets.mean(dim=0).tolist() == pytest.approx([0, 0], abs=0.02 * sigma)
        assert stats.kstest(offsets[:5000, 0].numpy() / sigma, "norm").pvalue > 0.01

    def test_three_sigma_hold_98_89_percent_of_a_perfect_sampler(self, centres, sigma):
        points = synthetic.gaussian_mixture(centres, sigma, (200_000,), seeded())
        share = (nearest(points, centres)[0] < 3 * sigma).float().mean().item()
        assert share == pytest.approx(0.98889, abs=0.001)  # not the .9973 of one dimension
        assert share == pytest.approx(synthetic.WITHIN_THREE_SIGMA, abs=0.001)


def test_swiss_roll_is_scikit_learns():
    ours = synthetic.swiss_roll(0.25, 7.5, (20_000,), seeded()).numpy()
    theirs = make_swiss_roll(20_000, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    for view in (lambda p: p[:, 0], lambda p: p[:, 1], lambda p: np.hypot(*p.T)):
        assert stats.ks_2samp(view(ours), view(theirs)).pvalue > 0.01


class TestTanhMap:
    surface = synthetic.TanhMap.random(2, 64, 64, seeded(1))
    centres = synthetic.ring_centres(8, 2.0)

    def test_is_the_formula(self):
        points = torch.tensor([[0.3, -1.2]])
        hidden = [math.tanh(0.3 * a - 1.2 * b) for a, b in zip(*self.surface.first.tolist(), strict=True)]
        expected = np.array(hidden) @ self.surface.second.numpy()
        assert self.surface(points)[0].tolist() == pytest.approx(expected, abs=1e-5)

    def test_equal_generators_give_equal_maps(self):
        again = synthetic.TanhMap.random(2, 64, 64, seeded(1))
        other = synthetic.TanhMap.random(2, 64, 64, seeded(2))
        assert torch.equal(again.first, self.surface.first)
        assert torch.equal(again.second, self.surface.second)
        assert not torch.equal(other.second, self.surface.second)

    def test_samples_lie_on_a_curved_surface_of_two_dimensions(self):
        flat = synthetic.gaussian_mixture(self.centres, 0.05, (2000,), seeded())
        every = torch.linalg.svdvals(self.surface(flat).double())
        assert every[2] > 0.05 * every[0]  # curved: it lies in no plane
        centre = self.centres[:1].double()
        double = synthetic.TanhMap(self.surface.first.double(), self.surface.second.double())
        small = double(centre + 1e-5 * torch.randn(500, 2, generator=seeded(), dtype=torch.float64)) - double(centre)
        local = torch.linalg.svdvals(small)
        assert local[1] > 0.05 * local[0]  # two directions to go
        assert local[2] < 1e-3 * local[1]  # and no third one

    def test_results_are_of_order_one(self):
        samples = synthetic.mapped_mixture(self.surface, self.centres, 0.05, (4000,), seeded())
        assert samples.shape == (4000, 64)
        assert 0.3 < samples.square().mean().sqrt().item() < 2

    def test_radii_hold_98_89_percent_of_every_mode(self):
        radii = synthetic.mapped_radii(self.surface, self.centres, 0.05, seeded(3))
        for centre, radius in zip(self.centres, radii, strict=True):
            fresh = self.surface(centre + 0.05 * torch.randn(20_000, 2, generator=seeded(4)))
            share = ((fresh - self.surface(centre)).norm(dim=1) < radius).float().mean().item()
            assert share == pytest.approx(0.98889, abs=0.003)


SAMPLERS = {
    "mixture": lambda shape, rng: synthetic.gaussian_mixture(synthetic.ring_centres(8, 2.0), 0.02, shape, rng),
    "swiss-roll": lambda shape, rng: synthetic.swiss_roll(0.25, 7.5, shape, rng),
}


@pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)
def test_samplers_depend_on_their_generator_alone(sample):
    before = torch.get_rng_state()
    first = sample((4, 5), seeded(7))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.shape == (4, 5, 2)
    assert first.dtype == torch.float32
    assert torch.equal(sample((4, 5), seeded(7)), first)
    assert not torch.equal(sample((4, 5), seeded(8)), first)
