"""Claim 23: what clipping does to the gradients inside a deep critic."""

from __future__ import annotations

import numpy as np

from ganbench.claims.claim import Claim, Finding, Rule
from ganbench.claims.deep_critics import ARMS, EXPERIMENT
from ganbench.claims.experiment import Measurements

EFFECT = "slope of log10 of the layers' gradient norms over the number of the layer, by seed"
EXPLODES = Rule("clip .1 explodes", EFFECT, below=-0.1, least_seeds=6)
VANISHES = Rule("clip .01 vanishes", EFFECT, above=0.1, least_seeds=6)
VANISHES_FAST = Rule("clip .001 vanishes", EFFECT, above=0.1, least_seeds=6)
FLAT = Rule("penalty is flat", f"absolute {EFFECT}", below=0.1, least_seeds=6)
RULES = {
    ARMS["clip-0.1-wide-1"].label: EXPLODES,
    ARMS["clip-0.01"].label: VANISHES,
    ARMS["clip-0.001"].label: VANISHES_FAST,
    ARMS["gp"].label: FLAT,
}
NARROW = ARMS["clip-0.1"].label  # measured, not judged


def slopes(measurements: Measurements, arm: str) -> list[float]:
    """Slope a layer of each seed's gradient norms, by least squares; NaN where a layer has none that is finite."""
    table = measurements[measurements["arm"] == arm].pivot(index="seed", columns="at", values="value")
    layers, norms = table.columns.to_numpy(dtype=float), table.to_numpy(dtype=float)
    finite = np.isfinite(norms).all(axis=1)
    return [float(np.polyfit(layers, n, 1)[0]) if good else np.nan for n, good in zip(norms, finite, strict=True)]


def decide(measurements: Measurements) -> list[Finding]:
    """One finding an arm that is judged."""
    return [_judge(measurements, arm, rule) for arm, rule in RULES.items()]


def _judge(measurements: Measurements, arm: str, rule: Rule) -> Finding:
    found = slopes(measurements, arm)
    note = f"{arm}: + means vanishing towards the input"
    if rule is EXPLODES:
        narrow = slopes(measurements, NARROW)
        note += f"; {NARROW}: mean {np.mean(narrow):.3g}, from {min(narrow):.3g} to {max(narrow):.3g}"
    return rule.judge([abs(s) for s in found] if rule is FLAT else found, note)


CLAIMS = (
    Claim(
        number=23,
        id="clip-depth-gradients",
        sentence="In a deep critic that is clipped, gradients explode or vanish exponentially with depth, as the bound "
        "has it; with a gradient penalty they keep their size.",
        source="Gulrajani et al. (2017), section 3.2 and figure 1b, left",
        protocol="swissroll (noise .25, divided by 7.5); generator and critic of twelve hidden ReLU layers, latent 2; "
        "batch 64, 40 generator steps of five critic updates, so 200 of these (full: 200 steps), 8 seeds (full: 10). "
        "wgan with RMSprop 5e-4, clip .1 at width 512, and .1, .01, .001 at width 128; wgan-gp as in the paper "
        "(weight 10, Adam 1e-4, betas 0 and .9) at width 128. After the last step: norm of the gradient of "
        "E f(fake) − E f(real) by the activations of each hidden layer, at 256 real and 256 generated points, in "
        "float64; slope of its log10 over the layer's number by least squares. A slope below zero explodes towards "
        "the input. Training is in float64, at width 512 in float32 for its cost: growing gradients do not underflow.",
        rules=tuple(RULES.values()),
        caveat="The clipped critics' rate is ten times the released code's, for a fraction of its steps. What a bound "
        "does depends on the width, and on how far training has aligned the layers. Where gradients vanish, RMSprop's "
        "constant of 1e-8 ends all learning, so that those critics are little more than clipped initial weights.",
        experiments=(EXPERIMENT,),
        decide=decide,
    ),
)
