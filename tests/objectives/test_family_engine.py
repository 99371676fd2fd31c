"""Every objective in the engine: it trains, its seeds are independent, and its randomness and its state are its own."""

import warnings

import pytest
import torch
from ganbench_objectives import ganbench_objectives
from ganbench_objectives.dragan import Dragan
from ganbench_objectives.feature_matching import FeatureMatching
from ganbench_objectives.fgan_kl import FGanKL
from ganbench_objectives.hinge import Hinge
from ganbench_objectives.historical_averaging import HistoricalAveraging
from ganbench_objectives.lecam import LeCam
from ganbench_objectives.nsgan import NonSaturating
from ganbench_objectives.nsgan_r1 import NonSaturatingR1
from ganbench_objectives.ragan import RelativisticAverage
from ganbench_objectives.wgan_gp import WassersteinPenalty
from tiers import spread
from toys import make_cohort, readings_of

from ganbench.datasets.digits import Digits
from ganbench.datasets.synthetic import Ring
from ganbench.engine.loop import first_divergence
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.draw import ForbidRandomness, RandomSpec, RecordingDraw
from ganbench.networks import Dcgan, Mlp
from ganbench.plugins.registry import load_plugins

DEFAULTS = [cls() for cls in ganbench_objectives()]
VARIANTS = [
    *(cls(variant="code") for cls in (NonSaturatingR1, RelativisticAverage, Dragan, FeatureMatching, LeCam)),
    WassersteinPenalty(one_sided=True),
    FGanKL(saturating=False),
]
ALL = DEFAULTS + VARIANTS
FEW = ("gan-", "noisegan-", "historical-averaging-", "lecam-paper", "dragan-code")


def label(objective):
    return f"{objective.name}-{getattr(objective, 'variant', '')}"


def train_alone_and_in_company(objective, dataset, architecture, steps):
    """A cohort of three, and its readings, beside those of the last of them alone."""
    settings = {"population": dataset.load(None), "architecture": architecture, "steps": steps}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # vmap's refusal is a warning
        three = make_cohort(objective, (0, 1, 2), **settings)
        one = make_cohort(objective, (2,), **settings)
    return three, readings_of(three), one, readings_of(one)


def assert_a_seed_is_itself(three, among, one, alone):
    assert (first_divergence(among.numpy()) == -1).all()
    assert torch.equal(among[:, 2:], alone)
    assert torch.equal(three.generator.flat[2], one.generator.flat[0])
    assert torch.equal(three.critic.flat[2], one.critic.flat[0])


@pytest.mark.parametrize("objective", spread(ALL, slow=FEW, name=label))
def test_every_objective_trains_on_the_ring_and_a_seed_is_itself_in_company(objective):
    three, among, one, alone = train_alone_and_in_company(objective, Ring(), Mlp(), 20)
    assert_a_seed_is_itself(three, among, one, alone)
    assert not torch.equal(among[:, 0], among[:, 1])


@pytest.mark.parametrize("objective", spread(ALL, slow=FEW, name=label))
def test_every_objective_trains_on_digits_and_a_seed_is_itself_in_company(objective):
    assert_a_seed_is_itself(*train_alone_and_in_company(objective, Digits(), Dcgan(), 3))


# -- randomness -----------------------------------------------------------------------------------------------------

N = 4
DRAWS = {
    "noisegan": ([("normal", (N, 2))] * 2, [("normal", (N, 2))]),
    "wgan-gp": ([("uniform", (N, 1))], []),
    "dragan-paper": ([("normal", (N, 2))], []),
    "dragan-code": ([("uniform", (N, 2)), ("uniform", (N, 1))], []),
}


@pytest.mark.parametrize("objective", ALL, ids=label)
def test_what_an_objective_draws_is_known_and_nothing_else_is_random(objective):
    cohort, x = make_cohort(objective, (0,)), torch.linspace(-1, 2, 2 * N).view(N, 2)
    state, of_generator, of_critic = (
        {name: value[0] for name, value in tensors.items()}
        for tensors in (cohort.state, cohort.generator.weights, cohort.critic.weights)
    )
    critic = FunctionalCritic(cohort.critic.network, of_critic)
    drawn = []
    for loss in ("critic_loss", "generator_loss"):
        draw = RecordingDraw(torch.tensor(1), torch.tensor(0.0), state, of_generator)
        with ForbidRandomness():
            getattr(objective, loss)(critic, x, x + 1, draw)
        drawn.append(draw.calls)
    wanted = DRAWS.get(label(objective).rstrip("-"), ([], []))
    assert drawn == [[RandomSpec(*spec) for spec in specs] for specs in wanted]


