"""Claims 18 and 19: what a strong critic does to the generator, and that a saturated divergence need not stop it."""

from __future__ import annotations

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.scalar_generator import EXPERIMENT, OPTIMIZERS, STARTS, arm

WEAK, STRONG = 1, 10  # critic updates per generator step
NEAR = 0.1  # |θ| below which the generator has learnt
SHARE = 0.8

DILEMMA = {
    name: Rule(
        f"dilemma, generator by {name}",
        "final |θ| from θ₀ = 1: [gan at n_critic 10 − at 1] − [wgan at 10 − at 1], by seed",
        above=0.3,
        least_seeds=6,
    )
    for name in OPTIMIZERS
}
LEARNS = {
    (name, start): Rule(
        f"learns from {start:g}, generator by {name}",
        f"share of seeds whose mean |θ| over the last 50 steps is below .1, θ₀ = {start:g}, nsgan, n_critic 1",
        above=SHARE,
        least_seeds=20,
    )
    for name in OPTIMIZERS
    for start in STARTS
}


def decide_dilemma(measurements: Measurements) -> list[Finding]:
    """One finding for each of the generator's optimizers."""
    return [_dilemma(measurements, name) for name in OPTIMIZERS]


def _dilemma(measurements: Measurements, optimizer: str) -> Finding:
    def change(name: str) -> list[float]:
        weak, strong = (values(measurements, "final", arm(name, optimizer, n)) for n in (WEAK, STRONG))
        return list(strong - weak)

    effects = [harm - help_ for harm, help_ in zip(change("gan"), change("wgan"), strict=True)]
    return DILEMMA[optimizer].judge(effects, _medians(measurements, optimizer))


def _medians(measurements: Measurements, optimizer: str) -> str:
    """All arms under one optimizer, in words."""
    chosen = measurements[measurements["quantity"] == "final"]
    chosen = chosen[chosen["arm"].str.contains(f", {optimizer}, ", regex=False)]
    medians = chosen.groupby("arm", sort=False)["value"].median()
    return "Median final |θ|: " + "; ".join(f"{name} {value:.3g}" for name, value in medians.items())


def decide_learning(measurements: Measurements) -> list[Finding]:
    """One finding for each optimizer and start."""
    return [_learns(measurements, *key) for key in LEARNS]


def _learns(measurements: Measurements, optimizer: str, start: float) -> Finding:
    from scipy.stats import binomtest

    from ganbench.statistics import proportion_interval

    tails = values(measurements, "tail", arm("nsgan", optimizer, WEAK), start)
    learnt = int((tails < NEAR).sum())
    p = float(binomtest(learnt, len(tails), SHARE, alternative="greater").pvalue)
    note = f"{learnt} of {len(tails)} seeds; largest mean |θ| {tails.max():.3g}"
    return LEARNS[optimizer, start].judge_interval(proportion_interval(learnt, len(tails)), p, note)


SET_UP = (
    "Parallel lines: real points (0, y), generated points (θ, Φ(z)), y uniform on [0, 1], z standard normal; the "
    "generator is the one number θ, the critic the MLP of two hidden layers of 128. Batch 128, 150 generator steps. "
    "Generator by SGD 0.1 or Adam 0.03 (.5, .999); critic by Adam 1e-3 (.5, .999) for gan and nsgan, RMSprop 1e-3 and "
    "clip .05 for wgan, Adam 1e-3 (0, .9) for wgan-gp"
)

CLAIMS = (
    Claim(
        number=18,
        id="d-strength-dilemma",
        sentence="More critic updates per generator step hurt the minimax GAN and help WGAN.",
        source="Arjovsky & Bottou (2017), section 2; Arjovsky, Chintala & Bottou (2017), sections 3 and 4.3",
        protocol=f"{SET_UP}. θ₀ = 1, n_critic 1 and 10; gan, nsgan and wgan; 10 seeds (full: 1, 5, 10 and 20; also "
        "wgan-gp; 20 seeds). nsgan and wgan-gp are measured and not judged. The same game on ring64 is left out: the "
        "threshold is in units of θ₀ and has no counterpart there.",
        rules=tuple(DILEMMA.values()),
        caveat="With one critic update a step the minimax GAN learns as well (Fedus et al. 2018): it is the critic's "
        "lead that stops it, not the divergence. One parameter and one geometry.",
        experiments=(EXPERIMENT,),
        decide=decide_dilemma,
    ),
    Claim(
        number=19,
        id="ns-gan-learns-disjoint",
        sentence="A non-saturating GAN learns although the Jensen-Shannon divergence is saturated all the way.",
        source="Fedus et al. (2018), Many paths to equilibrium: a counter-claim to Arjovsky & Bottou (2017)",
        protocol=f"{SET_UP}. nsgan with n_critic 1, θ₀ of .5, 1 and 2, 20 seeds; a seed has learnt if |θ|, averaged "
        "over the last 50 steps, is below .1; Wilson's interval of the share.",
        rules=tuple(LEARNS.values()),
        caveat="It contradicts 'no gradient, hence no learning' as a general statement, not the theorem: the critic "
        "here is far from optimal, and with ten updates a step (claim 18) the same game can oscillate.",
        experiments=(EXPERIMENT,),
        decide=decide_learning,
    ),
)
