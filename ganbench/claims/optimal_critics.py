"""What an optimal critic is worth (claim 2), and what a generator descends under it (claim 3)."""

from __future__ import annotations

import pandas as pd

from ganbench.claims.claim import REPRODUCED, Claim, Finding, Rule
from ganbench.claims.experiment import Measurements, values
from ganbench.claims.trained_optimum import TRICK, VALUE

LEAST = 6  # seeds

CRITIC = Rule(
    "D", "root mean square of D - D* under the mixture, mean over five pairs, by seed", below=0.05, least_seeds=LEAST
)
WORTH = Rule("JS", "error of L/2 + log 2 as JS in nats, mean over five pairs, by seed", below=0.02, least_seeds=LEAST)

IDENTITIES = Rule(
    "identities", "largest error of the two identities by quadrature, in nats a unit of theta", below=1e-4
)
TRAINED = {
    arm: Rule(f"trained, {arm}", "relative error of the generator's gradient, by seed", below=0.1, least_seeds=LEAST)
    for arm in ("non-saturating", "minimax")
}


def decide_value(measurements: Measurements) -> list[Finding]:
    """Claim 2."""
    return [_over_pairs(rule, measurements, quantity) for rule, quantity in ((CRITIC, "rmse"), (WORTH, "js_error"))]


def _over_pairs(rule: Rule, measurements: Measurements, quantity: str) -> Finding:
    chosen = measurements[measurements["quantity"] == quantity]
    table = chosen.pivot(index="seed", columns="at", values="value").sort_index(axis=1)
    told = ", ".join(f"{mean:g}: {table[mean].mean():.2g}" for mean in table)
    return rule.judge(list(table.mean(axis=1, skipna=False)), f"Means by distance of the pair: {told}")


def decide_gradients(measurements: Measurements) -> list[Finding]:
    """Claim 3: quadrature is the gate of what trained critics are held against."""
    errors = measurements[measurements["quantity"] == "identity"]["value"]
    gate = IDENTITIES.judge_exact(errors.max(skipna=False))
    if gate.verdict != REPRODUCED:
        return [gate, *(rule.gate_failed("the identities fail by quadrature") for rule in TRAINED.values())]
    return [gate, *(_trained(rule, measurements, arm) for arm, rule in TRAINED.items())]


def _trained(rule: Rule, measurements: Measurements, arm: str) -> Finding:
    gradients: pd.Series[float] = values(measurements, "gradient", arm)
    return rule.judge(
        list(values(measurements, "relative_error", arm)),
        f"Gradients from {gradients.min():.4g} to {gradients.max():.4g}, mean {gradients.mean():.4g}",
    )


CRITICS = (
    "gan with an MLP critic of two hidden layers of 128, Adam 1e-3 with betas .5 and .999, {steps} of 128 fresh "
    "samples of either kind (full: {full} of 512; the quick sizes were cut for their cost, before any run was "
    "judged), 10 seeds."
)

CLAIMS = (
    Claim(
        number=2,
        id="optimal-d-js-value",
        sentence="A trained D approaches p_r / (p_r + p_g), and the value of the game is 2 JS - 2 log 2 there.",
        source="Goodfellow et al. (2014), proposition 1 and theorem 1",
        protocol="N(0, 1) against N(m, 1) on the line, m = 0, .5, 1, 2 and 4. "
        + CRITICS.format(steps="2,000 steps", full="3,000")
        + " D - D* by quadrature under the mixture; L on 50,000 held-out samples a side; true JS by quadrature.",
        rules=(CRITIC, WORTH),
        caveat="The estimate is a lower bound on held-out samples only: on those a critic was trained on it "
        "overshoots. Densities of images are nothing like these.",
        experiments=(VALUE,),
        decide=decide_value,
    ),
    Claim(
        number=3,
        id="ns-equals-kl-minus-2js",
        sentence="Under the optimal critic the gradient of -log D is that of KL(P_g || P_r) - 2 JS, and the gradient "
        "of log(1 - D) is that of 2 JS.",
        source="Arjovsky & Bottou (2017), theorem 2.5",
        protocol="N(0, 1) against N(theta, 1) at theta = 1.5. Both identities by quadrature and automatic "
        "differentiation; then the gradients that trained critics give, against the exact ones. "
        + CRITICS.format(steps="3,000 steps", full="3,000"),
        rules=(IDENTITIES, *TRAINED.values()),
        caveat="True only of a critic that is optimal for this very theta. KL(P_g || P_r) makes dropping a mode cheap "
        "and an unreal sample dear.",
        experiments=(TRICK,),
        decide=decide_gradients,
    ),
)