# -- state ----------------------------------------------------------------------------------------------------------


def weights_after_each_step(objective, steps):
    """Both players' flattened weights, (steps + 1, 2 players), and the cohort."""
    cohort, history = make_cohort(objective, (0, 1), steps=steps), []
    batches, generator = cohort.sampler.critic(0, 0), cohort.sampler.generator(0)
    for step in range(steps):
        history.append((cohort.critic.flat.clone(), cohort.generator.flat.clone()))
        cohort.update_critic(batches[step], cohort.clock(step + 1))
        cohort.update_generator(generator[step], cohort.clock(step + 1))
    return cohort, [*history, (cohort.critic.flat.clone(), cohort.generator.flat.clone())]


def test_historical_averaging_carries_the_mean_of_all_weights_so_far():
    cohort, history = weights_after_each_step(HistoricalAveraging(), 6)
    for player, rows in zip(("critic", "generator"), zip(*history, strict=True), strict=True):
        weights = getattr(cohort, player).weights
        mean = getattr(cohort, player).flatten({n: cohort.state[f"{player}.{n}"] for n in weights})
        torch.testing.assert_close(mean, torch.stack(rows).mean(dim=0))
    assert cohort.state["count"].tolist() == [7, 7]


def gradient_added_by_averaging(player, weight):
    """What averaging adds to a player's gradient after three steps, and the weights' distance from their mean."""
    cohort, _ = weights_after_each_step(HistoricalAveraging(weight=weight), 3)
    plain = make_cohort(NonSaturating(), (0, 1))
    for name in ("critic", "generator"):
        getattr(plain, name).flat.copy_(getattr(cohort, name).flat)
    batch = getattr(cohort.sampler, player)(0, *((0,) if player == "critic" else ()))[3]
    added = [getattr(c, f"{player}_gradient")(c.inputs(batch, c.clock(4)))[0] for c in (cohort, plain)]
    weights = getattr(cohort, player).weights
    away = getattr(cohort, player).flatten({n: w - cohort.state[f"{player}.{n}"] for n, w in weights.items()})
    return added[0] - added[1], away


def test_historical_averaging_draws_the_critic_to_that_mean():
    added, away = gradient_added_by_averaging("critic", 10.0)
    assert away.abs().max() > 1e-4
    torch.testing.assert_close(added, 20 * away, rtol=1e-3, atol=1e-6)


def test_historical_averaging_draws_the_generator_to_that_mean():
    added, away = gradient_added_by_averaging("generator", 10.0)
    assert away.abs().max() > 1e-4
    torch.testing.assert_close(added, 20 * away, rtol=1e-3, atol=1e-6)


def test_lecam_follows_the_mean_scores():
    scores = {"real": torch.tensor([2.0, 4.0]), "fake": torch.tensor([-1.0, -2.0])}
    objective, state = LeCam(decay=0.75), {name: torch.tensor(0.0) for name in ("real", "fake", "share")}
    for _ in range(2):
        draw = RecordingDraw(torch.tensor(1), torch.tensor(0.0), state)
        state = objective.update_state(scores.get, "real", "fake", draw)
    share = 1 - 0.75**2
    got = {name: value.item() for name, value in state.items()}
    assert got == pytest.approx({"real": 3 * share, "fake": -1.5 * share, "share": share})


def test_lecam_starts_as_the_hinge_gan_and_then_leaves_it():
    lecam, hinge = readings_of(make_cohort(LeCam())), readings_of(make_cohort(Hinge()))
    assert torch.equal(lecam[0], hinge[0])
    assert not torch.equal(lecam[2], hinge[2])


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("r1", "nsgan-r1"),
        ("rsgan", "rpgan"),
        ("rasgan", "ragan"),
        ("least-squares", "lsgan"),
        ("geometric-gan", "hinge"),
        ("fgan-rkl", "fgan-reverse-kl"),
        ("one-sided-label-smoothing", "label-smoothing"),
    ],
)
def test_the_fields_other_names_are_understood(alias, name):
    assert load_plugins().objectives.find(alias).name == name


def test_no_two_objectives_answer_to_one_name():
    names = [n for cls in ganbench_objectives() for n in (cls.name, *cls.aliases)]
    assert len(names) == len(set(names))
    assert not [p for p in load_plugins().plugins if p.state != "loaded"]
