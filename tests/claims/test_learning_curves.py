"""The training runs behind claims 15, 16, 20 and 21: measured against the engine itself, on runs of a few steps."""

import numpy as np
import pandas as pd
import pytest
import torch

from ganbench import Optimizer
from ganbench.claims.experiment import Profile
from ganbench.claims.lab import METRIC, SAMPLES, WatchedPlayer, cohort, population, training
from ganbench.claims.learning_curves import CURVES, TrainingRun, coverage, follow, run
from ganbench.datasets.synthetic import Ring
from ganbench.engine.player import make_player
from ganbench.engine.readings import READINGS
from ganbench.engine.sampling import draw_samples, evaluation_latents

SEEDS = (100, 101)


def curve(**changes):
    return TrainingRun("arm", Ring(), "wgan", {"clip": 0.05, "n_critic": 1}, **changes)


def table(chosen, steps, every):
    return pd.DataFrame(follow(chosen, SEEDS, steps, every))


def test_every_checkpoint_has_estimate_and_distance_and_the_end_the_modes():
    found = table(curve(watched=True), steps=7, every=3)
    for quantity in ("estimate", "sliced_w1", "cosine", "negative", "modes", "modes_near"):
        steps = [7] if quantity.startswith("modes") else [3, 6, 7]
        rows = found[found["quantity"] == quantity]
        assert sorted(zip(rows["seed"], rows["at"], strict=True)) == [(s, at) for s in SEEDS for at in steps]
    assert len(found[found["quantity"] == "floor"]) == 1
    assert set(found["arm"]) == {"arm"}


@pytest.mark.slow
def test_measurements_are_those_of_the_engine():
    found = table(curve(), steps=120, every=60).set_index(["quantity", "seed", "at"])["value"]
    trained = cohort(Ring(), curve().architecture(), curve().made(), SEEDS, 120)
    readings = np.concatenate([s.readings for s in training(trained)])[:, :, READINGS.index("estimate")]
    for k, seed in enumerate(SEEDS):
        assert found["estimate", seed, 60] == np.median(readings[9:110, k])  # steps 10 to 110
        assert found["estimate", seed, 120] == np.median(readings[69:, k])  # what there is of the window
    samples = draw_samples(trained.sample, evaluation_latents(SEEDS, SAMPLES, 64))
    real = population(Ring())
    evaluator = real.evaluator()
    distance = METRIC.value(evaluator.measure(samples[1]), evaluator.measure(real.reference(SAMPLES)))
    assert found["sliced_w1", SEEDS[1], 120] == distance


def test_the_floor_is_what_two_real_samples_differ_by():
    floor = table(curve(), steps=1, every=1).set_index("quantity")["value"]["floor"]
    assert 0.01 < floor < 0.08  # published at this sample count: .039


def test_coverage_counts_modes_by_one_sample_and_by_their_share():
    real = population(Ring())
    evaluator, centres = real.evaluator(), real.centres
    points = centres[torch.tensor([0] * 400 + [1] * 4 + [2] * 3 + [3] * 393)]  # 1 % of a fair share of 800 is one
    found = coverage(evaluator.measure(points), evaluator.measure(real.reference(SAMPLES)))
    assert (found["modes"], found["modes_fair"], found["high_quality"]) == (4, 4, 1)
    points = torch.cat([points.repeat(5, 1), centres[4:5]])  # of 4001 it is 5.0: one sample in mode 4 is too few
    found = coverage(evaluator.measure(points), evaluator.measure(real.reference(SAMPLES)))
    assert (found["modes"], found["modes_fair"], found["modes_near"]) == (5, 4, 4)
    far = 1.2 * centres[torch.arange(2500) % 8]  # beside all modes, in none of them
    found = coverage(evaluator.measure(far), evaluator.measure(real.reference(SAMPLES)))
    assert (found["modes"], found["modes_near"], found["high_quality"]) == (0, 8, 0)
    points[0] = torch.nan
    assert coverage(evaluator.measure(points), evaluator.measure(real.reference(SAMPLES)))["modes"] == 0


def watched(optimizer):
    player = make_player(
        lambda: torch.nn.Linear(3, 1), SEEDS, "critic-init", optimizer, torch.device("cpu"), torch.float32
    )
    return WatchedPlayer(**vars(player))


def test_a_step_of_gradient_descent_has_cosine_one():
    player = watched(Optimizer("sgd", lr=0.1))
    player.update(torch.randn(player.flat.shape))
    assert torch.allclose(player.cosines[0], torch.ones(2), atol=1e-4)


def test_momentum_goes_on_against_a_gradient_that_has_turned():
    player = watched(Optimizer("adam", lr=0.1, beta1=0.9))
    ones = torch.ones_like(player.flat)
    for gradient in [ones] * 20 + [-ones]:
        player.update(gradient)
    cosines = torch.stack(player.cosines)
    assert torch.allclose(cosines[:-1], torch.ones(20, 2), atol=1e-4)
    assert torch.allclose(cosines[-1], -torch.ones(2), atol=1e-4)


def test_a_critic_without_momentum_never_goes_uphill():
    found = table(curve(watched=True), steps=6, every=3)
    assert set(found[found["quantity"] == "negative"]["value"]) == {0.0}
    assert (found[found["quantity"] == "cosine"]["value"] > 0).all()


def test_watching_changes_nothing():
    plain, seen = (table(curve(watched=w), steps=5, every=5).set_index(["quantity", "seed"])["value"] for w in (0, 1))
    assert seen[plain.index.unique()].equals(plain)


def test_the_halves_of_a_curve_make_its_twenty_seeds():
    quick = Profile()
    halves = CURVES["ring-wgan"].seeds(quick) + CURVES["ring-wgan-rest"].seeds(quick)
    assert halves == CURVES["ring-nsgan"].seeds(quick) == tuple(range(20))
    assert CURVES["ring-wgan-rest"].seeds(Profile("quick", (100, 101))) == ()


def test_what_the_quick_profile_leaves_out_is_empty():
    assert run(Profile("quick", (100, 101)), "grid-nsgan") == []
    assert CURVES["grid-nsgan"].seeds(Profile("full")) == tuple(range(20))


@pytest.mark.parametrize("name", CURVES)
def test_every_curve_can_be_made(name):
    made = CURVES[name].made()
    assert made.critic_steps(1) == (1 if name.endswith("-nsgan") else 5)
    assert CURVES[name].architecture().latent == (8 if name.startswith("ring64") else 64)


def test_the_arms_of_one_dataset_start_from_the_same_generator():
    first = [
        cohort(Ring(), c.architecture(), c.made(), SEEDS, 1, generator_optimizer=c.generator).generator.flat
        for c in (CURVES["ring-wgan"], CURVES["ring-nsgan"], CURVES["ring-wgan-momentum"])
    ]
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])
